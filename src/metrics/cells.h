/* cells.h: where the series of catalog.h are counted.
 *
 * A cell is one number: of a counter or a gauge the only one of its series, of a histogram a bucket or the
 * sum; some 45 kB in all. Adding is one atomic addition, two for a histogram: sets of cells for each CPU or
 * thread have been measured, and were no cheaper. What is read while others write may be a few requests apart
 * from one number to the next. Any thread. Times are in ns, sizes in bytes. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/macros.h"
#include "metrics/catalog.h"

struct cells;

struct cells *cells_new(void) MUST_CHECK;
void cells_free(struct cells *c); /* accepts NULL */

void cells_add(struct cells *c, enum metric_id id, unsigned series, uint64_t n);
void cells_observe(struct cells *c, enum metric_id id, unsigned series, uint64_t value);
void cells_set(struct cells *c, enum metric_id id, unsigned series, uint64_t value); /* of a gauge; < 2^63 */

/* What the values of LABEL_BUDGET are called, in their order; texts stay. At the start, before there are
 * threads. */
void cells_name_budget(struct cells *c, unsigned i, const char *name);
const char *cells_budget_name(const struct cells *c, unsigned i); /* "": it has none */

uint64_t cells_value(const struct cells *c, enum metric_id id, unsigned series);
bool cells_is_set(const struct cells *c, enum metric_id id, unsigned series); /* a gauge was ever */

enum { CELLS_BUCKETS_MAX = 24 };
/* bucket[i]: how many were at most bounds[i] and above the one before; the last one is the rest. */
struct cells_histogram {
    uint64_t bucket[CELLS_BUCKETS_MAX + 1];
    unsigned buckets;    /* of bounds; there is one more */
    uint64_t count, sum; /* in ns, or bytes */
};
void cells_histogram(const struct cells *c, enum metric_id id, unsigned series, struct cells_histogram *ret);
unsigned cells_bucket_of(enum metric_id id, uint64_t value);
