#include "cache_contract.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "scratch.h"
#include "shared_rig.h"

/* ---- the rows ---- */

static void *memory_open(uint64_t max_entries, uint64_t ttl_ms)
{
    return cache_new(max_entries, ttl_ms);
}

static void memory_close(void *tier)
{
    cache_free(tier);
}

static struct result *memory_get(void *tier, const uint8_t *key, uint64_t now_ns)
{
    return cache_get(tier, key, now_ns);
}

static void memory_put(void *tier, const uint8_t *key, struct result *r, uint64_t now_ns)
{
    cache_put(tier, key, r, now_ns, UINT64_MAX);
}

static bool memory_remove(void *tier, const uint8_t *key)
{
    return cache_remove(tier, key);
}

static uint64_t memory_size(void *tier, uint64_t now_ns)
{
    return cache_size(tier, now_ns);
}

static void *shared_open(uint64_t max_entries, uint64_t ttl_ms)
{
    return shared_rig_new(ttl_ms);
}

static void shared_close(void *tier)
{
    shared_rig_free(tier);
}

static struct result *get_shared(void *tier, const uint8_t *key, uint64_t now_ns)
{
    uint64_t ttl_ms;
    return shared_rig_get(tier, key, &ttl_ms);
}

static void put_shared(void *tier, const uint8_t *key, struct result *r, uint64_t now_ns)
{
    struct shared_rig *rig = tier;
    shared_put(rig->shared, key, r, UINT64_MAX);
}

static uint64_t shared_size(void *tier, uint64_t now_ns)
{
    return shared_rig_size(tier);
}

/* The tier itself does not wait to learn whether it was there. */
static bool remove_shared(void *tier, const uint8_t *key)
{
    struct shared_rig *rig = tier;
    uint64_t before = shared_rig_size(rig);
    shared_remove(rig->shared, key);
    return shared_rig_size(rig) < before;
}

static const struct cache_tier tiers[] = {
    {
        .name = "memory",
        .open = memory_open,
        .close = memory_close,
        .get = memory_get,
        .put = memory_put,
        .remove = memory_remove,
        .size = memory_size,
        .exact_lru = true,
    },
    {
        .name = "shared",
        .there = shared_rig_there,
        .open = shared_open,
        .close = shared_close,
        .get = get_shared,
        .put = put_shared,
        .remove = remove_shared,
        .size = shared_size,
        .own_clock = true,
        .one_thread = true,
    },
};

/* ---- helpers ---- */

static const struct cache_tier *tier; /* the row that runs now */

enum { TTL_MS = 1000 };
static const uint64_t ttl_ns = TTL_MS * NS_PER_MS, t0 = 5 * NS_PER_S;

struct key {
    uint8_t bytes[DIGEST_BYTES];
};

static struct key key_of(unsigned n)
{
    struct key k;
    digest_of(&n, sizeof(n), k.bytes);
    return k;
}

static struct result *result_of(unsigned n)
{
    struct result *r = result_new();
    r->output_count = 2;
    r->output[0].key = mem_printf("clarity/2026-11-23/%u.png", n);
    r->output[0].content_type = mem_strdup("image/png");
    r->output[0].bytes = n;
    r->output[0].width = 640;
    r->output[0].height = 480;
    r->output[1].key = mem_strdup("second");
    r->output[1].content_type = mem_strdup("image/jpeg");
    r->model = mem_strdup("nightmareai/real-esrgan");
    r->ran_on = mem_strdup("local");
    r->prescaled = true;
    r->original_width = 4000;
    r->prescaled_height = 1000;
    r->run_ns = n * NS_PER_MS;
    return r;
}

static void put(void *c, unsigned n, uint64_t now_ns)
{
    struct key k = key_of(n);
    struct result *r = result_of(n);
    tier->put(c, k.bytes, r, now_ns);
    result_unref(r);
}

/* Is it there, and is it the right one? Counts as a use. */
static bool has(void *c, unsigned n, uint64_t now_ns)
{
    struct key k = key_of(n);
    struct result *r = tier->get(c, k.bytes, now_ns);
    if (r)
        assert_int_equal(r->output[0].bytes, n);
    result_unref(r);
    return r != NULL;
}

/* ---- the tests ---- */

static void test_get_gives_back_what_was_put(void **state)
{
    void *c = tier->open(10, TTL_MS);
    assert_false(has(c, 1, t0));
    put(c, 1, t0);
    struct key k = key_of(1);
    struct result *r = tier->get(c, k.bytes, t0);
    assert_non_null(r);
    assert_int_equal(r->output_count, 2);
    assert_string_equal(r->output[0].key, "clarity/2026-11-23/1.png");
    assert_string_equal(r->output[0].content_type, "image/png");
    assert_int_equal(r->output[0].width, 640);
    assert_int_equal(r->output[0].height, 480);
    assert_string_equal(r->output[1].key, "second");
    assert_string_equal(r->model, "nightmareai/real-esrgan");
    assert_string_equal(r->ran_on, "local");
    assert_null(r->network);
    assert_null(r->reason);
    assert_true(r->prescaled);
    assert_int_equal(r->original_width, 4000);
    assert_int_equal(r->prescaled_height, 1000);
    assert_int_equal(r->run_ns, NS_PER_MS);
    assert_false(has(c, 2, t0));
    tier->close(c);
    assert_string_equal(r->output[1].content_type, "image/jpeg"); /* a reference outlives the cache */
    result_unref(r);
}

