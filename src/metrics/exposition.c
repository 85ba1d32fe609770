#include "metrics/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"

enum { LABELS_MAX = 512, NUMBER_MAX = 40 };

struct out {
    const struct cells *cells;
    struct exemplars *exemplars;
    enum exposition format;
    struct buf *to;
};

static const char *kind_word(enum metric_kind kind, enum exposition format)
{
    static const char *const words[] = {[METRIC_COUNTER] = "counter",
                                        [METRIC_GAUGE] = "gauge",
                                        [METRIC_HISTOGRAM] = "histogram",
                                        [METRIC_INFO] = "info"};
    return kind == METRIC_INFO && format == EXPOSITION_PROMETHEUS ? "gauge" : words[kind];
}

/* OpenMetrics names the family without the sample's suffix. */
static int family_length(const struct metric_row *row, enum exposition format)
{
    size_t len = strlen(row->name);
    if (format == EXPOSITION_OPENMETRICS && row->kind == METRIC_COUNTER)
        len -= strlen("_total");
    if (format == EXPOSITION_OPENMETRICS && row->kind == METRIC_INFO)
        len -= strlen("_info");
    return (int)len;
}

static void put_head(const struct out *o, const struct metric_row *row)
{
    static const char *const units[] = {"", "bytes", "seconds", "usd"};
    int len = family_length(row, o->format);
    buf_printf(o->to, "# TYPE %.*s %s\n", len, row->name, kind_word(row->kind, o->format));
    if (o->format == EXPOSITION_OPENMETRICS && row->unit != METRIC_UNIT_NONE)
        buf_printf(o->to, "# UNIT %.*s %s\n", len, row->name, units[row->unit]);
    buf_printf(o->to, "# HELP %.*s %s\n", len, row->name, row->help);
}

/* a="b",c="d"; a closed set holds nothing that must be escaped. */
static const char *value_of(const struct out *o, enum metric_id id, unsigned series, unsigned i)
{
    if (metric_rows[id].label[i] == LABEL_BUDGET)
        return cells_budget_name(o->cells, series); /* the only label of those that have it */
    return metric_series_value(id, series, i);
}

static void labels_of(const struct out *o, enum metric_id id, unsigned series, char ret[static LABELS_MAX])
{
    size_t used = 0;
    *ret = '\0';
    for (unsigned i = 0; i < 3 && metric_rows[id].label[i] != LABEL_NONE; i++)
        used += (size_t)snprintf(ret + used, LABELS_MAX - used, "%s%s=\"%s\"", i ? "," : "",
                                 metric_labels[metric_rows[id].label[i]].name, value_of(o, id, series, i));
}

static const char *number(enum metric_unit unit, uint64_t value, char ret[static NUMBER_MAX])
{
    if (unit == METRIC_UNIT_SECONDS)
        snprintf(ret, NUMBER_MAX, "%.15g", (double)value / (double)NS_PER_S);
    else if (unit == METRIC_UNIT_USD)
        money_text((int64_t)value, ret);
    else
        snprintf(ret, NUMBER_MAX, "%" PRIu64, value);
    return ret;
}

static void put_value(const struct out *o, enum metric_id id, unsigned series)
{
    const struct metric_row *row = &metric_rows[id];
    char labels[LABELS_MAX], text[NUMBER_MAX];
    labels_of(o, id, series, labels);
    bool any = *labels;
    buf_printf(o->to, "%s%s%s%s %s\n", row->name, any ? "{" : "", labels, any ? "}" : "",
               number(row->unit, cells_value(o->cells, id, series), text));
}

/* As OpenMetrics wants it: a whole number has a decimal. */
static void bound_text(enum metric_unit unit, uint64_t bound, char ret[static NUMBER_MAX])
{
    uint64_t one = unit == METRIC_UNIT_SECONDS ? 1000000 : 1;
    snprintf(ret, NUMBER_MAX, bound % one ? "%.10g" : "%.1f", (double)bound / (double)one);
}

static void put_exemplar(const struct out *o, enum metric_id id, unsigned series, unsigned bucket)
{
    struct exemplar x;
    if (o->format != EXPOSITION_OPENMETRICS || id != M_HTTP_DURATION ||
        !exemplars_get(o->exemplars, series, bucket, &x))
        return;
    buf_printf(o->to, " # {request_id=\"%s\"} %.9g %.3f", x.id, (double)x.ns / (double)NS_PER_S,
               (double)x.wall_ns / (double)NS_PER_S);
}

static void put_histogram(const struct out *o, enum metric_id id, unsigned series,
                          const struct cells_histogram *h)
{
    const struct metric_row *row = &metric_rows[id];
    const char *name = row->name;
    char labels[LABELS_MAX], text[NUMBER_MAX] = "+Inf";
    unsigned bounds;
    const uint64_t *bound = metric_bounds(row->buckets, &bounds);
    labels_of(o, id, series, labels);
    bool any = *labels;
    uint64_t so_far = 0;
    for (unsigned i = 0; i <= bounds; i++) {
        so_far += h->bucket[i];
        if (i < bounds)
            bound_text(row->unit, bound[i], text);
        else
            snprintf(text, sizeof(text), "+Inf");
        buf_printf(o->to, "%s_bucket{%s%sle=\"%s\"} %" PRIu64, name, labels, any ? "," : "", text, so_far);
        put_exemplar(o, id, series, i);
        buf_puts(o->to, "\n");
    }
    buf_printf(o->to, "%s_sum%s%s%s %s\n", name, any ? "{" : "", labels, any ? "}" : "",
               number(row->unit, h->sum, text));
    buf_printf(o->to, "%s_count%s%s%s %" PRIu64 "\n", name, any ? "{" : "", labels, any ? "}" : "", h->count);
}

static bool put_series(const struct out *o, enum metric_id id, unsigned series, bool head)
{
    const struct metric_row *row = &metric_rows[id];
    struct cells_histogram h = {0};
    bool shown;
    if (row->kind == METRIC_HISTOGRAM) {
        cells_histogram(o->cells, id, series, &h);
        shown = h.count > 0 || row->label[0] == LABEL_NONE;
    } else if (row->kind == METRIC_COUNTER) {
        shown = row->label[1] == LABEL_NONE || cells_value(o->cells, id, series) > 0;
    } else {
        shown = cells_is_set(o->cells, id, series);
    }
    if (!shown)
        return false;
    if (head)
        put_head(o, row);
    if (row->kind == METRIC_HISTOGRAM)
        put_histogram(o, id, series, &h);
    else
        put_value(o, id, series);
    return true;
}

void exposition_put(const struct cells *c, struct exemplars *e, enum exposition format, struct buf *ret)
{
    struct out o = {c, e, format, ret};
    for (unsigned id = 0; id < M_COUNT; id++) {
        bool any = false;
        unsigned count = metric_series_count((enum metric_id)id);
        for (unsigned s = 0; s < count; s++)
            any |= put_series(&o, (enum metric_id)id, s, !any);
    }
    if (format == EXPOSITION_OPENMETRICS)
        buf_puts(ret, "# EOF\n");
}
