/* money.h: sums of cost and saved by API key, as struct metrics holds them. Private to src/metrics. */
#pragma once

#include "metrics/metrics.h"

struct metrics_keys {
    unsigned count;
    struct {
        const char *name;
        char *quoted; /* as JSON; NULL: it is no text, and is left out */
        atomic_int_fast64_t cost, saved;
    } key[METRICS_KEYS_MAX];
};

void metrics_keys_add(struct metrics_keys *keys, const char *name);
void metrics_keys_release(struct metrics_keys *keys);
void metrics_keys_cost(struct metrics_keys *keys, const char *name, int64_t nano);
void metrics_keys_saved(struct metrics_keys *keys, const char *name, int64_t nano);
/* "money":{…}; budgets: their JSON; NULL: none */
void metrics_money_put(const struct cells *c, const struct metrics_keys *keys, const char *budgets,
                       struct buf *ret);
