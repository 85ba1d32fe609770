#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "limiter/rate.h"

static void allows_a_minute_at_once_then_evenly(void **state)
{
    struct rate *r = rate_new();
    struct rate_state s;
    uint64_t now = 1000 * NS_PER_S;
    for (unsigned i = 0; i < 60; i++) {
        assert_true(rate_take(r, 7, 60, now, &s));
        assert_int_equal(s.remaining, 59 - i);
        assert_int_equal(s.retry_s, 0);
    }
    assert_false(rate_take(r, 7, 60, now, &s));
    assert_int_equal(s.limit, 60);
    assert_int_equal(s.remaining, 0);
    assert_int_equal(s.retry_s, 1);
    assert_int_equal(s.reset_s, 60);
    assert_true(rate_take(r, 8, 60, now, &s)); /* another caller is not touched */
    assert_false(rate_take(r, 7, 60, now + NS_PER_S / 2, &s));
    assert_true(rate_take(r, 7, 60, now + NS_PER_S, &s));
    assert_false(rate_take(r, 7, 60, now + NS_PER_S, &s));
    for (unsigned i = 0; i < 60; i++)
        assert_true(rate_take(r, 7, 60, now + 62 * NS_PER_S, &s));
    assert_false(rate_take(r, 7, 60, now + 62 * NS_PER_S, &s));
    rate_free(r);
}

static void a_refusal_costs_nothing(void **state)
{
    struct rate *r = rate_new();
    struct rate_state s;
    for (unsigned i = 0; i < 10; i++)
        assert_true(rate_take(r, 1, 10, NS_PER_S, &s));
    for (unsigned i = 0; i < 1000; i++)
        assert_false(rate_take(r, 1, 10, NS_PER_S, &s));
    assert_int_equal(s.retry_s, 6);
    assert_true(rate_take(r, 1, 10, 7 * NS_PER_S, &s));
    rate_free(r);
}

static void a_flood_of_callers_forgets_the_longest_away(void **state)
{
    struct rate *r = rate_new();
    struct rate_state s;
    const uint64_t busy = 5;
    for (unsigned i = 0; i < 30; i++)
        assert_true(rate_take(r, busy, 60, NS_PER_S, &s));
    for (uint64_t other = 0; other < 3; other++) /* the same set, younger allowance debts */
        assert_true(rate_take(r, busy + (other + 1) * 16384, 60, NS_PER_S, &s));
    assert_true(rate_take(r, busy + 9 * 16384, 60, NS_PER_S, &s)); /* pushes out one of the idle ones */
    assert_true(rate_take(r, busy, 60, NS_PER_S, &s));
    assert_int_equal(s.remaining, 29);
    rate_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_a_minute_at_once_then_evenly),
        cmocka_unit_test(a_refusal_costs_nothing),
        cmocka_unit_test(a_flood_of_callers_forgets_the_longest_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
