/* metrics.h: counters and latency histograms, lock-free where requests pass.
 *
 * A histogram has a relative error of at most 1 % from 10 µs to 1 h (64 steps an octave) and merges by adding.
 * Any thread. metrics_json renders the document of /metrics. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "tables/features.h"

enum { HISTOGRAM_BUCKETS = 64 * 30 };

struct histogram {
    atomic_uint_fast64_t bucket[HISTOGRAM_BUCKETS];
    atomic_uint_fast64_t count, sum_ns, min_ns, max_ns; /* min_ns 0 with count 0 */
};

void histogram_add(struct histogram *h, uint64_t ns);
uint64_t histogram_quantile(const struct histogram *h, double q); /* ns, clamped to min…max; 0 when empty */
uint64_t histogram_mean(const struct histogram *h);

struct metrics;

struct metrics *metrics_new(uint64_t now_ns) MUST_CHECK;
void metrics_free(struct metrics *m);

enum outcome { OUTCOME_SUCCESS, OUTCOME_CACHED, OUTCOME_ERROR }; /* CACHED counts as a success too */

void metrics_arrived(struct metrics *m, const struct feature *f);
/* A twin's answer is a success, not cached. */
void metrics_finished(struct metrics *m, const struct feature *f, enum outcome o, uint64_t ns);

struct metrics_cache { /* filled by the caller: the cache is not below metrics */
    uint64_t size, max_size, ttl_ms;
};

/* {"uptime":"3600s","requests":{…},"features":{name:{count,avg,min,max,p50,p95,p99,errors}},"cache":{…}}: times in
 * whole ms; rates as "26.67%" of total, "0.00%" with none; features that were never asked for are left out. */
void metrics_json(const struct metrics *m, uint64_t now_ns, const struct metrics_cache *cache, struct buf *ret);

/* Median run time of a feature's finished, uncached requests in ns; 0: none yet. For Retry-After. */
uint64_t metrics_typical_ns(const struct metrics *m, const struct feature *f);
