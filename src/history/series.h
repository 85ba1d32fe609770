/* series.h: the points of one feature, made from rows that come in the order of their time. Private to this
 * folder. Order: series_new, series_row for each row and series_point when a step is over, series_put, and
 * series_free. Percentiles are always of merged sketches, of a point and of the whole. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "history/history.h"

struct series;

struct series_row {
    const char *provider;
    enum history_outcome outcome;
    uint64_t requests, latency_us, provider_us;
    int64_t cost_nano, saved_nano;
    struct {
        const void *data;
        size_t size;
    } latency, overhead, provided; /* coded */
};

struct series *series_new(const struct history_query *q, const char *feature) MUST_CHECK;
void series_free(struct series *s);
const char *series_feature(const struct series *s);
void series_row(struct series *s, const struct series_row *row);
void series_point(struct series *s, int64_t at); /* nothing came since the last one: there is no point */
void series_put(struct series *s, struct buf *out);
