/* What is the shared tier's own; the rest is in contract/cache_contract.c, which test_cache runs. */
#include "cache/shared.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"
#include "shared_rig.h"

#define ASK(...) redis_server_ask(shared_rig_server(), (const char *const[]){__VA_ARGS__, NULL})

static const uint8_t key[DIGEST_BYTES] = {0xab, 2, 3};
static const char name[] =
    "test:here:result:ab02030000000000000000000000000000000000000000000000000000000000";
static struct shared_rig *rig;

static int set_up(void **state)
{
    if (!shared_rig_there())
        skip();
    rig = shared_rig_new(60000);
    return 0;
}

static int tear_down(void **state)
{
    if (rig)
        shared_rig_free(rig);
    rig = NULL;
    return 0;
}

static struct result *some(void)
{
    struct result *r = result_new();
    r->output_count = 1;
    r->output[0].key = mem_strdup("k");
    r->output[0].content_type = mem_strdup("image/png");
    r->model = mem_strdup("m");
    r->ran_on = mem_strdup("local");
    return r;
}

static void put(uint64_t ttl_ms)
{
    struct result *r = some();
    shared_put(rig->shared, key, r, ttl_ms);
    shared_rig_settle(rig);
    result_unref(r);
}

static bool has(uint64_t *ret_ttl_ms)
{
    struct result *r = shared_rig_get(rig, key, ret_ttl_ms);
    result_unref(r);
    return r != NULL;
}

static void test_time_to_live(void **state)
{
    uint64_t left = 0;
    put(UINT64_MAX); /* the tier's own */
    assert_true(has(&left));
    assert_true(left > 0 && left <= 60000);
    put(5000);
    assert_true(has(&left));
    assert_true(left > 0 && left <= 5000);
    free(ASK("PEXPIRE", name, "1"));
    redis_rig_ms(&rig->rig, 20);
    assert_false(has(&left));
    put(0);
    assert_false(has(&left));
}

static void test_unreadable_is_a_miss(void **state)
{
    uint64_t left;
    put(5000);
    free(ASK("SET", name, "{\"v\":99}"));
    assert_false(has(&left));
    put(5000); /* it is written over */
    assert_true(has(&left));
}

static unsigned ended;

static void count_end(struct op *op)
{
    ended++;
}

static bool has_ended(void *ctx)
{
    return ended > 0;
}

static void look(struct shared_get *g)
{
    ended = 0;
    *g = (struct shared_get){0};
    memcpy(g->key, key, DIGEST_BYTES);
    shared_get_start(rig->shared, g, count_end);
}

/* It does not answer: an error once, then not up, and all is well again by itself. */
static void test_frozen(void **state)
{
    struct shared_get g;
    uint64_t left;
    put(60000);
    redis_server_freeze(shared_rig_server());
    look(&g);
    redis_rig_run(&rig->rig, has_ended, NULL);
    assert_true(g.op.result < 0);
    assert_null(g.result);
    assert_false(shared_is_up(rig->shared));
    put(60000); /* dropped */
    shared_remove(rig->shared, key);
    redis_server_thaw(shared_rig_server());
    redis_rig_until_up(&rig->rig);
    assert_true(has(&left));
}

static void test_cancel(void **state)
{
    struct shared_get g;
    put(60000);
    look(&g);
    op_cancel(&g.op);
    redis_rig_run(&rig->rig, has_ended, NULL);
    assert_int_equal(g.op.result, -ERR_CLIENT_GONE);
    assert_null(g.result);
    shared_rig_settle(rig);
}

/* Somebody else's space is another one. */
static void test_spaces(void **state)
{
    const struct shared_config config = {
        .redis = rig->rig.redis, .prefix = "test", .space = "elsewhere", .ttl_ms = 60000};
    uint64_t left;
    put(60000);
    struct shared *mine = rig->shared;
    rig->shared = shared_new(&config);
    assert_false(has(&left));
    shared_free(rig->shared);
    rig->shared = mine;
    assert_true(has(&left));
    FREE_ON_EXIT char *names = ASK("KEYS", "*");
    assert_string_equal(names, name);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_time_to_live), TEST(test_unreadable_is_a_miss), TEST(test_frozen), TEST(test_cancel),
        TEST(test_spaces),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    shared_rig_stop();
    return failed;
}
