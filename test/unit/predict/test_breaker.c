#include "predict/breaker.h"

#include "base/clock.h"
#include "scratch.h"

#define S NS_PER_S

static enum breaker_pass call(struct breaker *b, enum breaker_verdict verdict, uint64_t now)
{
    enum breaker_pass pass = breaker_enter(b, now);
    if (pass != BREAKER_REFUSED)
        breaker_leave(b, pass, verdict, now);
    return pass;
}

static void test_opens(void **state)
{
    struct breaker b;
    unsigned retry = 0;
    breaker_init(&b, 3, 30000);
    call(&b, BREAKER_BAD, 0);
    call(&b, BREAKER_BAD, 0);
    call(&b, BREAKER_GOOD, 0); /* only failures in a row count */
    call(&b, BREAKER_BAD, 0);
    call(&b, BREAKER_BAD, 0);
    call(&b, BREAKER_NEITHER, 0);
    assert_string_equal(breaker_state(&b, 0), "closed");
    assert_true(breaker_leave(&b, breaker_enter(&b, 0), BREAKER_BAD, 1 * S));
    assert_string_equal(breaker_state(&b, 2 * S), "open");
    assert_false(breaker_allows(&b, 2 * S, &retry));
    assert_int_equal(retry, 29);
    assert_int_equal(breaker_enter(&b, 2 * S), BREAKER_REFUSED);
    breaker_release(&b);
}

static void test_one_probe(void **state)
{
    struct breaker b;
    unsigned retry = 0;
    breaker_init(&b, 1, 30000);
    enum breaker_pass late = breaker_enter(&b, 0);
    call(&b, BREAKER_BAD, 0);
    assert_string_equal(breaker_state(&b, 30 * S), "half-open");
    assert_true(breaker_allows(&b, 30 * S, &retry));
    assert_int_equal(breaker_enter(&b, 30 * S), BREAKER_PROBE);
    assert_int_equal(breaker_enter(&b, 30 * S), BREAKER_REFUSED); /* one only */
    assert_false(breaker_allows(&b, 30 * S, &retry));
    assert_int_equal(retry, 30);
    breaker_leave(&b, late, BREAKER_GOOD, 31 * S); /* began before: says nothing about now */
    assert_int_equal(breaker_enter(&b, 31 * S), BREAKER_REFUSED);
    breaker_leave(&b, BREAKER_PROBE, BREAKER_NEITHER, 31 * S); /* cancelled: the next one probes */
    assert_int_equal(call(&b, BREAKER_BAD, 32 * S), BREAKER_PROBE);
    assert_int_equal(breaker_enter(&b, 61 * S), BREAKER_REFUSED);
    assert_int_equal(call(&b, BREAKER_GOOD, 62 * S), BREAKER_PROBE);
    assert_int_equal(call(&b, BREAKER_GOOD, 62 * S), BREAKER_CALL);
    breaker_release(&b);
}

static void test_trip(void **state)
{
    struct breaker b;
    breaker_init(&b, 5, 1000);
    enum breaker_pass running = breaker_enter(&b, 0);
    breaker_trip(&b, 0);
    breaker_leave(&b, running, BREAKER_GOOD, 0);
    assert_int_equal(breaker_enter(&b, S - 1), BREAKER_REFUSED);
    assert_int_equal(call(&b, BREAKER_GOOD, S), BREAKER_PROBE);
    assert_string_equal(breaker_state(&b, S), "closed");
    breaker_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens),
        cmocka_unit_test(test_one_probe),
        cmocka_unit_test(test_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
