#include "request/object_check.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "scratch.h"
#include "waiting_loop.h"

enum { AFTER_MS = 1000, HEADS_MAX = 32 };

/* A store that answers when it is told to. */
struct rig {
    struct waiting_loop w;
    struct store store;
    struct cache *cache;
    struct object_checks *checks;
    struct store_get *asked[HEADS_MAX];
    unsigned heads;
};

static struct rig *rig;

static void get(struct store *s, struct store_get *g)
{
    assert_true(g->head && rig->heads < HEADS_MAX);
    rig->asked[rig->heads++] = g;
}

static const struct store_ops ops = {.name = "told", .get = get};

static int set_up(void **state)
{
    rig = NEW(struct rig);
    log_setup(LOG_ERROR, false);
    waiting_loop_init(&rig->w);
    rig->store = (struct store){.ops = &ops, .loop = &rig->w.loop};
    rig->cache = cache_new(10, 1000000);
    rig->checks = object_checks_new(
        &(struct object_checks_config){&rig->w.loop, &rig->store, rig->cache, NULL, AFTER_MS, 3});
    return 0;
}

static int tear_down(void **state)
{
    object_checks_free(rig->checks); /* checks that none runs */
    cache_free(rig->cache);
    waiting_loop_release(&rig->w);
    free(rig);
    return 0;
}

/* Remembered under this key, and made so long ago. */
static struct result *remember(uint8_t key, uint64_t age_ms, unsigned outputs, uint8_t ret[DIGEST_BYTES])
{
    struct result *r = result_new();
    r->output_count = outputs;
    for (unsigned i = 0; i < outputs; i++)
        r->output[i].key = mem_printf("clarity/2026-11-23/%u-%u.png", key, i);
    r->made_ms = clock_wall_ms() - age_ms;
    r->keep_ms = 1000000;
    memset(ret, key, DIGEST_BYTES);
    cache_put(rig->cache, ret, r, clock_mono_ns(), 1000000);
    return r;
}

static bool remembered(const uint8_t *key)
{
    struct result *r = cache_get(rig->cache, key, clock_mono_ns());
    result_unref(r);
    return r;
}

static unsigned turn(void)
{
    loop_turn(&rig->w.loop);
    return rig->heads;
}

static void answer(unsigned head, int result)
{
    op_complete(&rig->asked[head]->op, result);
    turn();
}

static void test_gone(void **state)
{
    uint8_t key[DIGEST_BYTES];
    struct result *r = remember(1, AFTER_MS + 10, 1, key);
    object_check_hit(rig->checks, key, r);
    assert_int_equal(rig->heads, 0); /* nothing happens at once */
    assert_int_equal(turn(), 1);
    assert_string_equal(rig->asked[0]->name, r->output[0].key);
    answer(0, -ERR_NOT_FOUND);
    assert_false(remembered(key));
    assert_true(r->gone);
    assert_int_equal(object_checks_running(rig->checks), 0);
    result_unref(r);
}

static void test_still_there(void **state)
{
    static const int others[] = {0, -ERR_STORAGE_FAILED, -ERR_QUEUE_FULL, -ERR_CLIENT_GONE};
    for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
        uint8_t key[DIGEST_BYTES];
        struct result *r = remember((uint8_t)i, AFTER_MS + 10, 1, key);
        object_check_hit(rig->checks, key, r);
        assert_int_equal(turn(), i + 1);
        answer(i, others[i]);
        assert_true(remembered(key) && !r->gone);
        object_check_hit(rig->checks, key, r); /* not again so soon */
        assert_int_equal(turn(), i + 1);
        result_unref(r);
    }
}

static void test_too_young(void **state)
{
    uint8_t key[DIGEST_BYTES];
    struct result *r = remember(1, 0, 1, key);
    object_check_hit(rig->checks, key, r);
    assert_int_equal(turn(), 0);
    r->made_ms += 1000000; /* on a machine whose clock is ahead */
    object_check_hit(rig->checks, key, r);
    assert_int_equal(turn(), 0);
    result_unref(r);
}

static void test_one_at_a_time(void **state)
{
    uint8_t key[DIGEST_BYTES];
    struct result *r = remember(1, AFTER_MS + 10, 1, key);
    for (int i = 0; i < 100; i++)
        object_check_hit(rig->checks, key, r);
    assert_int_equal(object_checks_running(rig->checks), 1);
    assert_int_equal(turn(), 1);
    answer(0, 0);
    result_unref(r);
}

static void test_not_more_than_so_many(void **state)
{
    for (uint8_t i = 0; i < 8; i++) {
        uint8_t key[DIGEST_BYTES];
        struct result *r = remember(i, AFTER_MS + 10, 1, key);
        object_check_hit(rig->checks, key, r);
        result_unref(r);
    }
    assert_int_equal(object_checks_running(rig->checks), 3);
    assert_int_equal(turn(), 3);
    for (unsigned i = 0; i < 3; i++)
        answer(i, 0);
    assert_int_equal(object_checks_running(rig->checks), 0);
}

static void test_each_of_its_objects(void **state)
{
    uint8_t key[DIGEST_BYTES];
    struct result *r = remember(1, AFTER_MS + 10, 3, key);
    object_check_hit(rig->checks, key, r);
    assert_int_equal(turn(), 1);
    answer(0, 0);
    assert_int_equal(rig->heads, 2);
    answer(1, -ERR_NOT_FOUND);
    assert_int_equal(rig->heads, 2); /* one is enough */
    assert_false(remembered(key));
    result_unref(r);
}

/* It was made anew while the store was asked about the old one. */
static void test_a_newer_result_stays(void **state)
{
    uint8_t key[DIGEST_BYTES];
    struct result *old = remember(1, AFTER_MS + 10, 1, key);
    object_check_hit(rig->checks, key, old);
    assert_int_equal(turn(), 1);
    struct result *new = remember(1, 0, 1, key);
    answer(0, -ERR_NOT_FOUND);
    assert_true(remembered(key) && old->gone && !new->gone);
    result_unref(old);
    result_unref(new);
}

static void test_switched_off(void **state)
{
    assert_null(object_checks_new(&(struct object_checks_config){.after_ms = 0, .most = 1}));
    assert_null(object_checks_new(&(struct object_checks_config){.after_ms = 1, .most = 0}));
    uint8_t key[DIGEST_BYTES];
    struct result *r = remember(1, AFTER_MS + 10, 1, key);
    object_check_hit(NULL, key, r);
    assert_int_equal(object_checks_running(NULL), 0);
    result_unref(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_gone),
        TEST(test_still_there),
        TEST(test_too_young),
        TEST(test_one_at_a_time),
        TEST(test_not_more_than_so_many),
        TEST(test_each_of_its_objects),
        TEST(test_a_newer_result_stays),
        TEST(test_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
