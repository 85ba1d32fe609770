#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/metrics.h"

struct counters {
    atomic_uint_fast64_t arrived, success, cached, error;
};

struct feature_metrics {
    struct counters counters;
    struct histogram answered; /* successes, cached ones too */
    struct histogram runs;     /* of the model alone */
};

struct metrics {
    uint64_t start_ns;
    struct counters all;
    struct feature_metrics feature[FEATURE_COUNT];
};

struct metrics *metrics_new(uint64_t now_ns)
{
    struct metrics *m = NEW(struct metrics);
    m->start_ns = now_ns;
    return m;
}

void metrics_free(struct metrics *m)
{
    free(m);
}

static uint64_t get(const atomic_uint_fast64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static void add_one(atomic_uint_fast64_t *p)
{
    atomic_fetch_add_explicit(p, 1, memory_order_relaxed);
}

static void count_outcome(struct counters *c, enum outcome o)
{
    add_one(o == OUTCOME_ERROR ? &c->error : &c->success);
    if (o == OUTCOME_CACHED)
        add_one(&c->cached);
}

void metrics_arrived(struct metrics *m, const struct feature *f)
{
    add_one(&m->all.arrived);
    if (f)
        add_one(&m->feature[f->id].counters.arrived);
}

void metrics_finished(struct metrics *m, const struct feature *f, enum outcome o, uint64_t ns)
{
    count_outcome(&m->all, o);
    if (!f)
        return;
    struct feature_metrics *fm = &m->feature[f->id];
    count_outcome(&fm->counters, o);
    if (o != OUTCOME_ERROR)
        histogram_add(&fm->answered, ns);
}

void metrics_ran(struct metrics *m, const struct feature *f, uint64_t run_ns)
{
    histogram_add(&m->feature[f->id].runs, run_ns);
}

uint64_t metrics_typical_ns(const struct metrics *m, const struct feature *f)
{
    return histogram_quantile(&m->feature[f->id].runs, 0.5);
}

/* ---- the document ---- */

static double percent(uint64_t part, uint64_t total)
{
    return total ? 100.0 * (double)part / (double)total : 0.0;
}

static uint64_t ms(uint64_t ns)
{
    return (ns + NS_PER_MS / 2) / NS_PER_MS;
}

static void put_feature(const struct feature_metrics *fm, const char *name, struct buf *ret)
{
    static const double q[] = {0.5, 0.95, 0.99};
    uint64_t p[ARRAY_LEN(q)];
    const struct histogram *h = &fm->answered;
    histogram_quantiles(h, q, ARRAY_LEN(q), p);
    buf_printf(ret,
               "\"%s\":{\"count\":%" PRIu64 ",\"avg\":%" PRIu64 ",\"min\":%" PRIu64 ",\"max\":%" PRIu64
               ",\"p50\":%" PRIu64 ",\"p95\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"errors\":%" PRIu64 "}",
               name, get(&h->count), ms(histogram_mean(h)), ms(get(&h->min_ns)), ms(get(&h->max_ns)),
               ms(p[0]), ms(p[1]), ms(p[2]), get(&fm->counters.error));
}

static void put_requests(const struct counters *c, struct buf *ret)
{
    uint64_t cached = get(&c->cached), success = get(&c->success), error = get(&c->error);
    uint64_t total = MAX(get(&c->arrived), success + error); /* also while others count */
    buf_printf(ret,
               "\"requests\":{\"total\":%" PRIu64 ",\"success\":%" PRIu64 ",\"error\":%" PRIu64
               ",\"cached\":%" PRIu64 ",\"cacheHitRate\":\"%.2f%%\",\"errorRate\":\"%.2f%%\"}",
               total, success, error, cached, percent(cached, total), percent(error, total));
}

void metrics_json(const struct metrics *m, uint64_t now_ns, const struct metrics_cache *cache,
                  struct buf *ret)
{
    uint64_t up_s = now_ns > m->start_ns ? (now_ns - m->start_ns) / NS_PER_S : 0;
    buf_printf(ret, "{\"uptime\":\"%" PRIu64 "s\",", up_s);
    put_requests(&m->all, ret);
    buf_puts(ret, ",\"features\":{");
    bool any = false;
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        const struct feature_metrics *fm = &m->feature[i];
        if (get(&fm->counters.arrived) == 0)
            continue;
        if (any)
            buf_puts(ret, ",");
        put_feature(fm, features[i].name, ret);
        any = true;
    }
    buf_printf(ret, "},\"cache\":{\"size\":%" PRIu64 ",\"maxSize\":%" PRIu64 ",\"ttlMs\":%" PRIu64 "}}",
               cache->size, cache->max_size, cache->ttl_ms);
}
