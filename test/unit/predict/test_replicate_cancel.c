/* What a cancel means in each state of a run. */
#include "replicate_rig.h"

static struct rig *rig_of(struct provider_rig *r)
{
    return r->ctx;
}

static bool asked_once(struct provider_rig *r)
{
    return atomic_load(&rig_of(r)->api.asked) == 1;
}

static bool asked_twice(struct provider_rig *r)
{
    return atomic_load(&rig_of(r)->api.asked) == 2;
}

static bool at_once(struct provider_rig *r)
{
    return true;
}

/* Cancels, and then lets the answer go that is held. */
static bool while_held(struct provider_rig *r)
{
    struct rig *g = rig_of(r);
    if (atomic_load(&g->api.held) == 0)
        return false;
    op_cancel(&r->p.op);
    assert_true(op_running(&r->p.op)); /* only noted */
    api_script_let_go(&g->api);
    return true;
}

static void test_before_the_create(void **state) /* nothing has been sent: it is over at once */
{
    OPEN(g, {.status = 429, .headers = "Retry-After: 20\r\n"}, A(201, SUCCEEDED));
    g.r.leave_when_free = true; /* 429: nothing is paid any more */
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    assert_false(g.r.p.paid);
    g.r.cancel_when = at_once; /* waits for the pause to end */
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    assert_false(g.r.p.paid);
    check_log(&g, CREATE);
    rig_close(&g);
}

static void test_during_the_create(void **state)
{
    OPEN(g, {.status = 201, .body = STARTING, .act = API_HOLD}, A(200, CANCELED));
    g.r.cancel_when = while_held;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    assert_false(g.r.p.paid); /* it had not begun */
    check_log(&g, CREATE CANCEL);
    rig_close(&g);
}

static void test_result_came_first(void **state)
{
    OPEN(g, {.status = 201, .body = SUCCEEDED, .act = API_HOLD});
    g.r.cancel_when = while_held;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE);
    rig_close(&g);
}

static void test_while_it_starts(void **state) /* nobody wants it, and it costs nothing yet */
{
    OPEN(g, A(201, STARTING), A(200, CANCELED));
    g.r.leave_when_free = true;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    assert_false(g.r.p.paid);
    check_log(&g, CREATE CANCEL);
    rig_close(&g);
}

static void test_while_it_runs(void **state)
{
    OPEN(g, A(201, PROCESSING), A(500, "<html>"), A(200, CANCELED));
    g.r.cancel_when = asked_once;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    assert_true(g.r.p.paid);
    check_log(&g, CREATE CANCEL CANCEL);
    rig_close(&g);
}

static void test_during_a_poll(void **state)
{
    OPEN(g, A(201, PROCESSING), {.status = 200, .body = PROCESSING, .act = API_HOLD}, A(200, CANCELED));
    g.r.cancel_when = asked_twice;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    check_log(&g, CREATE GET CANCEL);
    rig_close(&g);
}

static void test_refused(void **state) /* case 19: it is over already */
{
    OPEN(g, A(201, PROCESSING), A(409, "{\"detail\":\"already finished\"}"), A(200, SUCCEEDED));
    g.r.cancel_when = asked_once;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE CANCEL GET);
    rig_close(&g);
}

static void test_during_a_look_up(void **state) /* first it must be known what runs */
{
    OPEN(g, RESET, {.status = 200, .body = LISTED("\"status\":\"starting\"", INPUT), .act = API_HOLD},
         A(200, CANCELED));
    g.r.cancel_when = while_held;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    check_log(&g, CREATE LIST CANCEL);
    rig_close(&g);
}

static void test_deadline(void **state)
{
    OPEN(g, A(201, PROCESSING), A(200, PROCESSING), A(200, PROCESSING), A(200, CANCELED));
    g.r.p.deadline_ns = clock_mono_ns(); /* the grace of a second is left */
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    g.r.p.deadline_ns = clock_mono_ns() + 200 * NS_PER_MS;
    assert_int_equal(provider_rig_run(&g.r), -ERR_DEADLINE);
    assert_true(g.r.p.paid);
    assert_non_null(strstr(g.api.log, CANCEL));
    assert_non_null(strstr(g.api.head[0], "Prefer: wait=1\r\n"));
    assert_non_null(strstr(g.api.head[0], "Cancel-After: 5s\r\n"));
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_create), cmocka_unit_test(test_during_the_create),
        cmocka_unit_test(test_result_came_first), cmocka_unit_test(test_while_it_starts),
        cmocka_unit_test(test_while_it_runs),     cmocka_unit_test(test_during_a_poll),
        cmocka_unit_test(test_refused),           cmocka_unit_test(test_during_a_look_up),
        cmocka_unit_test(test_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
