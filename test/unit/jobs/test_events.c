#include "jobs/events.h"

#include <stdio.h>
#include <string.h>

#include "jobs/job.h"
#include "scratch.h"

struct ear {
    struct job_listener listener;
    uint64_t first, last;
    unsigned count;
    bool in_order;
};

static void hear(struct job_listener *l, const struct job_event *event)
{
    struct ear *e = CONTAINER_OF(l, struct ear, listener);
    if (e->count++ == 0)
        e->first = event->id;
    else
        e->in_order &= event->id == e->last + 1;
    e->last = event->id;
    assert_non_null(memmem(event->json->data, event->json->size, event->name, strlen(event->name)));
}

static struct ear ear(void)
{
    return (struct ear){.listener.told = hear, .in_order = true};
}

/* It needs nothing but itself to say how it stands. */
static void make_over(struct job *job)
{
    static char empty[] = "";
    *job = (struct job){.feature = &features[0], .state = JOURNAL_FAILED, .base_url = empty};
    snprintf(job->id, sizeof(job->id), "a-job");
    job_events_init(&job->events);
}

static void test_they_are_numbered_and_told_to_all(void **state)
{
    struct job job;
    make_over(&job);
    struct ear a = ear(), b = ear();
    job_events_listen(&job.events, &a.listener);
    job_events_add(&job, "queued");
    job_events_listen(&job.events, &b.listener);
    job_events_add(&job, "started");
    job_events_leave(&a.listener);
    job_events_leave(&a.listener);
    job_events_add(&job, "completed");
    assert_int_equal(a.count, 2);
    assert_int_equal(b.count, 2);
    assert_int_equal(b.first, 2);
    job_events_leave(&b.listener);
    job_events_release(&job.events);
}

static void test_the_last_ones_are_kept(void **state)
{
    struct job job;
    make_over(&job);
    for (int i = 0; i < 3 * JOB_EVENTS_MAX + 5; i++)
        job_events_add(&job, "progress");
    const struct {
        uint64_t after, first;
        unsigned count;
    } rows[] = {{0, 2 * JOB_EVENTS_MAX + 6, JOB_EVENTS_MAX},
                {3 * JOB_EVENTS_MAX + 4, 3 * JOB_EVENTS_MAX + 5, 1},
                {3 * JOB_EVENTS_MAX + 5, 0, 0},
                {UINT64_MAX, 2 * JOB_EVENTS_MAX + 6, JOB_EVENTS_MAX}}; /* counted in another process */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ear e = ear();
        job_events_replay(&job.events, rows[i].after, &e.listener);
        assert_int_equal(e.count, rows[i].count);
        assert_int_equal(e.first, rows[i].first);
        assert_true(e.in_order);
    }
    job_events_release(&job.events);
}

static void test_few_take_little(void **state)
{
    struct job job;
    make_over(&job);
    for (int i = 0; i < 5; i++)
        job_events_add(&job, "progress");
    assert_true(job.events.room <= 8);
    struct ear e = ear();
    job_events_replay(&job.events, 3, &e.listener);
    assert_int_equal(e.first, 4);
    assert_int_equal(e.count, 2);
    job_events_release(&job.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_are_numbered_and_told_to_all),
        cmocka_unit_test(test_the_last_ones_are_kept),
        cmocka_unit_test(test_few_take_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
