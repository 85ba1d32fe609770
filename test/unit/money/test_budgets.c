/* Budgets in memory, in a real database, and in a real Redis, which several share. */
#include "money/budgets.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "redis_rig.h"
#include "redis_server.h"
#include "scratch.h"

enum { NODES = 2, LEASE_MS = 600, NOON_S = 1795608000 };

#define USD NANO_PER_USD

static int64_t now_s;
static struct redis_server server;
static struct redis_rig rig;
static struct options opt;
static struct budgets *node[NODES];
static struct lane *lane;
static const struct budget_who light = {CLASS_LIGHT, NULL}, heavy = {CLASS_HEAVY, "web"};

static int64_t told_time(void)
{
    return now_s;
}

static struct budgets *made(struct redis *redis, struct lane *db)
{
    const struct budgets_config config = {.opt = &opt,
                                          .loop = loop_uv_loop(rig.uv),
                                          .redis = redis,
                                          .lane = db,
                                          .lease_ms = LEASE_MS,
                                          .now_s = told_time};
    struct budgets *b = NULL;
    struct error e;
    assert_int_equal(budgets_new(&config, &b, &e), 0);
    assert_non_null(b);
    budgets_start(b);
    return b;
}

static bool is_quiet(void *ctx)
{
    return !budgets_busy(ctx);
}

static void ended(struct budgets *b)
{
    redis_rig_run(&rig, is_quiet, b);
    budgets_stop(b);
    redis_rig_run(&rig, is_quiet, b);
    budgets_free(b);
}

static void nothing(struct op *op)
{
}

static bool is_over(void *ctx)
{
    return ((struct budget_hold *)ctx)->op.state == OP_IDLE;
}

static int reserve(struct budgets *b, struct budget_hold *hold, const struct budget_who *who, int64_t nano)
{
    *hold = (struct budget_hold){0};
    budget_reserve(b, hold, who, nano, nothing);
    redis_rig_run(&rig, is_over, hold);
    return hold->op.result;
}

static int64_t left(struct budgets *b, unsigned i)
{
    struct cells *c = cells_new();
    budgets_sample(b, c);
    int64_t n = (int64_t)cells_value(c, M_BUDGET_REMAINING, i);
    cells_free(c);
    return n;
}

static int set_up(void **state)
{
    now_s = NOON_S;
    opt = (struct options){.budgets = "all=10/day,heavy=4/hour",
                           .budget_soft_percent = 50,
                           .budget_webhook_url = "",
                           .budget_webhook_secret = "",
                           .redis_prefix = "test",
                           .database_url = "",
                           .db_timeout_ms = 5000};
    if (server.pid)
        free(redis_server_ask(&server, (const char *const[]){"FLUSHALL", NULL}));
    redis_rig_init(&rig, server.pid ? server.url : "redis://127.0.0.1:1", 1000, 0);
    return 0;
}

static int tear_down(void **state)
{
    redis_rig_release(&rig);
    return 0;
}

/* ---- in memory ---- */

static void test_held_then_spent(void **state)
{
    struct budgets *b = made(NULL, NULL);
    struct budget_hold a, c;
    struct error e = {0};
    assert_int_equal(reserve(b, &a, &light, 6 * USD), 0);
    assert_int_equal(reserve(b, &c, &light, 6 * USD), -ERR_BUDGET_EXCEEDED);
    assert_non_null(strstr(c.err.reason, "of this server for this day"));
    assert_int_equal(c.err.retry_after_s, 43200);
    assert_int_equal(budget_check(b, &light, 5 * USD, &e), -ERR_BUDGET_EXCEEDED);
    assert_int_equal(budget_check(b, &light, 0, &e), 0);
    budget_settle(&c, USD); /* holds nothing */
    assert_int_equal(left(b, 0), 4 * USD);
    budget_settle(&a, 2 * USD);
    budget_settle(&a, 2 * USD); /* once is enough */
    assert_int_equal(left(b, 0), 8 * USD);
    assert_int_equal(reserve(b, &c, &light, 8 * USD), 0);
    budget_settle(&c, 0); /* it did not run */
    assert_int_equal(left(b, 0), 8 * USD);
    ended(b);
}

