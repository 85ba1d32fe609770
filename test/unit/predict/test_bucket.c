#include "predict/bucket.h"

#include "base/clock.h"
#include "scratch.h"

#define S NS_PER_S

/* So many as can, as early as they can; when the last of them begins. */
static uint64_t take_many(struct bucket *b, uint64_t now, unsigned count)
{
    uint64_t at = now;
    for (unsigned i = 0; i < count; i++)
        at = bucket_take(b, now).at_ns;
    return at;
}

static void test_never_more_than_the_rate(void **state)
{
    static const unsigned rates[] = {1, 6, 9, 10, 60, 599, 600, 1000000};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct bucket b;
        bucket_init(&b, rates[i]);
        /* The one after a full minute's worth begins a minute later at the earliest. */
        uint64_t at = take_many(&b, 100 * S, rates[i] + 1);
        assert_in_range(at, 160 * S - rates[i], 161 * S); /* the interval is in whole ns */
    }
}

static void test_bursts_and_order(void **state)
{
    struct bucket b;
    bucket_init(&b, 600);
    assert_int_equal(take_many(&b, 5 * S, 60), 5 * S); /* at once */
    struct bucket_place first = bucket_take(&b, 5 * S), second = bucket_take(&b, 5 * S);
    assert_true(first.at_ns > 5 * S && second.at_ns > first.at_ns);
    assert_false(bucket_is_due(&b, &first, 5 * S));
    assert_true(bucket_is_due(&b, &first, first.at_ns));
    assert_false(bucket_is_due(&b, &second, first.at_ns));
    bucket_init(&b, 6); /* no bursts while it is slow */
    assert_int_equal(take_many(&b, 0, 3), 20 * S);
}

static void test_pause(void **state)
{
    struct bucket b;
    bucket_init(&b, 600);
    struct bucket_place place = bucket_take(&b, 1 * S);
    bucket_pause(&b, 1 * S, 9 * S);
    assert_false(bucket_is_due(&b, &place, 10 * S)); /* void */
    assert_int_equal(bucket_next_ns(&b, 2 * S), 9 * S);
    assert_int_equal(bucket_take(&b, 2 * S).at_ns, 9 * S);
    assert_true(bucket_take(&b, 2 * S).at_ns > 9 * S); /* afterwards one by one */
    bucket_pause(&b, 3 * S, 5 * S);                    /* shorter than the one there is */
    assert_int_equal(b.paused_until_ns, 9 * S);
    place = bucket_take(&b, 3 * S);
    bucket_pause(&b, 3 * S, 2 * S); /* over already */
    assert_true(bucket_is_due(&b, &place, place.at_ns));
}

static void test_low_credit(void **state)
{
    struct bucket b;
    bucket_init(&b, 600);
    bucket_pause(&b, 0, 5 * S);
    bucket_slow_down(&b, 0);
    assert_int_equal(bucket_take(&b, 1 * S).at_ns, 5 * S);
    assert_int_equal(bucket_take(&b, 1 * S).at_ns, 15 * S);
    bucket_accepted(&b, 100 * S); /* too early to be sure */
    assert_true(b.slow);
    bucket_slow_down(&b, 200 * S); /* the server says it again */
    bucket_accepted(&b, 301 * S);
    assert_true(b.slow);
    bucket_accepted(&b, 501 * S);
    assert_false(b.slow);
    assert_int_equal(take_many(&b, 600 * S, 60), 600 * S);
    bucket_init(&b, 2); /* the operator asks for less than that anyway */
    bucket_slow_down(&b, 0);
    assert_int_equal(take_many(&b, 0, 2), 30 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_more_than_the_rate),
        cmocka_unit_test(test_bursts_and_order),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_low_credit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
