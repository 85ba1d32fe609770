#include "fixture.h"

#include "local/parallel.h"

enum { ROWS = 1003 };

struct count {
    atomic_uint rows[ROWS];
    atomic_uint all;
    atomic_bool cancelled;
    unsigned cancel_after; /* rows; 0: never */
};

static void count_row(void *ctx, uint32_t y)
{
    struct count *c = ctx;
    atomic_fetch_add(&c->rows[y], 1);
    if (atomic_fetch_add(&c->all, 1) + 1 == c->cancel_after)
        atomic_store(&c->cancelled, true);
}

static void test_each_row_once(void **state)
{
    static const unsigned threads[] = {0, 1, 2, 7, 1000};
    static const uint32_t rows[] = {0, 1, 8, 9, ROWS};
    for (unsigned t = 0; t < ARRAY_LEN(threads); t++) {
        for (unsigned n = 0; n < ARRAY_LEN(rows); n++) {
            struct count c = {0};
            struct crew crew = {threads[t], &c.cancelled};
            struct error e;
            assert_int_equal(parallel_rows(&crew, rows[n], count_row, &c, &e), 0);
            for (uint32_t y = 0; y < ROWS; y++)
                assert_int_equal(c.rows[y], y < rows[n]);
        }
    }
}

/* What is under way is finished, no more: at most a band for each thread. */
static void test_cancelling_stops_soon(void **state)
{
    struct count c = {.cancel_after = 20};
    struct crew crew = {2, &c.cancelled};
    struct error e;
    assert_int_equal(parallel_rows(&crew, ROWS, count_row, &c, &e), -ERR_CLIENT_GONE);
    assert_true(c.all >= 20 && c.all <= 20 + 2 * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_once),
        cmocka_unit_test(test_cancelling_stops_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
