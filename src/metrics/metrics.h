/* metrics.h: counters and latency histograms, lock-free where requests pass.
 *
 * A histogram has a relative error of at most 1 % from 10 µs to 1 h (64 steps an octave) and merges by
 * adding. Any thread. What is read while others write may be a few requests apart from one number to the
 * next. metrics_json renders the document of /metrics. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "tables/features.h"

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

struct metrics;

struct metrics *metrics_new(uint64_t now_ns) MUST_CHECK;
void metrics_free(struct metrics *m);

enum outcome { OUTCOME_SUCCESS, OUTCOME_CACHED, OUTCOME_ERROR }; /* CACHED counts as a success too */

/* f may be NULL for what is not a feature's: it enters the totals only. */
void metrics_arrived(struct metrics *m, const struct feature *f);
/* ns: from arrival to answer. A twin's answer is a success, not cached. An error counts as such; its time
 * does not enter the latencies (a refusal in 50 µs says nothing about the feature). */
void metrics_finished(struct metrics *m, const struct feature *f, enum outcome o, uint64_t ns);

struct metrics_cache { /* filled by the caller: the cache is not below metrics */
    uint64_t size, max_size, ttl_ms;
};

/* {"uptime":"3600s","requests":{…},"features":{name:{count,avg,min,max,p50,p95,p99,errors}},"cache":{…}}:
 * times in whole ms, rounded; rates as "26.67%" of total, "0.00%" with none; features that were never asked
 * for are left out; a feature's count is of the answers in its latencies: successes, cached ones too. */
void metrics_json(const struct metrics *m, uint64_t now_ns, const struct metrics_cache *cache,
                  struct buf *ret);

/* A model run that succeeded, its time in the slot alone. */
void metrics_ran(struct metrics *m, const struct feature *f, uint64_t run_ns);
/* Median of those in ns; 0: none yet. For Retry-After: what is ahead in the queue waits its turn already. */
uint64_t metrics_typical_ns(const struct metrics *m, const struct feature *f);
