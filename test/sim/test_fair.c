/* Many callers at once: who is served when, who is refused, and what a twin changes. A run takes a second; no
 * two relights are the same, as none names a seed. */
#include "imaging_group.h"
#include "scratch.h"
#include "sim_script.h"

enum { ONE_SLOT_MANY = 1000 };

static void one_slot_many_places(struct options *opt)
{
    opt->heavy_concurrency = 1;
    opt->light_concurrency = 1;
    opt->queue_max = ONE_SLOT_MANY;
    opt->queue_timeout_ms = 3600000;
}

static struct sim_client *relight(struct sim *sim, uint64_t caller, enum slot_priority priority)
{
    return sim_post(sim,
                    &(struct sim_post){.feature = FEATURE_RELIGHT, .caller = caller, .priority = priority});
}

/* All of it is posted, and has got as far as the queue. */
static void settle(struct sim *sim, size_t waiting)
{
    const struct limiter *l = sim->svc.class_limiter[CLASS_HEAVY];
    while (l->waiting < waiting)
        sim_run_ms(sim, 1);
}

static void test_a_thousand_do_not_hold_up_one(void **state)
{
    struct sim sim;
    sim_script_start(&sim, one_slot_many_places);
    run_act.ns = 1000000 * NS_PER_MS;
    for (unsigned i = 0; i < ONE_SLOT_MANY + 1; i++)
        relight(&sim, 1, SLOT_NORMAL);
    settle(&sim, ONE_SLOT_MANY);
    run_act.ns = 1000 * NS_PER_MS;
    struct sim_client *one = relight(&sim, 2, SLOT_NORMAL); /* and takes a place of theirs */
    while (one->req->queue.wait.limiter == NULL)
        sim_run_ms(&sim, 1);
    assert_int_equal(sim.error_count[ERR_QUEUE_FULL], 1);
    assert_true(limiter_position(&one->req->queue.wait) <= 2);
    unsigned before = sim.answered;
    sim_finish_runs(&sim);
    sim_run_ms(&sim, 2900); /* the one that ran, one more of the thousand, and this one */
    assert_int_equal(one->answers, 1);
    assert_int_equal(one->error, ERR_NONE);
    assert_true(sim.answered <= before + 3);
    sim_stop(&sim);
}

static void test_background_work_waits(void **state)
{
    struct sim sim;
    sim_script_start(&sim, one_slot_many_places);
    sim.svc.class_limiter[CLASS_HEAVY]->low_every = 5;
    struct sim_client *low[2], *last = NULL;
    relight(&sim, 1, SLOT_NORMAL);
    sim_run_ms(&sim, 100);
    for (unsigned i = 0; i < ARRAY_LEN(low); i++)
        low[i] = relight(&sim, 2, SLOT_LOW);
    for (unsigned i = 0; i < 8; i++)
        last = relight(&sim, 1, SLOT_NORMAL);
    settle(&sim, 10);
    sim_run_ms(&sim, 5500);
    assert_int_equal(low[0]->answers, 0);
    sim_run_ms(&sim, 1500); /* after five of the others */
    assert_int_equal(low[0]->answers, 1);
    sim_run_ms(&sim, 3000);
    assert_int_equal(last->answers, 1);
    assert_int_equal(low[1]->answers, 0); /* nobody else waits now */
    sim_run_ms(&sim, 1500);
    assert_int_equal(low[1]->answers, 1);
    sim_stop(&sim);
}

/* A caller waits for what another has asked for as the last of many: it is done when it would be his turn. */
static void test_a_twin_lends_its_turn(void **state)
{
    struct sim sim;
    sim_script_start(&sim, one_slot_many_places);
    struct sim_client *many[10];
    for (unsigned i = 0; i < ARRAY_LEN(many); i++) {
        many[i] = sim_post(&sim, &(struct sim_post){.picture = i,
                                                    .feature = FEATURE_CLARITY,
                                                    .caller = 1,
                                                    .priority = i == 9 ? SLOT_LOW : SLOT_NORMAL});
        sim_run_ms(&sim, 20);
    }
    struct sim_client *twin =
        sim_post(&sim, &(struct sim_post){.picture = 9, .feature = FEATURE_CLARITY, .caller = 2});
    sim_run_ms(&sim, 3000);
    assert_int_equal(twin->error, ERR_NONE);
    assert_int_equal(twin->answers, 1);
    assert_true(twin->joined);
    assert_int_equal(many[9]->answers, 1);
    assert_int_equal(many[3]->answers, 0);
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_do_not_hold_up_one),
        cmocka_unit_test(test_background_work_waits),
        cmocka_unit_test(test_a_twin_lends_its_turn),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
