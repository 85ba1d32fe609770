/* A second provider: when it is asked, and how long what it gave is kept. */
#include "imaging_group.h"
#include "scratch.h"
#include "sim_script.h"

static void start(struct sim *sim, void (*change)(struct options *opt))
{
    sim_script_start(sim, change);
    sim->svc.provider[sim->svc.provider_count++] = &sim->provider;
}

static void no_fallback(struct options *opt)
{
    opt->fallback = false;
    opt->twin_handovers = 0;
}

static void short_memory(struct options *opt)
{
    opt->degraded_ttl_ms = 5000;
}

static void test_the_second_takes_over(void **state)
{
    struct sim sim;
    start(&sim, short_memory);
    failing_runs = 1;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 3000);
    assert_int_equal(c->answers, 1);
    assert_int_equal(c->error, ERR_NONE);
    assert_true(c->degraded);
    assert_int_equal(sim.creates, 2);
    struct sim_client *soon = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 100);
    assert_true(soon->hit && soon->degraded);
    sim_run_ms(&sim, 5000); /* the time of a degraded result is over */
    struct sim_client *later = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 3000);
    assert_int_equal(later->error, ERR_NONE);
    assert_false(later->hit || later->degraded); /* and the first provider is asked again */
    assert_int_equal(sim.creates, 3);
    sim_stop(&sim);
}

static void test_both_fail(void **state)
{
    struct sim sim;
    start(&sim, handovers_0);
    failing_runs = 2;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 5000);
    assert_int_equal(c->error, ERR_UPSTREAM);
    assert_int_equal(sim.creates, 2); /* each once */
    sim_stop(&sim);
}

static void test_switched_off(void **state)
{
    struct sim sim;
    start(&sim, no_fallback);
    failing_runs = 1;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 3000);
    assert_int_equal(c->error, ERR_UPSTREAM);
    assert_int_equal(sim.creates, 1);
    sim_stop(&sim);
}

/* The one that waits meanwhile gets the second provider's result, and nothing runs for it. */
static void test_twins_share_it(void **state)
{
    struct sim sim;
    start(&sim, handovers_2);
    failing_runs = 1;
    struct sim_client *c[3];
    for (int i = 0; i < 3; i++)
        c[i] = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 3000);
    for (int i = 0; i < 3; i++)
        assert_true(c[i]->answers == 1 && c[i]->error == ERR_NONE && c[i]->degraded);
    assert_int_equal(sim.creates, 2);
    sim_stop(&sim);
}

static void test_a_client_that_left_is_not_fallen_back_for(void **state)
{
    struct sim sim;
    start(&sim, handovers_0);
    run_act.cancel = SIM_STOPS_LATE;
    run_act.cancel_ns = 100 * NS_PER_MS;
    struct sim_client *c = sim_script_post(&sim, 0);
    sim_run_ms(&sim, 500);
    sim_leave(c);
    sim_run_ms(&sim, 5000);
    assert_int_equal(sim.creates, 1);
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_takes_over),
        cmocka_unit_test(test_both_fail),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_twins_share_it),
        cmocka_unit_test(test_a_client_that_left_is_not_fallen_back_for),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