static void test_keys_differ_in_any_byte(void **state)
{
    void *c = tier->open(100, TTL_MS);
    struct key k = {{0}};
    struct result *r = result_of(7);
    tier->put(c, k.bytes, r, t0);
    result_unref(r);
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        struct key other = k;
        other.bytes[i] = 1;
        assert_null(tier->get(c, other.bytes, t0));
    }
    tier->close(c);
}

static void test_ttl_counts_from_the_put(void **state)
{
    if (tier->own_clock)
        skip();
    void *c = tier->open(10, TTL_MS);
    put(c, 1, t0);
    assert_true(has(c, 1, t0 + ttl_ns / 2)); /* a use does not prolong it */
    assert_true(has(c, 1, t0 + ttl_ns - 1));
    assert_int_equal(tier->size(c, t0 + ttl_ns - 1), 1);
    assert_false(has(c, 1, t0 + ttl_ns));
    assert_int_equal(tier->size(c, t0 + ttl_ns), 0);
    put(c, 1, t0);
    put(c, 1, t0 + ttl_ns / 2); /* a new put does */
    assert_true(has(c, 1, t0 + ttl_ns));
    assert_false(has(c, 1, t0 + ttl_ns / 2 + ttl_ns));
    tier->close(c);
}

static void test_size_counts_live_entries(void **state)
{
    if (tier->own_clock)
        skip();
    void *c = tier->open(100, TTL_MS);
    for (unsigned i = 0; i < 50; i++)
        put(c, i, t0 + i);
    assert_int_equal(tier->size(c, t0 + 50), 50);
    assert_true(has(c, 0, t0 + 50)); /* the oldest is the one used last: order of age is not order of use */
    assert_int_equal(tier->size(c, t0 + ttl_ns + 9), 40);
    assert_int_equal(tier->size(c, t0 + ttl_ns + 49), 0);
    tier->close(c);
}

static void test_put_again_replaces(void **state)
{
    void *c = tier->open(10, TTL_MS);
    struct key k = key_of(1);
    for (unsigned n = 1; n <= 3; n++) {
        struct result *r = result_of(n);
        tier->put(c, k.bytes, r, t0);
        result_unref(r);
        struct result *seen = tier->get(c, k.bytes, t0);
        assert_int_equal(seen->output[0].bytes, n);
        result_unref(seen);
        assert_int_equal(tier->size(c, t0), 1);
    }
    tier->close(c);
}

static void test_remove(void **state)
{
    void *c = tier->open(10, TTL_MS);
    struct key one = key_of(1), two = key_of(2);
    put(c, 1, t0);
    put(c, 2, t0);
    assert_true(tier->remove(c, one.bytes));
    assert_false(tier->remove(c, one.bytes));
    assert_false(has(c, 1, t0));
    assert_true(has(c, 2, t0));
    assert_int_equal(tier->size(c, t0), 1);
    assert_true(tier->remove(c, two.bytes));
    put(c, 1, t0);
    assert_true(has(c, 1, t0));
    tier->close(c);
}

static void test_never_more_than_the_bound(void **state)
{
    if (tier->own_clock)
        skip();
    void *c = tier->open(10, TTL_MS);
    for (unsigned i = 0; i < 100; i++) {
        put(c, i, t0);
        assert_true(has(c, i, t0)); /* what was just put is there */
        assert_int_equal(tier->size(c, t0), MIN(i + 1, 10));
    }
    tier->close(c);
}

static void test_lru_is_exact(void **state)
{
    if (!tier->exact_lru)
        skip();
    void *c = tier->open(3, TTL_MS);
    put(c, 1, t0);
    put(c, 2, t0);
    put(c, 3, t0);
    assert_true(has(c, 1, t0)); /* 2 is now the one used longest ago */
    put(c, 4, t0);
    assert_false(has(c, 2, t0));
    put(c, 3, t0); /* a put is a use: 1 is next */
    put(c, 5, t0);
    assert_false(has(c, 1, t0));
    assert_true(has(c, 4, t0));
    assert_true(has(c, 3, t0));
    assert_true(has(c, 5, t0));
    tier->close(c);
}

