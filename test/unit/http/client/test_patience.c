#include "http/client/patience.h"

#include "base/clock.h"
#include "scratch.h"

enum { BEGUN_S = 100 };

static uint64_t now_ns;
static struct rng rng;

static struct patience begin(unsigned tries, uint32_t limit_ms)
{
    struct patience p;
    now_ns = BEGUN_S * NS_PER_S;
    rng_seed(&rng, 1);
    patience_begin(&p, tries, now_ns, limit_ms);
    return p;
}

static uint64_t next_ms(struct patience *p, const char *retry_after)
{
    uint64_t at = patience_next_ns(p, &rng, now_ns, retry_after);
    uint64_t waited_ms = at ? (at - now_ns) / NS_PER_MS : 0;
    now_ns = at ? at : now_ns;
    return waited_ms;
}

static void test_tries_are_counted(void **state)
{
    struct patience p = begin(3, 0);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = patience_next_ns(&p, &rng, now_ns, "");
        assert_true(at > now_ns && at <= now_ns + ((uint64_t)250 << i) * NS_PER_MS);
        now_ns = at;
    }
    assert_int_equal(patience_next_ns(&p, &rng, now_ns, ""), 0);
}

static void test_time_alone_counts(void **state) /* nearly all of it is used, in pauses that stay short */
{
    struct patience p = begin(PATIENCE_TRIES_ANY, 52000);
    unsigned tries = 0;
    for (uint64_t at; (at = patience_next_ns(&p, &rng, now_ns, "")); tries++) {
        assert_true(at > now_ns && at <= now_ns + 5 * NS_PER_S);
        now_ns = at;
    }
    assert_int_equal(now_ns / NS_PER_S, BEGUN_S + 50); /* the last try has two seconds left */
    assert_int_equal(patience_left_ms(&p, now_ns, 60000), 2000);
    assert_int_equal(patience_left_ms(&p, now_ns, 500), 500);
    assert_in_range(tries, 15, 60);
}

static void test_retry_after(void **state)
{
    struct patience p = begin(PATIENCE_TRIES_ANY, 52000);
    assert_int_equal(next_ms(&p, "7"), 7000);
    assert_int_equal(next_ms(&p, "86400"), 30000);
    assert_int_equal(next_ms(&p, "86400"), 13000); /* a last try all the same */
    assert_int_equal(next_ms(&p, "1"), 0);
}

static void test_short_limits(void **state)
{
    struct patience p = begin(PATIENCE_TRIES_ANY, 80);
    while (next_ms(&p, "9"))
        assert_true(now_ns <= BEGUN_S * NS_PER_S + 70 * NS_PER_MS);
    assert_int_equal(now_ns, BEGUN_S * NS_PER_S + 70 * NS_PER_MS);
    p = begin(0, 80);
    assert_int_equal(next_ms(&p, ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tries_are_counted),
        cmocka_unit_test(test_time_alone_counts),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_short_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
