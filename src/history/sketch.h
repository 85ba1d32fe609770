/* sketch.h: a histogram that is kept: the scale of metrics.h, plain numbers, and a compact coding.
 *
 * Sketches add up without loss, so the percentiles of a day are as exact as those of ten seconds: at most 1 %
 * from the true ones, from 10 µs to 1 h. The coding: nothing at all for an empty one, else a byte that names
 * coding and scale, then for each bucket that is not empty how many empty ones lie before it, and its count
 * (wire.h). One owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "metrics/metrics.h"

enum { SKETCH_WORDS = HISTOGRAM_BUCKETS / 64 };

struct sketch {
    uint64_t total;
    uint64_t used[SKETCH_WORDS]; /* a bit for each bucket that is not empty: most are */
    uint64_t count[HISTOGRAM_BUCKETS];
};

void sketch_init(struct sketch *s);
void sketch_clear(struct sketch *s); /* as sketch_init, of one that was in use: only what is not empty */
void sketch_put(struct sketch *s, unsigned bucket, uint64_t count);
void sketch_encode(const struct sketch *s, struct buf *out);
int sketch_merge_coded(struct sketch *s, const void *bytes, size_t size) MUST_CHECK; /* 0 or -ERR_INTERNAL */

/* Nearest ranks in ns, 0 of an empty one; q ascending. */
void sketch_quantiles(const struct sketch *s, const double *q, unsigned count, uint64_t *ret);
/* The same of s, which is added to another one and empty then: one pass in place of three. */
void sketch_fold(struct sketch *s, struct sketch *into, const double *q, unsigned count, uint64_t *ret);
