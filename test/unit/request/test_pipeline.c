/* The driver and the stage table; what the stages mean together is in test/sim. */
#include <stdlib.h>
#include <string.h>

#include "imaging_group.h"
#include "metrics/metrics.h"
#include "scratch.h"
#include "sim_script.h"

static void test_the_table_is_whole(void **state)
{
    bool on_core = false;
    for (int i = 0; i < STAGE_COUNT; i++) {
        const struct stage *s = &stages[i];
        assert_non_null(s->name);
        assert_non_null(s->enter);
        /* Each wait on the core is bounded; by the caller's wish where it waits for a job. */
        assert_true(!s->done || i == STAGE_RECEIVE || i == STAGE_ACCEPT || s->limit_offset);
        if (i < STAGE_MEASURE) /* once on the core, it stays until it is over */
            assert_true(s->on_core >= on_core);
        on_core |= s->on_core;
        for (int k = 0; k < i; k++)
            assert_string_not_equal(s->name, stages[k].name);
    }
    assert_true(stages[STAGE_JOIN].on_core && !stages[STAGE_LOOKUP].on_core);
}

/* Looks at the request when it is answered, before it is freed. */
static struct {
    uint64_t ns[STAGE_COUNT];
    unsigned answers;
    enum err error;
    char reason[256];
} seen;

static void look(struct request *req)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        seen.ns[i] = request_stage_ns(req, (enum stage_id)i);
    seen.answers++;
    seen.error = request_result(req) ? ERR_NONE : req->err.code;
    memcpy(seen.reason, req->err.reason, sizeof(seen.reason));
}

static void nothing(struct request *req)
{
}

static const struct client_ops looker = {.suspend = nothing, .watch = nothing, .answer = look};

static struct request *request(struct sim *sim, unsigned picture)
{
    struct error e;
    memset(&seen, 0, sizeof(seen));
    struct request *req =
        request_new(&sim->svc, &features[FEATURE_CLARITY], "an-id", &looker, NULL, sim->now_ns);
    req->receive.body[0] = body_new(sim->svc.spool, 0);
    const struct blob *b = sim->picture[picture];
    assert_int_equal(body_append(req->receive.body[0], b->data, b->size, &e), 0);
    return req;
}

static void body_is_complete(struct request *req)
{
    body_finish(req->receive.body[0]);
    req->receive.complete = true;
}

static void finish(struct sim *sim)
{
    while (sim_step(sim))
        ;
    sim->posted++; /* this request did not come through sim_post */
    metrics_arrived(sim->svc.metrics, &features[FEATURE_CLARITY]);
}

static void test_stage_times(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct request *req = request(&sim, 0);
    request_start(req);
    assert_int_equal(req->at, STAGE_RECEIVE);
    assert_false(req->on_core);
    sim_run_ms(&sim, 300); /* the upload takes its time */
    body_is_complete(req);
    request_resume(req);
    finish(&sim);
    assert_int_equal(seen.answers, 1);
    assert_int_equal(seen.error, ERR_NONE);
    assert_int_equal(seen.ns[STAGE_RECEIVE], 300 * NS_PER_MS);
    assert_int_equal(seen.ns[STAGE_RUN], 1000 * NS_PER_MS);
    assert_int_equal(seen.ns[STAGE_STORE], 10 * NS_PER_MS);
    assert_int_equal(seen.ns[STAGE_JOIN], 0); /* it led at once */
    sim_stop(&sim);
}

static void test_refusal_on_the_front_never_crosses(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct request *req = request(&sim, SIM_NO_PICTURE);
    body_is_complete(req);
    request_start(req); /* and is freed */
    assert_int_equal(seen.answers, 1);
    assert_int_equal(seen.error, ERR_UNSUPPORTED_MEDIA_TYPE);
    assert_int_equal(atomic_load(&sim.svc.open), 0);
    finish(&sim);
    sim_stop(&sim);
}

static void test_missing_and_empty_picture(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct request *req = request(&sim, SIM_EMPTY_PICTURE);
    body_is_complete(req);
    request_start(req);
    assert_int_equal(seen.error, ERR_VALIDATION);
    assert_string_equal(seen.reason, "The file is empty");
    finish(&sim);
    req = request(&sim, SIM_EMPTY_PICTURE);
    body_unref(TAKE(req->receive.body[0]));
    req->receive.complete = true;
    request_start(req);
    assert_int_equal(seen.error, ERR_VALIDATION);
    assert_non_null(strstr(seen.reason, "\"image\""));
    finish(&sim);
    sim_stop(&sim);
}

static void test_fields_are_checked(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct request *req = request(&sim, 0);
    body_is_complete(req);
    request_add_field(req, "scale", "9");
    request_start(req);
    assert_int_equal(seen.error, ERR_VALIDATION);
    finish(&sim);
    sim_stop(&sim);
}

/* A provider that breaks its contract must not make a request look well. */
static void test_failure_without_a_reason_is_ours(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    run_act.end = SIM_FAILS_SILENTLY;
    struct request *req = request(&sim, 0);
    body_is_complete(req);
    request_start(req);
    finish(&sim);
    assert_int_equal(seen.answers, 1);
    assert_int_equal(seen.error, ERR_INTERNAL);
    sim_stop(&sim);
}

static void test_cancel_for_a_reason_of_ours(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct request *req = request(&sim, 0);
    body_is_complete(req);
    request_start(req);
    sim_run_ms(&sim, 100);
    assert_int_equal(req->at, STAGE_RUN);
    error_set(&req->err, ERR_DRAINING, "time is up");
    request_cancel(req);
    assert_int_equal(seen.answers, 0); /* not inside the call */
    finish(&sim);
    assert_int_equal(seen.answers, 1);
    assert_int_equal(seen.error, ERR_DRAINING);
    assert_string_equal(seen.reason, "time is up");
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_whole),
        cmocka_unit_test(test_stage_times),
        cmocka_unit_test(test_refusal_on_the_front_never_crosses),
        cmocka_unit_test(test_missing_and_empty_picture),
        cmocka_unit_test(test_fields_are_checked),
        cmocka_unit_test(test_failure_without_a_reason_is_ours),
        cmocka_unit_test(test_cancel_for_a_reason_of_ours),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
