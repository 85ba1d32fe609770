/* Several gateways with one account, against a real redis-server. */
#include "predict/shared_bucket.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis_rig.h"
#include "redis_server.h"
#include "scratch.h"

enum { NODES = 3, PER_MINUTE = 60, BURST = 6 };

#define ASK(...) redis_server_ask(&server, (const char *const[]){__VA_ARGS__, NULL})
#define NEVER    UINT64_MAX / 2
#define TOKEN    "r8_not_to_be_seen"

static struct redis_server server;
static struct redis_rig rig;
static struct node {
    struct redis *redis;
    struct bucket local;
    struct shared_bucket *shared;
} node[NODES];

static void start_node(struct node *n, const char *token)
{
    const struct redis_config config = {
        .uv = rig.uv, .option = "REDIS_URL", .url = server.url, .timeout_ms = 200, .pipeline_max = 100};
    struct error e;
    *n = (struct node){0};
    assert_int_equal(redis_new(&config, &n->redis, &e), 0);
    bucket_init(&n->local, PER_MINUTE);
    n->shared = shared_bucket_new(n->redis, "test", token, &n->local);
    redis_start(n->redis);
}

static bool all_up(void *ctx)
{
    for (unsigned i = 0; i < NODES; i++)
        if (!redis_is_up(node[i].redis))
            return false;
    return true;
}

static bool all_down(void *ctx)
{
    for (unsigned i = 0; i < NODES; i++)
        if (redis_is_up(node[i].redis))
            return false;
    return true;
}

static int set_up(void **state)
{
    redis_rig_init_empty(&rig, &server);
    for (unsigned i = 0; i < NODES; i++)
        start_node(&node[i], TOKEN);
    redis_rig_run(&rig, all_up, NULL);
    redis_rig_ms(&rig, 30); /* they listen */
    return 0;
}

static void stop_node(struct node *n)
{
    redis_stop(n->redis);
    shared_bucket_free(n->shared);
    redis_free(n->redis);
}

static int tear_down(void **state)
{
    for (unsigned i = 0; i < NODES; i++)
        stop_node(&node[i]);
    redis_rig_release(&rig);
    return 0;
}

static void nothing(struct op *op)
{
}

static bool is_over(void *ctx)
{
    return ((struct bucket_ask *)ctx)->op.state == OP_IDLE;
}

static struct bucket_ask take_before(struct node *n, uint64_t deadline_ns)
{
    static struct bucket_ask a; /* points into itself while it runs */
    a = (struct bucket_ask){0};
    shared_bucket_take(n->shared, &a, deadline_ns, nothing);
    redis_rig_run(&rig, is_over, &a);
    return a;
}

/* In how many ms. */
static uint64_t take(struct node *n)
{
    struct bucket_ask a = take_before(n, NEVER);
    assert_int_equal(a.op.result, 0);
    uint64_t now = clock_mono_ns();
    return a.place.at_ns > now ? (a.place.at_ns - now) / NS_PER_MS : 0;
}

static void test_one_rate_for_all(void **state)
{
    for (unsigned i = 0; i < BURST; i++)
        assert_int_equal(take(&node[i % NODES]), 0);
    const uint64_t each_ms = 60000 / (PER_MINUTE - (BURST - 1));
    for (unsigned i = 1; i <= 9; i++)
        assert_in_range(take(&node[i % NODES]), each_ms * i - 800,
                        each_ms * i); /* as slow as the test may be */
    FREE_ON_EXIT char *names = ASK("KEYS", "*"), *fields = ASK("HGETALL", "test:limits:accounts"),
                      *ttl = ASK("TTL", "test:limits:accounts");
    assert_string_equal(names, "test:limits:accounts");
    assert_null(strstr(fields, "r8_"));
    assert_string_equal(ttl, "-1");
}

static void test_another_account(void **state)
{
    stop_node(&node[2]);
    start_node(&node[2], "r8_another");
    redis_rig_run(&rig, all_up, NULL);
    for (unsigned i = 0; i < BURST; i++)
        assert_int_equal(take(&node[0]), 0);
    assert_true(take(&node[1]) > 0);
    assert_int_equal(take(&node[2]), 0);
    FREE_ON_EXIT char *count = ASK("HLEN", "test:limits:accounts");
    assert_string_equal(count, "2");
    free(ASK("HSET", "test:limits:accounts", "old", "1 1 1"));
    take(&node[0]);
    FREE_ON_EXIT char *swept = ASK("HEXISTS", "test:limits:accounts", "old");
    assert_string_equal(swept, "0");
}

