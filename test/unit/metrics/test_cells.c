#include "metrics/cells.h"

#include <pthread.h>

#include "base/clock.h"
#include "scratch.h"

static void counters_add_up(void **state)
{
    struct cells *c = cells_new();
    unsigned one = metric_series(M_REJECTED, V_CLASS_HEAVY, V_REFUSAL_RATE, 0);
    cells_add(c, M_REJECTED, one, 2);
    cells_add(c, M_REJECTED, one, 3);
    for (unsigned i = 0; i < metric_series_count(M_REJECTED); i++)
        assert_int_equal(cells_value(c, M_REJECTED, i), i == one ? 5 : 0);
    cells_free(c);
    cells_free(NULL);
}

/* No metric touches another one's cells: each series of each gets a number of its own. */
static void series_are_apart(void **state)
{
    struct cells *c = cells_new();
    uint64_t n = 1;
    for (unsigned id = 0; id < M_COUNT; id++)
        for (unsigned s = 0; s < metric_series_count((enum metric_id)id); s++, n++)
            if (metric_rows[id].kind == METRIC_HISTOGRAM)
                cells_observe(c, (enum metric_id)id, s, n);
            else
                cells_add(c, (enum metric_id)id, s, n);
    n = 1;
    for (unsigned id = 0; id < M_COUNT; id++)
        for (unsigned s = 0; s < metric_series_count((enum metric_id)id); s++, n++) {
            struct cells_histogram h = {0};
            if (metric_rows[id].kind == METRIC_HISTOGRAM) {
                cells_histogram(c, (enum metric_id)id, s, &h);
                assert_int_equal(h.count, 1);
                assert_int_equal(h.sum, n);
            } else {
                assert_int_equal(cells_value(c, (enum metric_id)id, s), n);
            }
        }
    cells_free(c);
}

static void gauges_are_set(void **state)
{
    struct cells *c = cells_new();
    assert_false(cells_is_set(c, M_INFLIGHT, V_CLASS_LIGHT));
    cells_set(c, M_INFLIGHT, V_CLASS_LIGHT, 7);
    assert_int_equal(cells_value(c, M_INFLIGHT, V_CLASS_LIGHT), 7);
    cells_set(c, M_INFLIGHT, V_CLASS_LIGHT, 0);
    assert_true(cells_is_set(c, M_INFLIGHT, V_CLASS_LIGHT));
    assert_int_equal(cells_value(c, M_INFLIGHT, V_CLASS_LIGHT), 0);
    assert_false(cells_is_set(c, M_INFLIGHT, V_CLASS_HEAVY));
    cells_free(c);
}

/* A bound belongs to the bucket below it, as Prometheus has it. */
static void buckets(void **state)
{
    struct cells *c = cells_new();
    struct cells_histogram h;
    static const uint64_t ns[] = {1, 100000, 100001, 1000 * NS_PER_MS, 1000 * NS_PER_MS + 1, 3600 * NS_PER_S};
    for (size_t i = 0; i < ARRAY_LEN(ns); i++)
        cells_observe(c, M_OVERHEAD, 0, ns[i]);
    cells_histogram(c, M_OVERHEAD, 0, &h);
    assert_int_equal(h.buckets, 13);
    assert_int_equal(h.bucket[0], 2);
    assert_int_equal(h.bucket[1], 1);
    assert_int_equal(h.bucket[12], 1);
    assert_int_equal(h.bucket[13], 2);
    assert_int_equal(h.count, ARRAY_LEN(ns));
    assert_int_equal(h.sum, 1 + 100000 + 100001 + 2000 * NS_PER_MS + 1 + 3600 * NS_PER_S);
    cells_free(c);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *hammer(void *arg)
{
    struct cells *c = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        cells_add(c, M_SOURCE_REJECTED, V_SOURCE_BYTES, 1);
        cells_observe(c, M_SPANS, V_SPAN_RUN, i);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    struct cells *c = cells_new();
    pthread_t thread[THREADS];
    struct cells_histogram h;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, c), 0);
    for (unsigned i = 0; i < 100; i++)
        cells_histogram(c, M_SPANS, V_SPAN_RUN, &h);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    cells_histogram(c, M_SPANS, V_SPAN_RUN, &h);
    assert_int_equal(h.count, THREADS * ROUNDS);
    assert_int_equal(h.sum, (uint64_t)THREADS * ROUNDS * (ROUNDS - 1) / 2);
    assert_int_equal(cells_value(c, M_SOURCE_REJECTED, V_SOURCE_BYTES), THREADS * ROUNDS);
    cells_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_add_up),      cmocka_unit_test(series_are_apart),
        cmocka_unit_test(gauges_are_set),       cmocka_unit_test(buckets),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
