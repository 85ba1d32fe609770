/* Limits, refusals, draining, and stopping in each stage. */
#include "imaging_group.h"
#include "scratch.h"
#include "sim_script.h"

/* ---- limits ---- */

static void test_queue_is_full(void **state)
{
    struct sim sim;
    sim_script_start(&sim, one_slot);
    run_act.ns = 1200 * NS_PER_MS;
    sim_script_post(&sim, 0);
    sim_run_ms(&sim, 2000); /* so that the typical time is known */
    run_act.ns = 5000 * NS_PER_MS;
    for (unsigned i = 1; i <= 3; i++) {
        sim_script_post(&sim, i);
        sim_run_ms(&sim, 20);
    }
    struct sim_client *refused = sim_script_post(&sim, 4);
    sim_run_ms(&sim, 20);
    assert_int_equal(refused->error, ERR_QUEUE_FULL);
    assert_int_equal(refused->retry_after_s, 4); /* two wait, one more, 1.2 s each, rounded up */
    sim_stop(&sim);
}

static void test_wait_for_a_slot_is_limited(void **state)
{
    struct sim sim;
    sim_script_start(&sim, one_slot);
    run_act.ns = 5000 * NS_PER_MS;
    sim_script_post(&sim, 0);
    sim_run_ms(&sim, 20);
    struct sim_client *c = sim_script_post(&sim, 1);
    sim_run_ms(&sim, 400);
    assert_int_equal(c->answers, 0);
    sim_run_ms(&sim, 200);
    assert_int_equal(c->error, ERR_DEADLINE);
    assert_int_equal(sim.svc.class_limiter[CLASS_LIGHT]->waiting, 0);
    sim_stop(&sim);
}

static void test_leader_misses_its_slot_and_followers_go_on(void **state)
{
    struct sim sim;
    sim_script_start(&sim, one_slot);
    run_act.ns = 900 * NS_PER_MS;
    sim_script_post(&sim, 0);
    sim_run_ms(&sim, 20);
    struct sim_client *leader = sim_script_post(&sim, 1);
    sim_run_ms(&sim, 20);
    struct sim_client *follower = sim_script_post(&sim, 1);
    sim_finish(&sim);
    assert_int_equal(leader->error, ERR_DEADLINE);
    assert_int_equal(follower->error, ERR_NONE); /* it has its own 500 ms, from 540 ms on */
    assert_int_equal(sim.creates, 2);
    sim_stop(&sim);
}

struct at_limit {
    struct timer timer;
    struct sim *sim;
};

static void finish_now(struct timer *t)
{
    sim_finish_runs(CONTAINER_OF(t, struct at_limit, timer)->sim);
}

/* The run ends in the same turn in which its limit fires: it was in time. */
static void test_run_ends_at_the_very_limit(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_0);
    run_act.ns = SIM_NEVER;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    assert_int_equal(c->req->at, STAGE_RUN);
    struct at_limit end = {.sim = &sim};
    sim_arm(&sim, &end.timer, c->req->limit.at_ns - sim.now_ns, finish_now);
    sim_finish(&sim);
    assert_int_equal(c->error, ERR_NONE);
    sim_stop(&sim);
}

static void test_job_ends_at_the_very_limit(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_0);
    sim.plan.lane_ns = SIM_NEVER;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    assert_int_equal(c->req->at, STAGE_PRESCALE);
    sim.now_ns = c->req->limit.at_ns;
    assert_true(sim_lane(&sim)); /* its mail comes in the turn in which the limit is due */
    sim_finish(&sim);
    assert_int_equal(c->error, ERR_NONE);
    sim_stop(&sim);
}

static void test_hanging_run_is_stopped(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_0);
    run_act.ns = SIM_NEVER;
    struct sim_client *c = sim_script_post(&sim, 0), *twin = sim_script_post(&sim, 0);
    sim_finish(&sim);
    assert_int_equal(c->error, ERR_DEADLINE);
    assert_int_equal(twin->error, ERR_DEADLINE);
    sim_stop(&sim);
}

static void test_bad_outputs(void **state)
{
    static const enum sim_end ends[] = {SIM_NO_OUTPUT, SIM_EMPTY_OUTPUT, SIM_NOT_AN_IMAGE, SIM_TOO_LARGE};
    struct sim sim;
    sim_script_start(&sim, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
        sim.plan.opt.output_max_bytes = 100;
        run_act.end = ends[i];
        struct sim_client *c = sim_script_post(&sim, i);
        sim_run_ms(&sim, 2000);
        assert_int_equal(c->error, ERR_UPSTREAM);
    }
    sim_finish(&sim);
    assert_int_equal(sim.puts, 0);
    sim_stop(&sim);
}

static void test_no_provider(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    unavailable = true;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_finish(&sim);
    assert_int_equal(c->error, ERR_PROVIDER_UNAVAILABLE);
    sim_stop(&sim);
}

static void test_drain(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct sim_client *before = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    atomic_store(&sim.svc.draining, true);
    struct sim_client *after = sim_script_post(&sim, 1);
    assert_int_equal(after->error, ERR_DRAINING);
    sim_finish(&sim);
    assert_int_equal(before->error, ERR_NONE);
    assert_int_equal(sim.creates, 1);
    sim_stop(&sim);
}

