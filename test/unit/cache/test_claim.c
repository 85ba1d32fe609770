/* Several gateways that want the same, against a real redis-server. */
#include "cache/claim.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis_rig.h"
#include "redis_server.h"
#include "scratch.h"

enum { NODES = 3, LEASE_MS = 400 };

#define ASK(...) redis_server_ask(&server, (const char *const[]){__VA_ARGS__, NULL})
#define HEX      "ab00000000000000000000000000000000000000000000000000000000000000"
#define LEASE    "test:here:lease:" HEX
#define RESULT   "test:here:result:" HEX

static uint64_t grace_ms = 300;
static struct redis_server server;
static struct redis_rig rig;
static struct node {
    struct redis *redis;
    struct shared *shared;
    struct claims *claims;
    struct claim claim;
    unsigned ended;
} node[NODES];

static void start_node(struct node *n)
{
    const struct redis_config config = {
        .uv = rig.uv, .option = "REDIS_URL", .url = server.url, .timeout_ms = 200, .pipeline_max = 100};
    struct error e;
    *n = (struct node){0};
    assert_int_equal(redis_new(&config, &n->redis, &e), 0);
    n->shared = shared_new(
        &(struct shared_config){.redis = n->redis, .prefix = "test", .space = "here", .ttl_ms = 60000});
    n->claims = claims_new(n->shared, LEASE_MS, grace_ms);
    redis_start(n->redis);
}

static void stop_node(struct node *n)
{
    redis_stop(n->redis);
    claims_free(n->claims);
    shared_free(n->shared);
    redis_free(n->redis);
}

static bool all_up(void *ctx)
{
    for (unsigned i = 0; i < NODES; i++)
        if (!redis_is_up(node[i].redis))
            return false;
    return true;
}

static int set_up(void **state)
{
    redis_rig_init_empty(&rig, &server);
    for (unsigned i = 0; i < NODES; i++)
        start_node(&node[i]);
    redis_rig_run(&rig, all_up, NULL);
    redis_rig_ms(&rig, 30); /* they listen */
    return 0;
}

static int tear_down(void **state)
{
    for (unsigned i = 0; i < NODES; i++)
        stop_node(&node[i]);
    redis_rig_release(&rig);
    return 0;
}

static void ended(struct op *op)
{
    struct node *n = op->owner;
    n->ended++;
}

static void want(struct node *n)
{
    n->claim = (struct claim){.get.key = {0xab}};
    n->claim.op.owner = n;
    n->ended = 0;
    claim_start(n->claims, &n->claim, ended);
}

static bool has_ended(void *ctx)
{
    return ((struct node *)ctx)->ended > 0;
}

static void until_ended(struct node *n)
{
    redis_rig_run(&rig, has_ended, n);
    assert_int_equal(n->ended, 1);
}

static bool waits(void *ctx)
{
    return claims_waiting(((struct node *)ctx)->claims) == 1;
}

/* Node 0 leads, the others wait. */
static void begin(void)
{
    want(&node[0]);
    until_ended(&node[0]);
    assert_int_equal(node[0].claim.end, CLAIM_LEADS);
    for (unsigned i = 1; i < NODES; i++) {
        want(&node[i]);
        redis_rig_run(&rig, waits, &node[i]);
    }
}

static struct result *some(const char *name)
{
    struct result *r = result_new();
    r->output_count = 1;
    r->output[0].key = mem_strdup(name);
    r->output[0].content_type = mem_strdup("image/png");
    r->model = mem_strdup("m");
    r->ran_on = mem_strdup("replicate");
    return r;
}

static void settle(struct node *n, const char *name)
{
    struct result *r = some(name);
    claim_settle(&n->claim, r, 60000);
    result_unref(r);
}

static void assert_hit(struct node *n, const char *name)
{
    until_ended(n);
    assert_int_equal(n->claim.end, CLAIM_HIT);
    assert_string_equal(n->claim.get.result->output[0].key, name);
    result_unref(n->claim.get.result);
}

static unsigned leaders(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < NODES; i++)
        count += node[i].claim.claims != NULL;
    return count;
}

static void test_one_leads_and_the_others_get_its_result(void **state)
{
    begin();
    FREE_ON_EXIT char *lease = ASK("GET", LEASE);
    assert_string_equal(lease + strcspn(lease, " ") + 1, node[0].claim.token);
    uint64_t t = clock_mono_ns();
    settle(&node[0], "made");
    assert_hit(&node[1], "made");
    assert_hit(&node[2], "made");
    assert_true(clock_mono_ns() - t < 500 * NS_PER_MS); /* they were told */
    FREE_ON_EXIT char *names = ASK("EXISTS", LEASE);
    assert_string_equal(names, "0");
}

