#include "history/series.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"
#include "history/sketch.h"

enum { PROVIDERS_MAX = 8, POINTS_MAX_BYTES = 256 << 20, NS_PER_US = 1000 };

struct point {
    uint64_t requests[HISTORY_OUTCOMES];
    uint64_t by[PROVIDERS_MAX]; /* of the series' providers */
    uint64_t latency_us;        /* of what succeeded */
    int64_t cost_nano, saved_nano;
    uint64_t run_us, provider_us; /* of runs, and their part in it */
    struct sketch latency, overhead, provided;
    bool any;
};

/* What is told of a sketch. */
struct times {
    uint64_t count, ns[HISTORY_QUANTILES_MAX];
};
struct point_times {
    struct times latency, overhead, provided;
};

struct series {
    const struct history_query *query;
    char feature[HISTORY_NAME_MAX + 1];
    char provider[PROVIDERS_MAX][HISTORY_NAME_MAX + 1];
    unsigned providers;
    struct point now, whole;
    struct buf points;
};

/* But for its sketches, which point_fold has emptied. */
static void point_clear(struct point *p)
{
    memset(p->requests, 0, sizeof(p->requests));
    memset(p->by, 0, sizeof(p->by));
    p->latency_us = p->run_us = p->provider_us = 0;
    p->cost_nano = p->saved_nano = 0;
    p->any = false;
}

struct series *series_new(const struct history_query *q, const char *feature)
{
    struct series *s = NEW(struct series);
    s->query = q;
    snprintf(s->feature, sizeof(s->feature), "%s", feature);
    struct point *const both[] = {&s->now, &s->whole};
    for (unsigned i = 0; i < ARRAY_LEN(both); i++) {
        sketch_init(&both[i]->latency);
        sketch_init(&both[i]->overhead);
        sketch_init(&both[i]->provided);
    }
    buf_init(&s->points, POINTS_MAX_BYTES);
    return s;
}

void series_free(struct series *s)
{
    buf_release(&s->points);
    free(s);
}

const char *series_feature(const struct series *s)
{
    return s->feature;
}

/* ---- rows into points ---- */

/* Its place among the providers of the series; PROVIDERS_MAX: none, or one too many. */
static unsigned provider_index(struct series *s, const char *name)
{
    if (!*name)
        return PROVIDERS_MAX;
    for (unsigned i = 0; i < s->providers; i++)
        if (strcmp(s->provider[i], name) == 0)
            return i;
    if (s->providers == PROVIDERS_MAX)
        return PROVIDERS_MAX;
    snprintf(s->provider[s->providers], sizeof(s->provider[0]), "%s", name);
    return s->providers++;
}

void series_row(struct series *s, const struct series_row *row)
{
    struct point *p = &s->now;
    unsigned by = provider_index(s, row->provider);
    int r = 0; /* a sketch that cannot be read counts as far as it could be */
    p->any = true;
    p->requests[row->outcome] += row->requests;
    p->cost_nano += row->cost_nano; /* what failed may have cost, too */
    p->saved_nano += row->saved_nano;
    if (row->outcome >= HISTORY_REFUSED)
        return; /* how fast it was refused says nothing about the feature */
    if (by < PROVIDERS_MAX)
        p->by[by] += row->requests;
    p->latency_us += row->latency_us;
    r |= sketch_merge_coded(&p->latency, row->latency.data, row->latency.size);
    if (row->outcome != HISTORY_RUN)
        return;
    p->run_us += row->latency_us;
    p->provider_us += row->provider_us;
    r |= sketch_merge_coded(&p->overhead, row->overhead.data, row->overhead.size);
    r |= sketch_merge_coded(&p->provided, row->provided.data, row->provided.size);
    (void)r;
}

static void point_add(struct point *to, const struct point *p)
{
    for (unsigned i = 0; i < HISTORY_OUTCOMES; i++)
        to->requests[i] += p->requests[i];
    for (unsigned i = 0; i < PROVIDERS_MAX; i++)
        to->by[i] += p->by[i];
    to->latency_us += p->latency_us;
    to->cost_nano += p->cost_nano;
    to->saved_nano += p->saved_nano;
    to->run_us += p->run_us;
    to->provider_us += p->provider_us;
    to->any = true;
}