/* The provider is told to stop when the money is already spent: what it gives is kept. */
static void test_result_after_the_limit_is_kept(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    run_act = (struct sim_act){.ns = SIM_NEVER,
                               .paid = SIM_PAID_AT_END,
                               .cancel = SIM_ENDS_ANYWAY,
                               .cancel_ns = NS_PER_S,
                               .outputs = 1};
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_finish(&sim);
    assert_int_equal(c->error, ERR_NONE);
    assert_int_equal(sim.creates, 1);
    sim_stop(&sim);
}

static void test_put_that_succeeds_after_the_limit_is_kept(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    put_act = (struct sim_act){.ns = SIM_NEVER, .cancel = SIM_ENDS_ANYWAY, .cancel_ns = NS_PER_MS};
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 120000);
    assert_int_equal(c->error, ERR_NONE);
    assert_int_equal(sim.object_count, 1);
    assert_int_equal(sim_cached_objects(&sim), 1);
    sim_stop(&sim);
}

/* ---- stopping in each stage ---- */

enum where {
    UPLOADING,
    CROSSING,
    FOLLOWING,
    IN_LANE_QUEUE,
    JOB_DONE,
    WAITING,
    RUNNING,
    RUNNING_PAID,
    RUN_DONE,
    STORING
};

static const struct stop_row {
    const char *name;
    enum where where;
    enum stage_id stage; /* in which the request is found */
    bool kept;           /* the work is finished and remembered although the client has left */
} stop_rows[] = {
    {"while the upload comes", UPLOADING, STAGE_RECEIVE, false},
    {"on the way to the core", CROSSING, STAGE_JOIN, false},
    {"behind a twin", FOLLOWING, STAGE_JOIN, true},
    {"queued for a lane thread", IN_LANE_QUEUE, STAGE_PRESCALE, false},
    {"job done, its mail under way", JOB_DONE, STAGE_PRESCALE, false},
    {"waiting for a slot", WAITING, STAGE_QUEUE, false},
    {"running", RUNNING, STAGE_RUN, false},
    {"running, paid", RUNNING_PAID, STAGE_RUN, true},
    {"run done, not yet resumed", RUN_DONE, STAGE_RUN, true},
    {"storing", STORING, STAGE_STORE, true},
};

/* Brings a request there. */
static struct sim_client *bring(struct sim *sim, const struct stop_row *row)
{
    struct sim_post p = {.picture = 0, .feature = FEATURE_CLARITY};
    if (row->where == FOLLOWING || row->where == WAITING) {
        sim_script_post(sim, row->where == FOLLOWING ? 0 : 1);
        sim_run_ms(sim, 100);
    }
    if (row->where == IN_LANE_QUEUE || row->where == JOB_DONE)
        sim->plan.lane_ns = SIM_NEVER;
    p.upload_ns = row->where == UPLOADING ? NS_PER_S : 0;
    struct sim_client *c = sim_post(sim, &p);
    if (row->where == UPLOADING || row->where == CROSSING)
        return c;
    sim_run_ms(sim, 100);
    if (row->where == JOB_DONE)
        assert_true(sim_lane(sim));
    if (row->where == RUNNING_PAID)
        sim_pay_runs(sim);
    if (row->where == RUN_DONE)
        assert_int_equal(sim_finish_runs(sim), 1);
    if (row->where == STORING)
        sim_run_ms(sim, 905);
    return c;
}

static void test_client_leaves_in_each_stage(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(stop_rows); i++) {
        const struct stop_row *row = &stop_rows[i];
        struct sim sim;
        print_message("             client leaves %s\n", row->name);
        sim_script_start(&sim, one_slot);
        struct sim_client *c = bring(&sim, row);
        assert_int_equal(c->req->at, row->stage);
        sim_leave(c);
        sim.plan.lane_ns = NS_PER_MS;
        sim_run_ms(&sim, 100000);
        assert_int_equal(c->answers, row->where != UPLOADING);
        struct sim_client *next = sim_script_post(&sim, 0);
        assert_int_equal(next->hit, row->kept);
        sim_finish(&sim);
        assert_int_equal(next->error, ERR_NONE);
        sim_stop(&sim);
    }
}

static void test_limit_in_each_stage(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(stop_rows); i++) {
        const struct stop_row *row = &stop_rows[i];
        if (row->where == UPLOADING || row->where == CROSSING || row->where == RUN_DONE)
            continue; /* not bounded here */
        struct sim sim;
        print_message("             the limit passes %s\n", row->name);
        sim_script_start(&sim, one_slot);
        sim.plan.opt.join_timeout_ms = 5000;
        run_act.ns = put_act.ns = SIM_NEVER;
        if (row->where == STORING)
            run_act.ns = 1000 * NS_PER_MS;
        struct sim_client *c = bring(&sim, row);
        assert_int_equal(c->req->at, row->stage);
        sim_run_ms(&sim, 1000000);
        assert_int_equal(c->answers, 1);
        assert_int_equal(c->error, ERR_DEADLINE);
        sim_stop(&sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_is_full),
        cmocka_unit_test(test_wait_for_a_slot_is_limited),
        cmocka_unit_test(test_leader_misses_its_slot_and_followers_go_on),
        cmocka_unit_test(test_run_ends_at_the_very_limit),
        cmocka_unit_test(test_job_ends_at_the_very_limit),
        cmocka_unit_test(test_hanging_run_is_stopped),
        cmocka_unit_test(test_bad_outputs),
        cmocka_unit_test(test_no_provider),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_result_after_the_limit_is_kept),
        cmocka_unit_test(test_put_that_succeeds_after_the_limit_is_kept),
        cmocka_unit_test(test_client_leaves_in_each_stage),
        cmocka_unit_test(test_limit_in_each_stage),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
