/* histogram.h: latencies, within 1 % from 10 µs to 1 h (64 steps an octave); adding is lock-free, and
 * histograms merge by adding. Any thread; what is read while others write may be a few apart. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* Steps of 1/64 of an octave from 2^13 ns (8 µs) to 2^43 ns (2.4 h); what lies outside is counted in the
 * first or the last one. */
enum { HISTOGRAM_BUCKETS = 64 * 30 };

struct histogram {
    atomic_uint_fast64_t bucket[HISTOGRAM_BUCKETS];
    atomic_uint_fast64_t count, sum_ns, min_ns, max_ns; /* min_ns 0 with count 0 */
};

void histogram_add(struct histogram *h, uint64_t ns);             /* 0 counts as 1 */
uint64_t histogram_quantile(const struct histogram *h, double q); /* ns, clamped to min…max; 0 when empty */
/* Several at once, in one pass: q ascending. */
void histogram_quantiles(const struct histogram *h, const double *q, unsigned count, uint64_t *ret);
uint64_t histogram_mean(const struct histogram *h);
void histogram_merge(struct histogram *into, const struct histogram *from);
void histogram_clear(struct histogram *h);
/* The scale itself: where a time falls, and the middle of what falls there. What history keeps is in it. */
unsigned histogram_bucket(uint64_t ns);
uint64_t histogram_bucket_ns(unsigned i);
