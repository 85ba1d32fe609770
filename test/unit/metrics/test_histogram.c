#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "metrics/metrics.h"
#include "scratch.h"

static void assert_near(uint64_t got, uint64_t right)
{
    double error = fabs((double)got - (double)right) / (double)right;
    if (error > 0.01)
        print_error("%llu for %llu: %.2f %%\n", (unsigned long long)got, (unsigned long long)right,
                    error * 100);
    assert_true(error <= 0.01);
}

static void test_empty(void **state)
{
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    assert_int_equal(histogram_quantile(h, 0.5), 0);
    assert_int_equal(histogram_quantile(h, 1.0), 0);
    assert_int_equal(histogram_mean(h), 0);
    assert_int_equal(h->min_ns, 0);
    assert_int_equal(h->max_ns, 0);
}

static void test_one_value_is_exact(void **state)
{
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    histogram_add(h, 123456789);
    assert_int_equal(histogram_quantile(h, 0), 123456789);
    assert_int_equal(histogram_quantile(h, 0.5), 123456789);
    assert_int_equal(histogram_quantile(h, 1), 123456789);
    assert_int_equal(histogram_mean(h), 123456789);
    assert_int_equal(h->min_ns, 123456789);
    assert_int_equal(h->max_ns, 123456789);
}

/* Two distant values keep the clamp to min…max out of it: the value itself must be within 1 %. */
static void test_error_is_within_one_percent(void **state)
{
    for (double ns = 10e3; ns < 3600e9; ns *= 1.0007) {
        FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
        uint64_t value = (uint64_t)ns;
        histogram_add(h, 1);
        histogram_add(h, value);
        histogram_add(h, value);
        histogram_add(h, value);
        histogram_add(h, 3 * 3600 * NS_PER_S);
        assert_near(histogram_quantile(h, 0.5), value);
    }
}

static void test_edges_of_each_octave(void **state)
{
    for (unsigned bit = 14; bit < 43; bit++) {
        for (unsigned above = 0; above < 3; above++) {
            FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
            uint64_t value = (1ull << bit) - 1 + above;
            histogram_add(h, 1);
            histogram_add(h, value);
            histogram_add(h, UINT64_MAX);
            assert_near(histogram_quantile(h, 0.5), value);
        }
    }
}

static void test_outside_of_the_range(void **state)
{
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    histogram_add(h, 0); /* counts as 1: 0 in min_ns means none */
    assert_int_equal(h->count, 1);
    assert_int_equal(h->min_ns, 1);
    assert_int_equal(histogram_quantile(h, 0.5), 1);
    histogram_add(h, 1ull << 60);
    assert_int_equal(h->max_ns, 1ull << 60);
    assert_in_range(histogram_quantile(h, 1), 1ull << 42, 1ull << 60);
    assert_in_range(histogram_quantile(h, 0.1), 1, 16384); /* somewhere below the range */
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Against sorting the values: nearest rank. */
static void test_quantiles_of_many(void **state)
{
    enum { N = 20001 };
    static const double q[] = {0, 0.001, 0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1};
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    FREE_ON_EXIT uint64_t *all = mem_alloc(N * sizeof(*all));
    uint64_t got[ARRAY_LEN(q)], sum = 0;
    struct rng r;
    rng_seed(&r, 3);
    for (unsigned i = 0; i < N; i++) {
        all[i] = (uint64_t)(20e3 * exp(15 * rng_unit(&r)));
        histogram_add(h, all[i]);
        sum += all[i];
    }
    qsort(all, N, sizeof(*all), compare);
    histogram_quantiles(h, q, ARRAY_LEN(q), got);
    for (unsigned i = 0; i < ARRAY_LEN(q); i++) {
        unsigned rank = (unsigned)MAX(ceil(q[i] * N), 1.0);
        assert_near(got[i], all[rank - 1]);
        assert_int_equal(got[i], histogram_quantile(h, q[i]));
    }
    assert_int_equal(histogram_mean(h), sum / N);
    assert_int_equal(h->min_ns, all[0]);
    assert_int_equal(h->max_ns, all[N - 1]);
}

static void test_nearest_rank_of_few(void **state)
{
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    for (unsigned i = 1; i <= 4; i++)
        histogram_add(h, i * NS_PER_S);
    assert_near(histogram_quantile(h, 0.5), 2 * NS_PER_S); /* the lower of the two in the middle */
    assert_near(histogram_quantile(h, 0.51), 3 * NS_PER_S);
    assert_near(histogram_quantile(h, 0.75), 3 * NS_PER_S);
    assert_int_equal(histogram_quantile(h, 0.99), 4 * NS_PER_S); /* clamped: exact */
}

static void *add_many(void *arg)
{
    struct histogram *h = arg;
    for (unsigned i = 1; i <= 50000; i++)
        histogram_add(h, i * 1000);
    return NULL;
}

static void *read_many(void *arg)
{
    const struct histogram *h = arg;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t p = histogram_quantile(h, 0.99);
        assert_true(p <= 50000 * 1000);
        assert_true(histogram_mean(h) <= 50000 * 1000);
    }
    return NULL;
}

static void test_threads(void **state)
{
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    pthread_t thread[5];
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, i ? add_many : read_many, h), 0);
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
    uint64_t in_buckets = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        in_buckets += h->bucket[i];
    assert_int_equal(h->count, 200000);
    assert_int_equal(in_buckets, 200000);
    assert_int_equal(h->sum_ns, 4 * 1000 * (50000ull * 50001 / 2));
    assert_int_equal(h->min_ns, 1000);
    assert_int_equal(h->max_ns, 50000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_one_value_is_exact),
        cmocka_unit_test(test_error_is_within_one_percent),
        cmocka_unit_test(test_edges_of_each_octave),
        cmocka_unit_test(test_outside_of_the_range),
        cmocka_unit_test(test_quantiles_of_many),
        cmocka_unit_test(test_nearest_rank_of_few),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
