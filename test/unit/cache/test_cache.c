/* What is the memory tier's own; the rest is in contract/cache_contract.c. */
#include "contract/cache_contract.h"

#include "base/clock.h"
#include "scratch.h"

static const uint8_t key[DIGEST_BYTES] = {1, 2, 3};

/* The cache holds one reference while the entry lives, none afterwards, whatever the way out. */
static void test_references(void **state)
{
    struct cache *c = cache_new(1, 1000);
    struct result *r = result_new(), *other = result_new();
    const uint8_t second[DIGEST_BYTES] = {9};
    cache_put(c, key, r, 0);
    assert_int_equal(atomic_load(&r->refs), 2);
    struct result *got = cache_get(c, key, 0);
    assert_ptr_equal(got, r);
    assert_int_equal(atomic_load(&r->refs), 3);
    result_unref(got);
    cache_put(c, second, other, 0); /* pushed out */
    assert_int_equal(atomic_load(&r->refs), 1);
    cache_put(c, second, r, 0); /* replaced */
    assert_int_equal(atomic_load(&other->refs), 1);
    cache_put(c, second, r, 0); /* by itself */
    assert_int_equal(atomic_load(&r->refs), 2);
    assert_null(cache_get(c, second, 1000 * NS_PER_MS)); /* expired */
    assert_int_equal(atomic_load(&r->refs), 1);
    cache_put(c, key, r, 0);
    assert_true(cache_remove(c, key));
    assert_int_equal(atomic_load(&r->refs), 1);
    cache_put(c, key, r, 0);
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
        cache_put(c, k, r[i], 0);
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
    cache_put(c, key, r, 5);
    struct result *got = cache_get(c, key, UINT64_MAX - 1);
    assert_ptr_equal(got, r);
    result_unref(got);
    result_unref(r);
    cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_one_chain),
        cmocka_unit_test(test_limits_as_given),
    };
    return cache_contract_run() + cmocka_run_group_tests(tests, NULL, NULL);
}
