#include "metrics/histogram.h"

#include <math.h>

#include "base/macros.h"

enum { STEP_BITS = 6, FIRST_OCTAVE = 13 };

unsigned histogram_bucket(uint64_t ns)
{
    if (ns < 1ull << FIRST_OCTAVE)
        return 0;
    unsigned octave = 63u - (unsigned)__builtin_clzll(ns);
    unsigned step = (unsigned)(ns >> (octave - STEP_BITS)) & ((1u << STEP_BITS) - 1);
    unsigned i = (octave - FIRST_OCTAVE) << STEP_BITS | step;
    return MIN(i, (unsigned)HISTOGRAM_BUCKETS - 1);
}

uint64_t histogram_bucket_ns(unsigned i)
{
    unsigned shift = (i >> STEP_BITS) + FIRST_OCTAVE - STEP_BITS;
    uint64_t steps = (1u << STEP_BITS) | (i & ((1u << STEP_BITS) - 1));
    return (steps << shift) + (1ull << shift) / 2;
}

static uint64_t get(const atomic_uint_fast64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static void add(atomic_uint_fast64_t *p, uint64_t n)
{
    atomic_fetch_add_explicit(p, n, memory_order_relaxed);
}

static void widen(struct histogram *h, uint64_t lowest, uint64_t highest)
{
    uint64_t min = get(&h->min_ns), max = get(&h->max_ns);
    while ((min == 0 || lowest < min) &&
           !atomic_compare_exchange_weak_explicit(&h->min_ns, &min, lowest, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
    while (highest > max && !atomic_compare_exchange_weak_explicit(
                                &h->max_ns, &max, highest, memory_order_relaxed, memory_order_relaxed))
        ;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    ns = MAX(ns, 1); /* 0 in min_ns means none */
    add(&h->bucket[histogram_bucket(ns)], 1);
    add(&h->sum_ns, ns);
    widen(h, ns, ns);
    add(&h->count, 1);
}

void histogram_quantiles(const struct histogram *h, const double *q, unsigned count, uint64_t *ret)
{
    uint64_t total = get(&h->count), min = get(&h->min_ns), max = get(&h->max_ns);
    uint64_t seen = 0;
    unsigned i = 0;
    for (unsigned n = 0; n < count; n++) {
        uint64_t rank = (uint64_t)ceil(q[n] * (double)total);
        rank = MIN(MAX(rank, 1), total);
        while (i < HISTOGRAM_BUCKETS && seen + get(&h->bucket[i]) < rank)
            seen += get(&h->bucket[i++]);
        uint64_t ns = i < HISTOGRAM_BUCKETS ? histogram_bucket_ns(i) : max;
        ret[n] = total ? MIN(MAX(ns, min), max) : 0;
    }
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    uint64_t ns;
    histogram_quantiles(h, &q, 1, &ns);
    return ns;
}

uint64_t histogram_mean(const struct histogram *h)
{
    uint64_t count = get(&h->count);
    return count ? get(&h->sum_ns) / count : 0;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    uint64_t min = get(&from->min_ns);
    if (min == 0)
        return;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = get(&from->bucket[i]);
        if (n > 0)
            add(&into->bucket[i], n);
    }
    add(&into->sum_ns, get(&from->sum_ns));
    add(&into->count, get(&from->count));
    widen(into, min, get(&from->max_ns));
}

static void clear(atomic_uint_fast64_t *p)
{
    if (get(p) > 0)
        atomic_store_explicit(p, 0, memory_order_relaxed);
}

/* Memory that was never used stays so. */
void histogram_clear(struct histogram *h)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        clear(&h->bucket[i]);
    clear(&h->count);
    clear(&h->sum_ns);
    clear(&h->min_ns);
    clear(&h->max_ns);
}
