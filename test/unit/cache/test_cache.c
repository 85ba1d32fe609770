/* What is the memory tier's own; the rest is in contract/cache_contract.c. */
#include "contract/cache_contract.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"

static const uint8_t key[DIGEST_BYTES] = {1, 2, 3};

/* The cache holds one reference while the entry lives, none afterwards, whatever the way out. */
static void test_references(void **state)
{
    struct cache *c = cache_new(1, 1000);
    struct result *r = result_new(), *other = result_new();
    const uint8_t second[DIGEST_BYTES] = {9};
    cache_put(c, key, r, 0, UINT64_MAX);
    assert_int_equal(atomic_load(&r->refs), 2);
    struct result *got = cache_get(c, key, 0);
    assert_ptr_equal(got, r);
    assert_int_equal(atomic_load(&r->refs), 3);
    result_unref(got);
    cache_put(c, second, other, 0, UINT64_MAX); /* pushed out */
    assert_int_equal(atomic_load(&r->refs), 1);
    cache_put(c, second, r, 0, UINT64_MAX); /* replaced */
    assert_int_equal(atomic_load(&other->refs), 1);
    cache_put(c, second, r, 0, UINT64_MAX); /* by itself */
    assert_int_equal(atomic_load(&r->refs), 2);
    assert_null(cache_get(c, second, 1000 * NS_PER_MS)); /* expired */
    assert_int_equal(atomic_load(&r->refs), 1);
    cache_put(c, key, r, 0, UINT64_MAX);
    assert_true(cache_remove(c, key));
    assert_int_equal(atomic_load(&r->refs), 1);
    cache_put(c, key, r, 0, UINT64_MAX);
    cache_free(c);
    assert_int_equal(atomic_load(&r->refs), 1);
    result_unref(r);
    result_unref(other);
    cache_free(NULL);
}

/* Keys that fall into the same chain. */
static void test_one_chain(void **state)
{
    struct cache *c = cache_new(50, 1000);
    struct result *r[50];
    for (unsigned i = 0; i < 50; i++) {
        uint8_t k[DIGEST_BYTES] = {0};
        k[31] = (uint8_t)i;
        r[i] = result_new();
        cache_put(c, k, r[i], 0, UINT64_MAX);
    }
    for (unsigned i = 0; i < 50; i += 2) {
        uint8_t k[DIGEST_BYTES] = {0};
        k[31] = (uint8_t)i;
        assert_true(cache_remove(c, k));
    }
    for (unsigned i = 0; i < 50; i++) {
        uint8_t k[DIGEST_BYTES] = {0};
        k[31] = (uint8_t)i;
        struct result *got = cache_get(c, k, 0);
        assert_ptr_equal(got, i % 2 ? r[i] : NULL);
        result_unref(got);
        result_unref(r[i]);
    }
    cache_free(c);
}

static void test_limits_as_given(void **state)
{
    struct cache *c = cache_new(100, 300000);
    assert_int_equal(cache_max_size(c), 100);
    assert_int_equal(cache_ttl_ms(c), 300000);
    cache_free(c);
    c = cache_new(100, 0);
    assert_int_equal(cache_max_size(c), 100);
    cache_free(c);
    c = cache_new(10, UINT64_MAX); /* for ever */
    struct result *r = result_new();
    cache_put(c, key, r, 5, UINT64_MAX);
    struct result *got = cache_get(c, key, UINT64_MAX - 1);
    assert_ptr_equal(got, r);
    result_unref(got);
    result_unref(r);
    cache_free(c);
}

static void test_stats(void **state)
{
    struct cache *c = cache_new(2, 300000);
    struct cache_stats stats[4];
    for (unsigned i = 0; i < ARRAY_LEN(stats); i++) {
        uint8_t each[DIGEST_BYTES] = {(uint8_t)(i % 3)}; /* three keys in two places, and the first again */
        struct result *r = result_new();
        r->model = mem_strdup("0123456789");
        cache_put(c, each, r, 0, 300000);
        result_unref(r);
        cache_stats(c, 0, &stats[i]);
    }
    assert_true(stats[0].bytes > sizeof(struct result) + 11);
    assert_int_equal(stats[1].bytes, 2 * stats[0].bytes);
    assert_int_equal(stats[3].bytes, 2 * stats[0].bytes);
    assert_int_equal(stats[1].evictions, 0);
    assert_int_equal(stats[3].evictions, 2);
    cache_stats(c, 300000 * NS_PER_MS, &stats[0]); /* what has expired is none */
    assert_int_equal(stats[0].entries + stats[0].bytes, 0);
    assert_int_equal(stats[0].evictions, 2);
    cache_free(c);
}

