/* Identical requests: one works, the others wait; and what happens when some of them leave. */
#include "imaging_group.h"
#include "scratch.h"
#include "sim_script.h"

/* ---- twins ---- */

static void test_thousand_twins(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    for (int i = 0; i < 1000; i++)
        sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    assert_int_equal(flights_count(sim.svc.flights), 1);
    assert_int_equal(flights_followers(sim.svc.flights), 999);
    assert_int_equal(sim.answered, 0);
    sim_run_ms(&sim, 2000);
    assert_int_equal(sim.creates, 1);
    assert_int_equal(sim.succeeded, 1000);
    struct sim_client *late = sim_script_post(&sim, 0);
    assert_true(late->hit && late->answers == 1); /* at once, without a hop */
    assert_int_equal(sim.creates, 1);
    assert_int_equal(sim.object_count, 1);
    sim_stop(&sim);
}

static void test_failing_leader_hands_over_once(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_2);
    failing_runs = 1;
    struct sim_client *leader = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 50);
    for (int i = 0; i < 9; i++)
        sim_script_post(&sim, 0);
    sim_run_ms(&sim, 1100);
    assert_int_equal(leader->error, ERR_UPSTREAM);
    assert_int_equal(flights_followers(sim.svc.flights), 8); /* exactly one leads now */
    assert_int_equal(sim.answered, 1);
    sim_finish(&sim);
    assert_int_equal(sim.creates, 2);
    assert_int_equal(sim.succeeded, 9);
    sim_stop(&sim);
}

static void test_handovers_are_bounded(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_2);
    failing_runs = 100;
    for (int i = 0; i < 10; i++)
        sim_script_post(&sim, 0);
    sim_finish(&sim);
    assert_int_equal(sim.creates, 3);
    assert_int_equal(sim.error_count[ERR_UPSTREAM], 10);
    sim_stop(&sim);
}

static void test_error_in_the_upload_is_shared(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_2);
    for (int i = 0; i < 10; i++)
        sim_script_post(&sim, SIM_BROKEN_FIRST);
    sim_finish(&sim);
    assert_int_equal(sim.creates, 0);
    assert_int_equal(sim.error_count[ERR_VALIDATION], 10);
    sim_stop(&sim);
}

static void test_good_run_that_cannot_be_stored_is_not_run_again(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_2);
    run_act.paid = SIM_PAID_AT_START;
    put_act.end = SIM_FAILS;
    for (int i = 0; i < 5; i++)
        sim_script_post(&sim, 0);
    sim_finish(&sim);
    assert_int_equal(sim.creates, 1);
    assert_int_equal(sim.error_count[ERR_STORAGE_FULL], 5);
    sim_stop(&sim);
}

static void test_several_outputs_are_all_or_none(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    run_act.outputs = RESULT_OUTPUTS_MAX;
    sim_script_post(&sim, 0);
    sim_run_ms(&sim, 5000);
    assert_int_equal(sim.object_count, RESULT_OUTPUTS_MAX);
    assert_int_equal(sim.puts, RESULT_OUTPUTS_MAX);
    put_act = (struct sim_act){.ns = SIM_NEVER, .cancel = SIM_STOPS_LATE, .cancel_ns = 50 * NS_PER_MS};
    every_third_put_ends_anyway = true; /* when the limit cancels them all */
    sim_script_post(&sim, 1);
    sim_run_ms(&sim, 120000);
    assert_int_equal(sim.error_count[ERR_DEADLINE], 1);
    assert_int_equal(sim.puts, 2 * RESULT_OUTPUTS_MAX);
    assert_int_equal(sim.object_count, RESULT_OUTPUTS_MAX); /* what was stored is removed */
    sim_stop(&sim);
}

/* ---- leaving ---- */

static void test_leader_leaves_alone(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    assert_int_equal(sim.running, 1);
    sim_leave(c);
    sim_run_ms(&sim, 0);
    assert_int_equal(sim.running, 0);
    assert_int_equal(atomic_load(&sim.svc.open), 0);
    assert_int_equal(sim.svc.class_limiter[CLASS_LIGHT]->running, 0);
    sim_finish(&sim);
    assert_int_equal(c->error, ERR_CLIENT_GONE);
    assert_int_equal(sim.creates, 1);
    sim_stop(&sim);
}

static void test_leader_leaves_followers(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_0);
    struct sim_client *leader = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    struct sim_client *follower = sim_script_post(&sim, 0), *second = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    sim_leave(leader);
    sim_run_ms(&sim, 0);
    assert_int_equal(sim.running, 1); /* for those who wait */
    sim_leave(second);
    sim_run_ms(&sim, 0);
    assert_int_equal(sim.running, 1);
    sim_finish(&sim);
    assert_int_equal(follower->error, ERR_NONE);
    assert_true(follower->joined);
    assert_int_equal(sim.creates, 1);
    sim_stop(&sim);
}

