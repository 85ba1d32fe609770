#include "history/sketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "history/wire.h"
#include "scratch.h"
#include "tables/error.h"

static struct sketch *new_sketch(void)
{
    struct sketch *s = NEW(struct sketch);
    sketch_init(s);
    return s;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* From 10 µs to 1 h, evenly over the orders of magnitude. */
static uint64_t sample(struct rng *rng)
{
    return (uint64_t)(1e4 * pow(3.6e8, rng_unit(rng)));
}

/* Coded in many parts, as ten-second rows are, and merged: not further off than one histogram would be. */
static void test_merged_percentiles(void **state)
{
    enum { SAMPLES = 50000, PARTS = 360 };
    static const double q[] = {0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    uint64_t *samples = mem_alloc(SAMPLES * sizeof(*samples)), got[ARRAY_LEN(q)];
    struct sketch *whole = new_sketch(), *part = new_sketch();
    struct rng rng;
    rng_seed(&rng, 5);
    for (unsigned i = 0; i < SAMPLES; i++) {
        samples[i] = sample(&rng);
        sketch_put(part, histogram_bucket(samples[i]), 1);
        if (i % (SAMPLES / PARTS) && i != SAMPLES - 1)
            continue;
        BUF_ON_EXIT struct buf coded;
        buf_init(&coded, 1 << 20);
        sketch_encode(part, &coded);
        assert_int_equal(sketch_merge_coded(whole, coded.data, coded.len), 0);
        sketch_clear(part);
    }
    assert_int_equal(whole->total, SAMPLES);
    sketch_quantiles(whole, q, ARRAY_LEN(q), got);
    qsort(samples, SAMPLES, sizeof(*samples), by_size);
    for (unsigned i = 0; i < ARRAY_LEN(q); i++) {
        uint64_t exact = samples[(size_t)MAX(ceil(q[i] * SAMPLES), 1) - 1];
        double off = fabs((double)got[i] - (double)exact) / (double)exact;
        if (off > 0.01)
            fail_msg("p%g: %g instead of %g", 100 * q[i], (double)got[i], (double)exact);
    }
    free(samples);
    free(whole);
    free(part);
}

static void test_coding_is_exact_and_small(void **state)
{
    struct sketch *s = new_sketch(), *same = new_sketch(), *merged = new_sketch();
    BUF_ON_EXIT struct buf coded;
    buf_init(&coded, 1 << 20);
    sketch_encode(s, &coded);
    assert_int_equal(coded.len, 0);
    assert_int_equal(sketch_merge_coded(same, NULL, 0), 0);
    assert_int_equal(same->total, 0);
    sketch_put(s, 0, 1);
    sketch_put(s, 700, UINT32_MAX);
    sketch_put(s, 701, 300);
    sketch_put(s, HISTOGRAM_BUCKETS - 1, 1);
    sketch_encode(s, &coded);
    assert_in_range(coded.len, 1, 20);
    assert_int_equal(sketch_merge_coded(same, coded.data, coded.len), 0);
    assert_memory_equal(s, same, sizeof(*s));
    static const double q[] = {0.000000001, 0.5, 1};
    uint64_t expected[ARRAY_LEN(q)], got[ARRAY_LEN(q)];
    sketch_quantiles(s, q, ARRAY_LEN(q), expected);
    sketch_fold(s, merged, q, ARRAY_LEN(q), got);
    assert_memory_equal(got, expected, sizeof(got));
    assert_memory_equal(same, merged, sizeof(*s));
    struct sketch *fresh = new_sketch();
    assert_memory_equal(s, fresh, sizeof(*s));
    sketch_fold(s, merged, q, ARRAY_LEN(q), got); /* nothing */
    assert_int_equal(got[0] + got[1] + got[2], 0);
    assert_memory_equal(same, merged, sizeof(*s));
    sketch_clear(same);
    assert_memory_equal(same, fresh, sizeof(*s));
    free(fresh);
    free(s);
    free(same);
    free(merged);
}

static void test_bytes_that_are_no_sketch(void **state)
{
    static const uint8_t other_coding[] = {9, 0, 1}, cut[] = {1, 0}, endless[] = {1, 0x80, 0x80},
                         outside[] = {1, 0x80, 0x0f, 1}, behind[] = {1, 0xff, 0x0e, 1, 0, 1};
    static const struct {
        const uint8_t *bytes;
        size_t size;
    } bad[] = {{other_coding, sizeof(other_coding)},
               {cut, sizeof(cut)},
               {endless, sizeof(endless)},
               {outside, sizeof(outside)},
               {behind, sizeof(behind)}};
    struct sketch *s = new_sketch();
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        sketch_clear(s);
        assert_int_equal(sketch_merge_coded(s, bad[i].bytes, bad[i].size), -ERR_INTERNAL);
    }
    struct rng rng;
    rng_seed(&rng, 11);
    for (unsigned i = 0; i < 20000; i++) { /* whatever it is, it stays inside */
        uint8_t bytes[40] = {1};
        size_t size = 1 + rng_below(&rng, sizeof(bytes) - 1);
        for (size_t k = 1; k < size; k++)
            bytes[k] = (uint8_t)rng_next(&rng);
        int r = sketch_merge_coded(s, bytes, size);
        assert_true(r == 0 || r == -ERR_INTERNAL);
        sketch_clear(s);
    }
    free(s);
}

static void test_quantiles_of_few(void **state)
{
    static const double q[] = {0.5, 0.99};
    uint64_t ns[2];
    struct sketch *s = new_sketch();
    sketch_quantiles(s, q, 2, ns);
    assert_int_equal(ns[0] + ns[1], 0);
    sketch_put(s, histogram_bucket(5000000), 1);
    sketch_quantiles(s, q, 2, ns);
    assert_in_range(ns[0], 4950000, 5050000);
    assert_int_equal(ns[0], ns[1]);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merged_percentiles),
        cmocka_unit_test(test_coding_is_exact_and_small),
        cmocka_unit_test(test_bytes_that_are_no_sketch),
        cmocka_unit_test(test_quantiles_of_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
