#include "history/spans.h"

#include <stddef.h>

/* find: at, feature, provider, outcome. insert and update: these, requests, latency_us, provider_us, the
 * three sketches, cost_nano, saved_nano. clear: before when, how many at most. read: from, to; and the
 * feature. */
#define STATEMENTS(table)                                                                                    \
    .find = "SELECT latency, overhead, provided FROM " table                                                 \
            " WHERE at = $1 AND feature = $2 AND provider = $3 AND outcome = $4",                            \
    .insert = "INSERT INTO " table                                                                           \
              " (at, feature, provider, outcome, requests, latency_us, provider_us, latency, overhead, "     \
              "provided, cost_nano, saved_nano) "                                                            \
              "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",                                  \
    .update = "UPDATE " table " SET requests = requests + $5, latency_us = latency_us + $6, "                \
              "provider_us = provider_us + $7, latency = $8, overhead = $9, provided = $10, "                \
              "cost_nano = cost_nano + $11, saved_nano = saved_nano + $12 "                                  \
              "WHERE at = $1 AND feature = $2 AND provider = $3 AND outcome = $4",                           \
    .clear = "DELETE FROM " table " WHERE (at, feature, provider, outcome) IN (SELECT at, feature, "         \
             "provider, outcome FROM " table " WHERE at < $1 ORDER BY at LIMIT $2)",                         \
    .read = READ(table, ""), .read_feature = READ(table, " AND feature = $3")
#define READ(table, more)                                                                                    \
    "SELECT at, feature, provider, outcome, requests, latency_us, provider_us, latency, overhead, "          \
    "provided, "                                                                                             \
    "cost_nano, saved_nano FROM " table " WHERE at >= $1 AND at < $2" more " ORDER BY at"

const struct span spans[SPAN_COUNT] = {
    {10, STATEMENTS("history_10s"), .keep_offset = offsetof(struct options, history_keep_10s_h),
     .keep_unit_s = 3600},
    {60, STATEMENTS("history_1m"), .keep_offset = offsetof(struct options, history_keep_1m_d),
     .keep_unit_s = 86400},
    {3600, STATEMENTS("history_1h"), .keep_offset = offsetof(struct options, history_keep_1h_d),
     .keep_unit_s = 86400},
};

int64_t span_keep_s(const struct span *s, const struct options *opt)
{
    return *(const int64_t *)(const void *)((const char *)opt + s->keep_offset) * s->keep_unit_s;
}