static void test_all_at_once(void **state)
{
    for (unsigned i = 0; i < NODES; i++)
        want(&node[i]);
    redis_rig_ms(&rig, 100);
    assert_int_equal(leaders(), 1);
    for (unsigned i = 0; i < NODES; i++)
        if (node[i].claim.claims)
            settle(&node[i], "made");
    for (unsigned i = 0; i < NODES; i++)
        if (node[i].claim.end != CLAIM_LEADS)
            assert_hit(&node[i], "made");
}

static void test_fences_grow(void **state)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < 5; i++) {
        want(&node[i % NODES]);
        until_ended(&node[i % NODES]);
        assert_true(node[i % NODES].claim.get.fence > last);
        last = node[i % NODES].claim.get.fence;
        claim_give_up(&node[i % NODES].claim, NULL);
    }
}

/* The lease outlives its time as long as the leader lives. */
static void test_prolonged_while_it_runs(void **state)
{
    begin();
    redis_rig_ms(&rig, 4 * LEASE_MS);
    assert_int_equal(leaders(), 1);
    assert_int_equal(node[1].ended + node[2].ended, 0);
    settle(&node[0], "late");
    assert_hit(&node[1], "late");
    assert_hit(&node[2], "late");
}

static bool second_leader(void *ctx)
{
    return node[1].claim.claims || node[2].claim.claims;
}

/* The leader's machine is gone: nothing prolongs its lease. */
static void die(struct node *n)
{
    timer_disarm(loop_uv_loop(rig.uv), &n->claim.timer);
}

static void test_a_dead_leader_is_followed_by_exactly_one(void **state)
{
    begin();
    die(&node[0]);
    uint64_t t = clock_mono_ns();
    redis_rig_run(&rig, second_leader, NULL);
    assert_true(clock_mono_ns() - t < (LEASE_MS + 1500) * NS_PER_MS);
    redis_rig_ms(&rig, 2 * LEASE_MS);
    assert_int_equal(leaders(), 2); /* the dead one, which does not know, and one other */
    struct node *next = node[1].claim.claims ? &node[1] : &node[2],
                *last = next == &node[1] ? &node[2] : &node[1];
    /* The dead one was only slow: its result comes too late to be anybody's. */
    settle(&node[0], "stale");
    redis_rig_ms(&rig, 50);
    FREE_ON_EXIT char *nothing = ASK("EXISTS", RESULT);
    assert_string_equal(nothing, "0");
    settle(next, "fresh");
    assert_hit(last, "fresh");
}

static void test_a_stale_leader_overwrites_nothing(void **state)
{
    begin();
    die(&node[0]);
    redis_rig_run(&rig, second_leader, NULL);
    struct node *next = node[1].claim.claims ? &node[1] : &node[2],
                *last = next == &node[1] ? &node[2] : &node[1];
    settle(next, "fresh");
    assert_hit(last, "fresh");
    shared_renew(node[0].shared, node[0].claim.get.key, node[0].claim.token, 1, LEASE_MS); /* it wakes up */
    settle(&node[0], "stale");
    redis_rig_ms(&rig, 50);
    FREE_ON_EXIT char *value = ASK("GET", RESULT), *lease = ASK("EXISTS", LEASE);
    assert_non_null(strstr(value, "fresh"));
    assert_string_equal(lease, "0");
}

/* Its lease has lapsed, but nobody wanted it: the result is as good as ever. */
static void test_a_lapsed_lease_that_nobody_took(void **state)
{
    want(&node[0]);
    until_ended(&node[0]);
    free(ASK("DEL", LEASE));
    settle(&node[0], "good");
    want(&node[1]);
    assert_hit(&node[1], "good");
}

/* Redis lost everything while somebody ran: his next word brings the lease back. */
static void test_a_lost_lease_comes_back(void **state)
{
    want(&node[0]);
    until_ended(&node[0]);
    free(ASK("FLUSHALL"));
    redis_rig_ms(&rig, LEASE_MS);
    want(&node[1]);
    redis_rig_run(&rig, waits, &node[1]);
    settle(&node[0], "made");
    assert_hit(&node[1], "made");
}

static void test_a_failure_hands_over_to_exactly_one(void **state)
{
    begin();
    claim_give_up(&node[0].claim, NULL);
    redis_rig_run(&rig, second_leader, NULL);
    redis_rig_ms(&rig, 100);
    assert_int_equal(leaders(), 1);
    assert_int_equal(node[1].ended + node[2].ended, 1);
    struct node *next = node[1].claim.claims ? &node[1] : &node[2],
                *last = next == &node[1] ? &node[2] : &node[1];
    settle(next, "second try");
    assert_hit(last, "second try");
}