static void test_too_late_is_not_taken(void **state)
{
    for (unsigned i = 0; i < BURST; i++)
        assert_int_equal(take(&node[0]), 0);
    for (unsigned i = 0; i < 5; i++) {
        struct bucket_ask a = take_before(&node[1], clock_mono_ns() + 100 * NS_PER_MS);
        assert_int_equal(a.op.result, -ERR_PROVIDER_UNAVAILABLE);
        assert_in_range(a.next_ns - clock_mono_ns(), 1, 1200 * NS_PER_MS);
    }
    assert_in_range(take(&node[1]), 1, 1200);
}

/* One has been told to wait: the places of all are void, and nobody begins before that. */
static void test_a_pause_is_everybodys(void **state)
{
    struct bucket_ask early = take_before(&node[1], NEVER);
    uint64_t now = clock_mono_ns(), until = now + 5 * NS_PER_S;
    bucket_pause(&node[0].local, now, until);
    shared_bucket_pause(node[0].shared, until, false);
    redis_rig_ms(&rig, 100);
    for (unsigned i = 0; i < NODES; i++)
        assert_in_range(node[i].local.paused_until_ns, until - NS_PER_S / 10, until + NS_PER_S / 2);
    assert_false(bucket_is_due(&node[1].local, &early.place, clock_mono_ns()));
    assert_in_range(take(&node[1]), 4000, 5000);
    assert_in_range(take(&node[2]), 5000, 6200); /* one by one */
    free(ASK("CLIENT", "KILL", "TYPE", "pubsub"));
    until = clock_mono_ns() + 20 * NS_PER_S;
    bucket_pause(&node[0].local, clock_mono_ns(), until);
    shared_bucket_pause(node[0].shared, until, false);
    redis_rig_run(&rig, all_up, NULL);
    assert_in_range(take(&node[2]), 19000, 20000); /* it learns of it when it asks */
    assert_true(node[2].local.paused_until_ns > until - NS_PER_S);
}

static void test_low_credit_is_everybodys(void **state)
{
    bucket_slow_down(&node[0].local, clock_mono_ns());
    shared_bucket_pause(node[0].shared, clock_mono_ns() + NS_PER_S, true);
    redis_rig_ms(&rig, 100);
    for (unsigned i = 0; i < NODES; i++)
        assert_true(node[i].local.slow);
    assert_in_range(take(&node[1]), 0, 1000);
    assert_in_range(take(&node[2]), 10000, 11000);
    bucket_full_speed(&node[2].local);
    shared_bucket_full_speed(node[2].shared);
    redis_rig_ms(&rig, 100);
    for (unsigned i = 0; i < NODES; i++)
        assert_false(node[i].local.slow);
    take(&node[0]);
    assert_false(node[0].local.slow);
}

/* Without Redis each has its own bucket, which knows what was said last; afterwards Redis knows it again. */
static void test_redis_goes_and_comes_back_empty(void **state)
{
    for (unsigned i = 0; i < BURST + 3; i++)
        take(&node[0]);
    uint64_t until = clock_mono_ns() + 9 * NS_PER_S;
    bucket_pause(&node[0].local, clock_mono_ns(), until);
    shared_bucket_pause(node[0].shared, until, false);
    redis_rig_ms(&rig, 50);
    redis_server_kill(&server);
    redis_rig_run(&rig, all_down, NULL);
    assert_in_range(take(&node[0]), 7000, 9000);
    redis_server_restart(&server);
    redis_rig_run(&rig, all_up, NULL);
    assert_in_range(take(&node[0]), 6000, 11000);
    assert_in_range(take(&node[2]), 6000, 12000);
}

static void test_redis_freezes(void **state)
{
    redis_server_freeze(&server);
    uint64_t t = clock_mono_ns();
    assert_int_equal(take(&node[0]), 0);
    assert_true(clock_mono_ns() - t < 1200 * NS_PER_MS);
    assert_int_equal(take(&node[0]), 0);
    redis_server_thaw(&server);
    redis_rig_run(&rig, all_up, NULL);
    assert_int_equal(take(&node[0]), 0);
}

static void test_cancel(void **state)
{
    struct bucket_ask a = {0};
    shared_bucket_take(node[0].shared, &a, NEVER, nothing);
    op_cancel(&a.op);
    redis_rig_run(&rig, is_over, &a);
    assert_int_equal(a.op.result, -ERR_CLIENT_GONE);
    assert_int_equal(take(&node[0]), 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_one_rate_for_all),
        TEST(test_another_account),
        TEST(test_too_late_is_not_taken),
        TEST(test_a_pause_is_everybodys),
        TEST(test_low_credit_is_everybodys),
        TEST(test_redis_goes_and_comes_back_empty),
        TEST(test_redis_freezes),
        TEST(test_cancel),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_stop(&server);
    return failed;
}
