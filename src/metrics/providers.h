/* providers.h: counters of providers, as struct metrics holds them. Private to src/metrics. */
#pragma once

#include "metrics/metrics.h"

struct metrics_provider {
    const char *name;
    struct cells *cells;
    int series; /* its value of the label; -1: it has none */
    atomic_uint_fast64_t count[PROVIDER_COUNTS];
};

struct metrics_providers {
    struct metrics_provider provider[METRICS_PROVIDERS_MAX];
    unsigned count;
};

struct metrics_provider *metrics_providers_add(struct metrics_providers *all, const char *name,
                                               struct cells *cells) MUST_CHECK;
void metrics_providers_put(const struct metrics_providers *all, struct buf *ret);