static void test_last_follower_leaves_a_leader_nobody_wants(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct sim_client *leader = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    struct sim_client *a = sim_script_post(&sim, 0), *b = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 1);
    sim_leave(leader);
    sim_leave(a);
    sim_run_ms(&sim, 0);
    assert_int_equal(sim.running, 1);
    sim_leave(b);
    sim_run_ms(&sim, 0);
    assert_int_equal(sim.running, 0);
    assert_int_equal(atomic_load(&sim.svc.open), 0);
    sim_stop(&sim);
}

/* The leader is told to stop and takes its time; a twin comes meanwhile, and is not told that it left. */
static void test_twin_joins_a_leader_that_is_stopping(void **state)
{
    struct sim sim;
    sim_script_start(&sim, handovers_0);
    run_act.cancel = SIM_STOPS_LATE;
    run_act.cancel_ns = 200 * NS_PER_MS;
    struct sim_client *leader = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    sim_leave(leader);
    sim_run_ms(&sim, 50);
    struct sim_client *twin = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 50);
    assert_int_equal(flights_followers(sim.svc.flights), 1);
    sim_finish(&sim);
    assert_int_equal(twin->error, ERR_NONE);
    assert_int_equal(sim.creates, 2);
    sim_stop(&sim);
}

static void test_follower_leaves(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    struct sim_client *leader = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    struct sim_client *follower = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    sim_leave(follower);
    sim_run_ms(&sim, 0);
    assert_int_equal(follower->answers, 1);
    assert_int_equal(flights_followers(sim.svc.flights), 0);
    assert_int_equal(atomic_load(&sim.svc.open), 1);
    sim_finish(&sim);
    assert_int_equal(leader->error, ERR_NONE);
    sim_stop(&sim);
}

static void test_twin_that_left_before_it_joined_does_not_wait(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    struct sim_client *c =
        sim_post(&sim, &(struct sim_post){.picture = 0, .feature = FEATURE_CLARITY, .impatient = true});
    sim_run_ms(&sim, 0);
    assert_int_equal(c->answers, 1);
    assert_int_equal(flights_followers(sim.svc.flights), 0);
    assert_int_equal(atomic_load(&sim.svc.open), 1); /* the leader */
    sim_stop(&sim);
}

/* Something else that was ready before the promoted follower, and makes its client leave. */
struct intruder {
    struct op op;
    struct sim_client *leaves;
};

static void intrude(struct op *op)
{
    sim_leave(CONTAINER_OF(op, struct intruder, op)->leaves);
}

/* In one turn: the leader fails, the follower is promoted, and its client leaves before it is resumed. */
static void promoted_follower_leaves(bool alone)
{
    struct sim sim;
    sim_script_start(&sim, handovers_2);
    failing_runs = 1;
    struct sim_client *leader = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    struct sim_client *promoted = sim_script_post(&sim, 0);
    struct sim_client *other = alone ? NULL : sim_script_post(&sim, 0);
    sim_run_ms(&sim, 1);
    struct intruder intruder = {.leaves = promoted};
    op_begin(&intruder.op, &sim.core, intrude, NULL);
    assert_int_equal(sim_finish_runs(&sim), 1);
    op_complete(&intruder.op, 0);
    sim_run_ms(&sim, 0);
    assert_int_equal(leader->error, ERR_UPSTREAM);
    assert_true(promoted->left);
    assert_int_equal(flights_count(sim.svc.flights), alone ? 0 : 1);
    sim_finish(&sim);
    assert_int_equal(sim.creates, alone ? 1 : 2);
    if (other)
        assert_int_equal(other->error, ERR_NONE);
    sim_stop(&sim);
}

static void test_promoted_follower_leaves_at_once(void **state)
{
    promoted_follower_leaves(true);
    promoted_follower_leaves(false);
}

static void test_paid_run_is_finished_and_remembered(void **state)
{
    struct sim sim;
    sim_script_start(&sim, NULL);
    run_act.paid = SIM_PAID_AT_START;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    sim_leave(c);
    sim_run_ms(&sim, 2000);
    assert_int_equal(sim.object_count, 1);
    struct sim_client *next = sim_script_post(&sim, 0);
    assert_true(next->hit);
    sim_finish(&sim);
    assert_int_equal(sim.creates, 1);
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousand_twins),
        cmocka_unit_test(test_failing_leader_hands_over_once),
        cmocka_unit_test(test_handovers_are_bounded),
        cmocka_unit_test(test_error_in_the_upload_is_shared),
        cmocka_unit_test(test_good_run_that_cannot_be_stored_is_not_run_again),
        cmocka_unit_test(test_several_outputs_are_all_or_none),
        cmocka_unit_test(test_leader_leaves_alone),
        cmocka_unit_test(test_leader_leaves_followers),
        cmocka_unit_test(test_last_follower_leaves_a_leader_nobody_wants),
        cmocka_unit_test(test_twin_joins_a_leader_that_is_stopping),
        cmocka_unit_test(test_follower_leaves),
        cmocka_unit_test(test_twin_that_left_before_it_joined_does_not_wait),
        cmocka_unit_test(test_promoted_follower_leaves_at_once),
        cmocka_unit_test(test_paid_run_is_finished_and_remembered),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