static void test_expired_makes_way_first(void **state)
{
    if (!tier->exact_lru)
        skip();
    void *c = tier->open(2, TTL_MS);
    uint64_t later = t0 + ttl_ns / 2, after = t0 + ttl_ns + 1;
    put(c, 1, t0);
    put(c, 2, later);
    assert_true(has(c, 1, later)); /* used last, but it expires first */
    put(c, 3, after);
    assert_true(has(c, 2, after));
    assert_true(has(c, 3, after));
    tier->close(c);
}

static void test_switched_off(void **state)
{
    static const uint64_t off[][2] = {{0, TTL_MS}, {10, 0}, {0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(off); i++) {
        if (tier->own_clock && off[i][1] > 0)
            continue;
        void *c = tier->open(off[i][0], off[i][1]);
        put(c, 1, t0);
        assert_false(has(c, 1, t0));
        assert_int_equal(tier->size(c, t0), 0);
        tier->close(c);
    }
}

static void test_longest_ttl(void **state)
{
    if (tier->own_clock)
        skip();
    void *c = tier->open(10, 2592000000);
    put(c, 1, t0);
    assert_true(has(c, 1, t0 + 2591999999ull * NS_PER_MS));
    assert_false(has(c, 1, t0 + 2592000000ull * NS_PER_MS));
    tier->close(c);
}

/* ---- against a model that is plain and slow ---- */

enum { MODEL_KEYS = 40, MODEL_MAX = 16 };

struct model {
    uint64_t put_at[MODEL_KEYS], used[MODEL_KEYS]; /* put_at 0: not there */
    uint64_t tick;
};

static bool model_live(const struct model *m, unsigned n, uint64_t now)
{
    return m->put_at[n] && now < m->put_at[n] + ttl_ns;
}

static uint64_t model_size(const struct model *m, uint64_t now)
{
    uint64_t live = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        live += model_live(m, i, now);
    return live;
}

static void model_put(struct model *m, unsigned n, uint64_t now)
{
    if (!model_live(m, n, now) && model_size(m, now) == MODEL_MAX) {
        unsigned oldest = MODEL_KEYS;
        for (unsigned i = 0; i < MODEL_KEYS; i++)
            if (model_live(m, i, now) && (oldest == MODEL_KEYS || m->used[i] < m->used[oldest]))
                oldest = i;
        m->put_at[oldest] = 0;
    }
    m->put_at[n] = now;
    m->used[n] = ++m->tick;
}

static void test_as_the_model_says(void **state)
{
    if (!tier->exact_lru)
        skip();
    struct rng r;
    struct model m = {0};
    void *c = tier->open(MODEL_MAX, TTL_MS);
    uint64_t now = t0;
    rng_seed(&r, 20261123);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned n = (unsigned)rng_below(&r, MODEL_KEYS);
        now += rng_below(&r, ttl_ns / 20);
        switch (rng_below(&r, 8)) {
        case 0:
        case 1:
        case 2:
            put(c, n, now);
            model_put(&m, n, now);
            break;
        case 3: {
            struct key k = key_of(n);
            bool live = model_live(&m, n, now), found = tier->remove(c, k.bytes);
            assert_true(found || !live);
            m.put_at[n] = 0;
            break;
        }
        case 4:
            assert_int_equal(tier->size(c, now), model_size(&m, now));
            break;
        default:
            assert_int_equal(has(c, n, now), model_live(&m, n, now));
            m.used[n] = ++m.tick;
        }
    }
    tier->close(c);
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 20000 };

static void *hammer(void *c)
{
    struct rng r;
    rng_seed(&r, (uint64_t)(uintptr_t)&r);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = (unsigned)rng_below(&r, 30);
        uint64_t now = t0 + i * (ttl_ns / 1000);
        struct key k = key_of(n);
        switch (rng_below(&r, 16)) {
        case 0:
            put(c, n, now);
            break;
        case 1:
            (void)tier->remove(c, k.bytes);
            break;
        case 2:
            assert_true(tier->size(c, now) <= 20);
            break;
        default:
            has(c, n, now);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    if (tier->one_thread)
        skip();
    void *c = tier->open(20, TTL_MS);
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, c), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    tier->close(c);
}

int cache_contract_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_gives_back_what_was_put),
        cmocka_unit_test(test_keys_differ_in_any_byte),
        cmocka_unit_test(test_ttl_counts_from_the_put),
        cmocka_unit_test(test_size_counts_live_entries),
        cmocka_unit_test(test_put_again_replaces),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_never_more_than_the_bound),
        cmocka_unit_test(test_lru_is_exact),
        cmocka_unit_test(test_expired_makes_way_first),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_longest_ttl),
        cmocka_unit_test(test_as_the_model_says),
        cmocka_unit_test(test_threads),
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(tiers); i++) {
        char name[64];
        snprintf(name, sizeof(name), "cache contract: %s", tiers[i].name);
        tier = &tiers[i];
        if (tier->there && !tier->there())
            continue;
        failed += _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
    }
    shared_rig_stop();
    return failed;
}
