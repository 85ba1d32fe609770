#include "metrics/cells.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

enum { NS_PER_US = 1000 };

/* A gauge that was never set is not shown, one that is 0 is. */
static const uint64_t was_set = 1ull << 63;

struct cells {
    unsigned start[M_COUNT];  /* of each metric's first series */
    unsigned stride[M_COUNT]; /* cells a series */
    atomic_uint_fast64_t *cell;
    const char *budget[METRIC_BUDGETS];
};

static unsigned bounds_of(enum metric_id id)
{
    unsigned n;
    (void)metric_bounds(metric_rows[id].buckets, &n);
    CHECK(n <= CELLS_BUCKETS_MAX);
    return n;
}

static unsigned stride_of(enum metric_id id)
{
    return metric_rows[id].kind == METRIC_HISTOGRAM ? bounds_of(id) + 2 : 1;
}

struct cells *cells_new(void)
{
    struct cells *c = NEW(struct cells);
    unsigned total = 0;
    for (unsigned i = 0; i < M_COUNT; i++) {
        c->start[i] = total;
        c->stride[i] = stride_of((enum metric_id)i);
        total += metric_series_count((enum metric_id)i) * c->stride[i];
    }
    c->cell = mem_zalloc(total * sizeof(*c->cell));
    return c;
}

void cells_free(struct cells *c)
{
    if (!c)
        return;
    free(c->cell);
    free(c);
}

static atomic_uint_fast64_t *first_of(const struct cells *c, enum metric_id id, unsigned series)
{
    return &c->cell[c->start[id] + series * c->stride[id]];
}

static void add(atomic_uint_fast64_t *cell, uint64_t n)
{
    atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
}

static uint64_t get(const atomic_uint_fast64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

void cells_add(struct cells *c, enum metric_id id, unsigned series, uint64_t n)
{
    add(first_of(c, id, series), n);
}

void cells_set(struct cells *c, enum metric_id id, unsigned series, uint64_t value)
{
    atomic_store_explicit(first_of(c, id, series), value | was_set, memory_order_relaxed);
}

unsigned cells_bucket_of(enum metric_id id, uint64_t value)
{
    unsigned n, i = 0;
    const uint64_t *bound = metric_bounds(metric_rows[id].buckets, &n);
    uint64_t unit = metric_rows[id].unit == METRIC_UNIT_SECONDS ? NS_PER_US : 1;
    while (i < n && value > bound[i] * unit)
        i++;
    return i;
}

void cells_observe(struct cells *c, enum metric_id id, unsigned series, uint64_t value)
{
    atomic_uint_fast64_t *at = first_of(c, id, series);
    add(&at[1 + cells_bucket_of(id, value)], 1);
    add(&at[0], value);
}

void cells_name_budget(struct cells *c, unsigned i, const char *name)
{
    CHECK(i < METRIC_BUDGETS);
    c->budget[i] = name;
}

const char *cells_budget_name(const struct cells *c, unsigned i)
{
    return c->budget[i] ? c->budget[i] : "";
}

uint64_t cells_value(const struct cells *c, enum metric_id id, unsigned series)
{
    return get(first_of(c, id, series)) & ~was_set;
}

bool cells_is_set(const struct cells *c, enum metric_id id, unsigned series)
{
    return get(first_of(c, id, series)) & was_set;
}

void cells_histogram(const struct cells *c, enum metric_id id, unsigned series, struct cells_histogram *ret)
{
    const atomic_uint_fast64_t *at = first_of(c, id, series);
    *ret = (struct cells_histogram){.buckets = bounds_of(id), .sum = get(&at[0])};
    for (unsigned i = 0; i <= ret->buckets; i++) {
        ret->bucket[i] = get(&at[1 + i]);
        ret->count += ret->bucket[i];
    }
}
