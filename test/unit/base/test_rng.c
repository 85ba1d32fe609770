#include "base/rng.h"

#include <string.h>

#include "scratch.h"

/* splitmix64 with seed 1234567, as published: the simulator's runs must repeat for ever. */
static void test_known_sequence(void **state)
{
    static const uint64_t right[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                     4593380528125082431u, 16408922859458223821u};
    struct rng r;
    rng_seed(&r, 1234567);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(rng_next(&r), right[i]);
}

static void test_seeds(void **state)
{
    struct rng a, b, c;
    rng_seed(&a, 1);
    rng_seed(&b, 1);
    rng_seed(&c, 2);
    unsigned same = 0;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t n = rng_next(&a);
        assert_int_equal(n, rng_next(&b));
        same += n == rng_next(&c);
    }
    assert_int_equal(same, 0);
}

static void test_below(void **state)
{
    struct rng r;
    unsigned seen[7] = {0};
    rng_seed(&r, 5);
    for (unsigned i = 0; i < 70000; i++) {
        uint64_t n = rng_below(&r, 7);
        assert_true(n < 7);
        seen[n]++;
    }
    for (unsigned i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(rng_below(&r, 1), 0);
}

static void test_unit(void **state)
{
    struct rng r;
    double sum = 0;
    rng_seed(&r, 6);
    for (unsigned i = 0; i < 100000; i++) {
        double x = rng_unit(&r);
        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    assert_true(sum > 49500 && sum < 50500);
}

static void test_bytes(void **state)
{
    uint8_t a[1000] = {0}, b[1000] = {0};
    rng_bytes(a, sizeof(a));
    rng_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    unsigned zeros = 0;
    for (unsigned i = 0; i < sizeof(a); i++)
        zeros += a[i] == 0;
    assert_true(zeros < 40);
    rng_bytes(a, 0);
}

static void test_uuid(void **state)
{
    char one[UUID_TEXT], two[UUID_TEXT], before[UUID_TEXT] = "";
    struct uuids many = {0};
    for (unsigned i = 0; i < 1000; i++) {
        memset(one, 'x', sizeof(one));
        if (i % 2)
            uuid_make(one);
        else
            uuid_next(&many, one);
        uuid_next(&many, two);
        assert_string_not_equal(one, two);
        assert_string_not_equal(one, before);
        memcpy(before, two, sizeof(before));
        assert_int_equal(strlen(one), 36);
        for (unsigned k = 0; k < 36; k++) {
            if (k == 8 || k == 13 || k == 18 || k == 23)
                assert_int_equal(one[k], '-');
            else
                assert_non_null(strchr("0123456789abcdef", one[k]));
        }
        assert_int_equal(one[14], '4');
        assert_non_null(strchr("89ab", one[19]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sequence), cmocka_unit_test(test_seeds), cmocka_unit_test(test_below),
        cmocka_unit_test(test_unit),           cmocka_unit_test(test_bytes), cmocka_unit_test(test_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
