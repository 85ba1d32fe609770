#include "predict/backoff.h"

#include "base/clock.h"
#include "scratch.h"

static void test_full_jitter(void **state)
{
    struct rng rng;
    rng_seed(&rng, 1);
    static const uint64_t most_ms[] = {800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000};
    for (unsigned attempt = 0; attempt < ARRAY_LEN(most_ms); attempt++) {
        uint64_t least = UINT64_MAX, most = 0;
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t ns = backoff_ns(&rng, 800, 2, attempt);
            least = MIN(least, ns);
            most = MAX(most, ns);
        }
        assert_true(most <= most_ms[attempt] * NS_PER_MS);
        assert_true(most > most_ms[attempt] * NS_PER_MS * 9 / 10);
        assert_true(least < most_ms[attempt] * NS_PER_MS / 10);
    }
    uint64_t most = 0;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t ns = backoff_ns(&rng, 800, 1.5, 2);
        most = MAX(most, ns);
    }
    assert_in_range(most, 1800 * NS_PER_MS * 9 / 10, 1800 * NS_PER_MS);
    assert_true(backoff_ns(&rng, 60000, 10, 4000000000u) <= 60000 * NS_PER_MS);
    assert_true(backoff_ns(&rng, 5, 1, 9) <= 5 * NS_PER_MS);
}

static void test_around(void **state)
{
    struct rng rng;
    rng_seed(&rng, 2);
    for (unsigned i = 0; i < 1000; i++)
        assert_in_range(backoff_around_ns(&rng, 1000), 900, 1100);
    assert_int_equal(backoff_around_ns(&rng, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_full_jitter), cmocka_unit_test(test_around)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
