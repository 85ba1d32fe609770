#include "request/cache_control.h"

#include <errno.h>

#include "scratch.h"

static struct cache_wish parse(const char *header)
{
    struct cache_wish wish = {0};
    assert_int_equal(cache_control_parse(header, &wish), 0);
    return wish;
}

static void test_the_three_directives(void **state)
{
    assert_true(parse("no-cache").no_cache);
    assert_false(parse("no-cache").no_store);
    assert_true(parse("no-store").no_store);
    assert_false(parse("no-store").no_cache);
    assert_true(parse("max-age=60").limited);
    assert_int_equal(parse("max-age=60").max_age_s, 60);
    assert_true(parse("max-age=0").limited);
    assert_int_equal(parse("max-age=0").max_age_s, 0);
}

static void test_lists(void **state)
{
    struct cache_wish w = parse(" No-Cache ,\tNO-STORE,, max-age=\"7\" , max-age=9");
    assert_true(w.no_cache && w.no_store && w.limited);
    assert_int_equal(w.max_age_s, 7);
    w = parse("");
    assert_false(w.no_cache || w.no_store || w.limited);
    w = parse(",, ,");
    assert_false(w.no_cache || w.no_store || w.limited);
}

static void test_what_is_not_known_means_nothing(void **state)
{
    struct cache_wish w =
        parse("max-stale, min-fresh=5, only-if-cached, x=\"no-store, no-cache, \\\" max-age=1\", no-cached");
    assert_false(w.no_cache || w.no_store || w.limited);
    assert_true(parse("no-cache=\"field\"").no_cache);
}

static void test_large_numbers(void **state)
{
    assert_int_equal(parse("max-age=2147483647").max_age_s, 2147483647);
    assert_int_equal(parse("max-age=99999999999999999999999999").max_age_s, 2147483648u);
}

static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "max-age",           "max-age=",
        "max-age=x",         "max-age=-1",
        "max-age=1.5",       "max-age=\"1",
        "no-cache no-store", "=5",
        "no-cache;",         "no-store, max-age=1 2",
        "max-age = 5",       "x=\"",
        "x=\"a\\",           "no-cache\"",
        "max-age=\"\"",      "no-store, \x01",
        "no-store, \xff",    "a=b=c",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct cache_wish wish = {.max_age_s = 77};
        assert_int_equal(cache_control_parse(bad[i], &wish), -EINVAL);
        assert_false(wish.no_cache || wish.no_store || wish.limited);
        assert_int_equal(wish.max_age_s, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_three_directives),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_what_is_not_known_means_nothing),
        cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