static void test_all_or_none(void **state)
{
    struct budgets *b = made(NULL, NULL);
    struct budget_hold a;
    assert_int_equal(reserve(b, &a, &heavy, 5 * USD), -ERR_BUDGET_EXCEEDED);
    assert_non_null(strstr(a.err.reason, "class \"heavy\" for this hour"));
    assert_int_equal(left(b, 0), 10 * USD);
    assert_int_equal(reserve(b, &a, &heavy, 4 * USD), 0);
    assert_int_equal(left(b, 0), 6 * USD);
    assert_int_equal(left(b, 1), 0);
    budget_settle(&a, 4 * USD);
    ended(b);
}

static void test_a_new_period_begins_at_nothing(void **state)
{
    struct budgets *b = made(NULL, NULL);
    struct budget_hold a, c;
    BUF_ON_EXIT struct buf warning;
    buf_init(&warning, 1024);
    assert_int_equal(reserve(b, &a, &heavy, 4 * USD), 0);
    budget_warning(b, &heavy, &warning);
    assert_string_equal(buf_text(&warning), "\"heavy/hour\";used=100;t=3600");
    now_s += 3600;
    assert_int_equal(left(b, 1), 4 * USD);
    assert_int_equal(left(b, 0), 6 * USD);
    assert_int_equal(reserve(b, &c, &heavy, 4 * USD), 0);
    budget_settle(&a, USD); /* counts in the hour that is over, and in the day */
    assert_int_equal(left(b, 1), 0);
    assert_int_equal(left(b, 0), 5 * USD);
    budget_settle(&c, 4 * USD);
    ended(b);
}

/* ---- in the database ---- */

static void test_a_restart_remembers(void **state)
{
    char *folder = scratch_new();
    struct budget_hold a, c;
    opt.data_dir = folder;
    lane = lane_new(&(struct lane_config){"db", 1, 10, NULL}, loop_uv_loop(rig.uv));
    struct budgets *b = made(NULL, lane);
    assert_int_equal(reserve(b, &a, &heavy, 3 * USD), 0);
    assert_int_equal(reserve(b, &c, &light, 2 * USD), 0);
    budget_settle(&a, USD);
    ended(b); /* c is never settled: its process died */
    b = made(NULL, lane);
    assert_int_equal(left(b, 0), 7 * USD);
    assert_int_equal(left(b, 1), 3 * USD);
    ended(b);
    now_s += 3600;
    b = made(NULL, lane);
    assert_int_equal(left(b, 0), 7 * USD);
    assert_int_equal(left(b, 1), 4 * USD);
    ended(b);
    lane_free(lane);
    scratch_free(folder);
}

/* ---- in Redis ---- */

static bool all_settled(void *ctx)
{
    return !budgets_busy(node[0]) && !budgets_busy(node[1]);
}

static void begin_nodes(void)
{
    if (!server.pid)
        skip();
    redis_start(rig.redis);
    redis_rig_until_up(&rig);
    for (unsigned i = 0; i < NODES; i++)
        node[i] = made(rig.redis, NULL);
}

static void end_nodes(void)
{
    for (unsigned i = 0; i < NODES; i++)
        ended(node[i]);
}

static void test_nodes_share_one_sum(void **state)
{
    begin_nodes();
    struct budget_hold hold[12];
    unsigned got = 0;
    for (unsigned i = 0; i < ARRAY_LEN(hold); i++) {
        hold[i] = (struct budget_hold){0};
        budget_reserve(node[i % NODES], &hold[i], &light, USD, nothing);
    }
    for (unsigned i = 0; i < ARRAY_LEN(hold); i++)
        redis_rig_run(&rig, is_over, &hold[i]);
    for (unsigned i = 0; i < ARRAY_LEN(hold); i++)
        got += hold[i].op.result == 0;
    assert_int_equal(got, 10);
    for (unsigned i = 0; i < ARRAY_LEN(hold); i++)
        budget_settle(&hold[i], USD / 2);
    redis_rig_run(&rig, all_settled, NULL);
    assert_int_equal(reserve(node[0], &hold[0], &light, 5 * USD), 0);
    assert_int_equal(reserve(node[1], &hold[1], &light, 1), -ERR_BUDGET_EXCEEDED);
    budget_settle(&hold[0], 5 * USD);
    end_nodes();
}