static void named(uint8_t *k, uint8_t name)
{
    memset(k, 0, DIGEST_BYTES);
    k[0] = name;
}

static void put_named(struct cache *c, uint8_t name, struct result *r)
{
    uint8_t k[DIGEST_BYTES];
    named(k, name);
    cache_put(c, k, r, 0, 1000);
}

static bool there(struct cache *c, uint8_t name)
{
    uint8_t k[DIGEST_BYTES];
    named(k, name);
    struct result *r = cache_get(c, k, 0);
    result_unref(r);
    return r != NULL;
}

static void test_uses(void **state)
{
    struct cache *c = cache_new(3, 1000);
    struct result *r = result_new();
    struct cache_use use[4];
    for (uint8_t k = 1; k <= 3; k++)
        put_named(c, k, r);
    assert_true(there(c, 1) && there(c, 1) && there(c, 2));
    assert_int_equal(cache_take_uses(c, use, 2), 2);
    assert_int_equal(use[0].key[0], 1);
    assert_int_equal(use[0].hits, 2);
    assert_int_equal(use[1].hits, 1);
    put_named(c, 4, r); /* in the place of 3, which was used longest ago, and whose use is lost */
    assert_int_equal(cache_take_uses(c, use + 2, 2), 1);
    assert_int_equal(use[2].key[0], 4);
    assert_int_equal(use[2].hits, 0);
    assert_true(there(c, 1));
    assert_int_equal(cache_take_uses(c, use + 3, 1), 1);
    assert_int_equal(use[3].hits, 1);
    for (unsigned i = 0; i < 4; i++)
        result_unref(use[i].result);
    result_unref(r);
    cache_free(c);
}

static void test_filling(void **state)
{
    struct cache *c = cache_new(3, 1000);
    struct result *r = result_new();
    struct cache_use use;
    uint8_t k[4][DIGEST_BYTES];
    for (uint8_t i = 0; i < 4; i++)
        named(k[i], i);
    put_named(c, 0, r);
    assert_false(cache_fill(c, k[0], r, 0, 500)); /* it is there */
    assert_true(cache_fill(c, k[1], r, 0, 500) && cache_fill(c, k[2], r, 0, 500));
    assert_false(cache_fill(c, k[3], r, 0, 500)); /* no room */
    assert_int_equal(cache_take_uses(c, &use, 1), 1);
    assert_int_equal(use.key[0], 0);
    result_unref(use.result);
    assert_int_equal(cache_take_uses(c, &use, 1), 0); /* filling is no use */
    put_named(c, 3, r);
    assert_true(there(c, 0) && there(c, 1) && there(c, 3));
    assert_false(there(c, 2)); /* filled last: worth least */
    assert_null(cache_get(c, k[1], 500 * UINT64_C(1000000)));
    assert_int_equal(cache_flush(c), 2);
    assert_false(there(c, 0));
    assert_int_equal(cache_take_uses(c, &use, 1), 0);
    result_unref(r);
    cache_free(c);
}

static void test_wasted(void **state)
{
    struct cache *c = cache_new(2, 1000);
    struct result *r[2] = {result_new(), result_new()};
    for (uint8_t i = 0; i < 2; i++) {
        atomic_store(&r[i]->ahead, true);
        r[i]->cost_nano = 10 + i;
        put_named(c, i, r[i]);
    }
    atomic_store(&r[0]->ahead, false); /* somebody asked */
    assert_int_equal(cache_take_wasted(c).results, 0);
    cache_flush(c);
    struct cache_waste waste = cache_take_wasted(c);
    assert_int_equal(waste.results, 1);
    assert_int_equal(waste.cost_nano, 11);
    assert_int_equal(cache_take_wasted(c).results, 0);
    result_unref(r[0]);
    result_unref(r[1]);
    cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),      cmocka_unit_test(test_one_chain),
        cmocka_unit_test(test_limits_as_given), cmocka_unit_test(test_stats),
        cmocka_unit_test(test_references),      cmocka_unit_test(test_one_chain),
        cmocka_unit_test(test_limits_as_given), cmocka_unit_test(test_uses),
        cmocka_unit_test(test_filling),         cmocka_unit_test(test_wasted),
    };
    return cache_contract_run() + cmocka_run_group_tests(tests, NULL, NULL);
}
