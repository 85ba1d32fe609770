/* What is running: told as it is, once for many, with a pause between, and to the very end. */
#include "app_status.h"

#include <string.h>

#include "base/clock.h"
#include "imaging_group.h"
#include "scratch.h"
#include "sim_script.h"

struct asked {
    struct status_question question;
    struct blob *document; /* NULL: not told yet */
};

static void told(struct status_question *q, struct blob *document)
{
    struct asked *a = CONTAINER_OF(q, struct asked, question);
    assert_null(a->document);
    a->document = blob_ref(document);
}

static void ask(struct app_status *s, struct asked *a)
{
    *a = (struct asked){.question.told = told};
    app_status_ask(s, &a->question);
}

/* Frees it. */
static void assert_shows(struct asked *a, const char *words)
{
    assert_non_null(a->document);
    char text[8192];
    assert_in_range(a->document->size, 2, sizeof(text) - 1);
    memcpy(text, a->document->data, a->document->size);
    text[a->document->size] = '\0';
    if (!strstr(text, words))
        fail_msg("no %s in %s", words, text);
    blob_unref(TAKE(a->document));
}

static void test_what_runs_is_told_at_the_first_question(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct app_status *s = app_status_new(&sim.svc);
    sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    struct asked a;
    ask(s, &a);
    assert_null(a.document); /* the core tells it */
    sim_run_ms(&sim, 0);
    assert_shows(&a, "\"stage\":\"run\",\"age_ms\":100");
    sim_finish(&sim);
    ask(s, &a); /* long after, and nobody has asked meanwhile */
    sim_run_ms(&sim, 0);
    assert_shows(&a, "{\"open\":0,\"flights\":0,\"followers\":0,");
    app_status_free(s);
    sim_stop(&sim);
}

static void test_one_picture_for_all_and_a_pause(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct app_status *s = app_status_new(&sim.svc);
    struct asked a, b, c, d;
    ask(s, &a);
    ask(s, &b);
    sim_run_ms(&sim, 0);
    assert_ptr_equal(a.document, b.document);
    assert_shows(&a, "\"open\":0,");
    assert_shows(&b, "\"requests\":[]");
    ask(s, &c);
    sim_run_ms(&sim, STATUS_PAUSE_MS - 1);
    assert_null(c.document);
    sim_script_post(&sim, 0);
    ask(s, &d);
    sim_run_ms(&sim, 1);
    assert_ptr_equal(c.document, d.document);
    assert_shows(&c, "\"open\":1,");
    assert_shows(&d, "\"feature\":\"improveClarity\"");
    app_status_free(s);
    sim_stop(&sim);
}

static void test_close_leaves_nobody_waiting(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct app_status *s = app_status_new(&sim.svc);
    struct asked a, b, c, d;
    ask(s, &a);
    sim_run_ms(&sim, 0);
    ask(s, &b);
    sim_run_ms(&sim, 1); /* the pause is on */
    app_status_close(s);
    assert_ptr_not_equal(a.document, b.document);
    assert_shows(&a, "\"open\":0,");
    assert_shows(&b, "\"open\":0,");
    ask(s, &c); /* inside the call */
    app_status_close(s);
    ask(s, &d);
    assert_ptr_equal(c.document, d.document);
    assert_shows(&c, "\"open\":0,");
    assert_shows(&d, "\"open\":0,");
    app_status_free(s);
    sim_stop(&sim);
}

static void test_close_while_the_question_is_under_way(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct app_status *s = app_status_new(&sim.svc);
    struct asked a;
    ask(s, &a);
    app_status_close(s);
    assert_shows(&a, "\"open\":0,");
    sim_run_ms(&sim, 100); /* its message arrives, and does nothing */
    app_status_free(s);
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_runs_is_told_at_the_first_question),
        cmocka_unit_test(test_one_picture_for_all_and_a_pause),
        cmocka_unit_test(test_close_leaves_nobody_waiting),
        cmocka_unit_test(test_close_while_the_question_is_under_way),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