static void test_what_the_dead_held_lapses(void **state)
{
    begin_nodes();
    struct budget_hold dead, a;
    assert_int_equal(reserve(node[0], &dead, &light, 10 * USD), 0);
    assert_int_equal(reserve(node[1], &a, &light, USD), -ERR_BUDGET_EXCEEDED);
    redis_rig_ms(&rig, LEASE_MS + 100);
    assert_int_equal(reserve(node[1], &a, &light, 9 * USD), 0);
    budget_settle(&dead, USD); /* it was only slow: what it spent counts all the same */
    budget_settle(&a, 9 * USD);
    redis_rig_run(&rig, all_settled, NULL);
    assert_int_equal(reserve(node[1], &a, &light, 1), -ERR_BUDGET_EXCEEDED);
    end_nodes();
}

static bool is_down(void *ctx)
{
    return !redis_is_up(rig.redis);
}

static void test_while_it_is_away(void **state)
{
    begin_nodes();
    struct budget_hold before, during, refused;
    assert_int_equal(reserve(node[0], &before, &light, 4 * USD), 0);
    redis_server_freeze(&server);
    assert_int_equal(reserve(node[0], &during, &light, 5 * USD), 0); /* after the time-out */
    assert_true(is_down(NULL));
    assert_int_equal(reserve(node[0], &refused, &light, 2 * USD), -ERR_BUDGET_EXCEEDED);
    opt.budget_fallback = BUDGET_FALLBACK_CLOSED;
    assert_int_equal(reserve(node[1], &refused, &light, USD), -ERR_PROVIDER_UNAVAILABLE);
    budget_settle(&during, 5 * USD);
    budget_settle(&before, 4 * USD);
    redis_server_thaw(&server);
    redis_rig_until_up(&rig);
    redis_rig_ms(&rig, 1500); /* it is told within a second */
    assert_int_equal(reserve(node[1], &refused, &light, USD + 1), -ERR_BUDGET_EXCEEDED);
    assert_int_equal(reserve(node[1], &before, &light, USD), 0);
    budget_settle(&before, 0);
    end_nodes();
}

/* The server carries out what it was told before it fell silent, and is told again. */
static void test_settled_twice_counts_once(void **state)
{
    begin_nodes();
    struct budget_hold a;
    assert_int_equal(reserve(node[0], &a, &light, 4 * USD), 0);
    redis_server_freeze(&server);
    budget_settle(&a, 3 * USD);
    redis_rig_run(&rig, is_down, NULL);
    redis_server_thaw(&server);
    redis_rig_until_up(&rig);
    redis_rig_ms(&rig, 1500);
    assert_int_equal(reserve(node[1], &a, &light, 7 * USD + 1), -ERR_BUDGET_EXCEEDED);
    assert_int_equal(reserve(node[1], &a, &light, 7 * USD), 0);
    budget_settle(&a, 0);
    end_nodes();
}

static void test_what_is_cancelled_is_given_back(void **state)
{
    begin_nodes();
    struct budget_hold a = {0};
    budget_reserve(node[0], &a, &light, 10 * USD, nothing);
    op_cancel(&a.op);
    redis_rig_run(&rig, is_over, &a);
    assert_int_equal(a.op.result, -ERR_CLIENT_GONE);
    redis_rig_run(&rig, all_settled, NULL);
    assert_int_equal(reserve(node[1], &a, &light, 10 * USD), 0);
    budget_settle(&a, 10 * USD);
    end_nodes();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_held_then_spent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_or_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_period_begins_at_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_restart_remembers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nodes_share_one_sum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_dead_held_lapses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_while_it_is_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settled_twice_counts_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_cancelled_is_given_back, set_up, tear_down),
    };
    bool there = redis_server_start(&server, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (there)
        redis_server_stop(&server);
    return failed;
}