static void test_a_failure_for_all(void **state)
{
    begin();
    struct error e = {0};
    int code = error_set(&e, ERR_CONTENT_FILTERED, "no: \"%s\"\t%%", "nude \n people");
    claim_give_up(&node[0].claim, &e);
    for (unsigned i = 1; i < NODES; i++) {
        until_ended(&node[i]);
        assert_int_equal(node[i].claim.op.result, code);
        assert_int_equal(node[i].claim.get.err.code, ERR_CONTENT_FILTERED);
        assert_string_equal(node[i].claim.get.err.reason, e.reason);
        assert_null(node[i].claim.claims);
    }
    want(&node[1]); /* who comes later tries */
    until_ended(&node[1]);
    assert_int_equal(node[1].claim.end, CLAIM_LEADS);
    claim_give_up(&node[1].claim, NULL);
}

/* No message comes: they look by themselves. */
static void test_a_lost_message(void **state)
{
    begin();
    free(ASK("CLIENT", "KILL", "TYPE", "pubsub"));
    settle(&node[0], "made");
    assert_hit(&node[1], "made");
    assert_hit(&node[2], "made");
}

static void test_cancelled_while_waiting(void **state)
{
    begin();
    op_cancel(&node[1].claim.op);
    until_ended(&node[1]);
    assert_int_equal(node[1].claim.op.result, -ERR_CLIENT_GONE);
    settle(&node[0], "made");
    assert_hit(&node[2], "made");
}

/* It may just have got the lease: then it gives it up, and nobody waits for it. */
static void test_cancelled_while_asking(void **state)
{
    want(&node[0]);
    op_cancel(&node[0].claim.op);
    until_ended(&node[0]);
    assert_int_equal(node[0].claim.op.result, -ERR_CLIENT_GONE);
    assert_null(node[0].claim.claims);
    want(&node[1]);
    until_ended(&node[1]);
    assert_int_equal(node[1].claim.end, CLAIM_LEADS);
    settle(&node[1], "made");
}

static bool one_down(void *ctx)
{
    return !all_up(NULL);
}

static void test_redis_goes(void **state)
{
    begin();
    redis_server_freeze(&server);
    for (unsigned i = 1; i < NODES; i++) {
        until_ended(&node[i]);
        assert_int_equal(node[i].claim.end, CLAIM_ALONE);
        assert_int_equal(node[i].claim.op.result, 0);
    }
    settle(&node[0], "nobody hears it");
    want(&node[1]);
    until_ended(&node[1]);
    assert_int_equal(node[1].claim.end, CLAIM_ALONE);
    redis_server_thaw(&server);
    redis_rig_run(&rig, all_up, NULL);
}

/* It only stumbles: nobody runs what somebody runs already. */
static void test_redis_stumbles(void **state)
{
    begin();
    redis_server_freeze(&server);
    redis_rig_run(&rig, one_down, NULL);
    redis_server_thaw(&server);
    redis_rig_run(&rig, all_up, NULL);
    redis_rig_ms(&rig, 3 * LEASE_MS);
    assert_int_equal(leaders(), 1);
    assert_int_equal(node[1].ended + node[2].ended, 0);
    settle(&node[0], "made");
    assert_hit(&node[1], "made");
    assert_hit(&node[2], "made");
}

static int set_up_patient(void **state)
{
    grace_ms = 60000;
    return set_up(state);
}

static int tear_down_patient(void **state)
{
    grace_ms = 300;
    return tear_down(state);
}

static void test_an_unreadable_value_is_written_over(void **state)
{
    free(ASK("SET", RESULT, "{\"v\":99}"));
    want(&node[0]);
    until_ended(&node[0]);
    assert_int_equal(node[0].claim.end, CLAIM_ALONE);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_one_leads_and_the_others_get_its_result),
        TEST(test_all_at_once),
        TEST(test_fences_grow),
        TEST(test_prolonged_while_it_runs),
        TEST(test_a_dead_leader_is_followed_by_exactly_one),
        TEST(test_a_stale_leader_overwrites_nothing),
        TEST(test_a_lapsed_lease_that_nobody_took),
        TEST(test_a_lost_lease_comes_back),
        TEST(test_a_failure_hands_over_to_exactly_one),
        TEST(test_a_failure_for_all),
        TEST(test_a_lost_message),
        TEST(test_cancelled_while_waiting),
        TEST(test_cancelled_while_asking),
        TEST(test_redis_goes),
        cmocka_unit_test_setup_teardown(test_redis_stumbles, set_up_patient, tear_down_patient),
        TEST(test_an_unreadable_value_is_written_over),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_stop(&server);
    return failed;
}