/* The sketches of p go over into those of the whole. */
static void fold(const struct history_query *q, struct sketch *s, struct sketch *into, struct times *ret)
{
    ret->count = s->total;
    sketch_fold(s, into, q->quantile, q->quantiles, ret->ns);
}

static void point_fold(const struct history_query *q, struct point *p, struct point *into,
                       struct point_times *ret)
{
    fold(q, &p->latency, &into->latency, &ret->latency);
    fold(q, &p->overhead, &into->overhead, &ret->overhead);
    fold(q, &p->provided, &into->provided, &ret->provided);
}

static void read_times(const struct history_query *q, const struct sketch *s, struct times *ret)
{
    ret->count = s->total;
    sketch_quantiles(s, q->quantile, q->quantiles, ret->ns);
}

/* ---- writing ---- */

static void put_ms(struct buf *out, uint64_t us)
{
    buf_printf(out, "%" PRIu64 ".%03u", us / 1000, (unsigned)(us % 1000));
}

/* ,"latency_ms":{"avg":…,"p50":…} */
static void put_times(const struct series *s, const char *name, uint64_t sum_us, const struct times *t,
                      struct buf *out)
{
    const struct history_query *q = s->query;
    if (t->count == 0)
        return;
    buf_printf(out, ",\"%s\":{\"avg\":", name);
    put_ms(out, sum_us / t->count);
    for (unsigned i = 0; i < q->quantiles; i++) {
        buf_printf(out, ",\"p%s\":", q->quantile_name[i]);
        put_ms(out, t->ns[i] / NS_PER_US);
    }
    buf_puts(out, "}");
}

static void put_point(const struct series *s, const struct point *p, const struct point_times *t,
                      struct buf *out)
{
    uint64_t all = 0;
    bool first = true;
    for (unsigned i = 0; i < HISTORY_OUTCOMES; i++)
        all += p->requests[i];
    buf_printf(out, "\"requests\":%" PRIu64 ",\"outcomes\":{", all);
    for (unsigned i = 0; i < HISTORY_OUTCOMES; i++)
        buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", history_outcomes[i], p->requests[i]);
    buf_puts(out, "},\"ran_on\":{");
    for (unsigned i = 0; i < s->providers; i++) {
        if (p->by[i] == 0)
            continue;
        buf_printf(out, "%s\"%s\":%" PRIu64, first ? "" : ",", s->provider[i], p->by[i]);
        first = false;
    }
    char cost[MONEY_TEXT], saved[MONEY_TEXT];
    buf_printf(out, "},\"cost_usd\":%s,\"saved_usd\":%s", money_text(p->cost_nano, cost),
               money_text(p->saved_nano, saved));
    put_times(s, "latency_ms", p->latency_us, &t->latency, out);
    put_times(s, "overhead_ms", p->run_us - MIN(p->provider_us, p->run_us), &t->overhead, out);
    put_times(s, "provider_ms", p->provider_us, &t->provided, out);
}

void series_point(struct series *s, int64_t at)
{
    if (!s->now.any)
        return;
    buf_printf(&s->points, "%s{\"at\":%" PRId64 ",", s->points.len ? "," : "", at);
    struct point_times times;
    point_fold(s->query, &s->now, &s->whole, &times);
    put_point(s, &s->now, &times, &s->points);
    buf_puts(&s->points, "}");
    point_add(&s->whole, &s->now);
    point_clear(&s->now);
}

void series_put(struct series *s, struct buf *out)
{
    buf_printf(out, "{\"feature\":\"%s\",\"whole\":{", s->feature);
    struct point_times times;
    read_times(s->query, &s->whole.latency, &times.latency);
    read_times(s->query, &s->whole.overhead, &times.overhead);
    read_times(s->query, &s->whole.provided, &times.provided);
    put_point(s, &s->whole, &times, out);
    buf_puts(out, "},\"points\":[");
    buf_append(out, s->points.data, s->points.len);
    buf_puts(out, "]}");
    out->failed |= s->points.failed;
}
