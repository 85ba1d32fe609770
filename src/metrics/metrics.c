#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/money.h"
#include "metrics/process.h"
#include "metrics/providers.h"
#include "metrics/window.h"

enum { WINDOW_S = 300 };

struct counters {
    atomic_uint_fast64_t arrived, success, cached, error;
};

struct feature_metrics {
    struct counters counters;
    struct histogram runs; /* of the model alone, since the start */
};

struct metrics {
    uint64_t start_ns;
    int64_t start_wall_s;
    struct counters all;
    struct feature_metrics feature[FEATURE_COUNT];
    struct metrics_providers providers;
    struct metrics_keys keys;
    struct window *window; /* answers: successes, cached ones too */
    struct cells *cells;
    struct exemplars *exemplars;
};

struct metrics *metrics_new(uint64_t now_ns)
{
    struct metrics *m = NEW(struct metrics);
    m->start_ns = now_ns;
    m->start_wall_s = clock_wall_s();
    m->window = window_new(WINDOW_S, now_ns);
    m->cells = cells_new();
    m->exemplars = exemplars_new();
    cells_set(m->cells, M_BUILD, 0, 1);
    process_started(m->cells);
    return m;
}

void metrics_window(struct metrics *m, uint64_t span_s, uint64_t now_ns)
{
    window_free(m->window);
    m->window = window_new(span_s, now_ns);
}

struct metrics_provider *metrics_provider(struct metrics *m, const char *name)
{
    return metrics_providers_add(&m->providers, name, m->cells);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    window_free(m->window);
    metrics_keys_release(&m->keys);
    cells_free(m->cells);
    exemplars_free(m->exemplars);
    free(m);
}

struct cells *metrics_cells(struct metrics *m)
{
    return m->cells;
}

struct exemplars *metrics_exemplars(struct metrics *m)
{
    return m->exemplars;
}

void metrics_text(struct metrics *m, enum exposition format, struct buf *ret)
{
    process_sample(m->cells);
    exposition_put(m->cells, m->exemplars, format, ret);
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

static void totals_now(const struct metrics *m, struct window_totals *ret)
{
    const struct counters *c = &m->all;
    ret->cached = get(&c->cached);
    ret->success = get(&c->success);
    ret->error = get(&c->error);
    ret->total = MAX(get(&c->arrived), ret->success + ret->error); /* also while others count */
}

void metrics_turn(struct metrics *m, uint64_t now_ns)
{
    struct window_totals now;
    totals_now(m, &now);
    window_turn(m->window, now_ns, &now);
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
        window_add(m->window, f->id, ns);
}

void metrics_ran(struct metrics *m, const struct feature *f, uint64_t run_ns)
{
    histogram_add(&m->feature[f->id].runs, run_ns);
}

uint64_t metrics_typical_ns(const struct metrics *m, const struct feature *f)
{
    return histogram_quantile(&m->feature[f->id].runs, 0.5);
}

/* ---- money ---- */

void metrics_key(struct metrics *m, const char *name)
{
    metrics_keys_add(&m->keys, name);
}

void metrics_cost(struct metrics *m, const struct feature *f, const char *provider, const char *key,
                  int64_t nano)
{
    int where = metric_provider(provider);
    if (where >= 0)
        cells_add(m->cells, M_COST, metric_series(M_COST, f->id, (unsigned)where, 0), (uint64_t)nano);
    metrics_keys_cost(&m->keys, key, nano);
}

void metrics_saved(struct metrics *m, const struct feature *f, unsigned by, const char *key, int64_t nano)
{
    cells_add(m->cells, M_SAVED, metric_series(M_SAVED, f->id, by, 0), (uint64_t)nano);
    metrics_keys_saved(&m->keys, key, nano);
}

uint64_t metrics_mean_run_ns(const struct metrics *m, const struct feature *f, const char *provider)
{
    struct cells_histogram h;
    int where = metric_provider(provider);
    if (where < 0)
        return 0;
    cells_histogram(m->cells, M_UPSTREAM_DURATION,
                    metric_series(M_UPSTREAM_DURATION, (unsigned)where, metric_model(f), 0), &h);
    return h.count ? h.sum / h.count : 0;
}

/* ---- the document ---- */

/* Who arrived before the window may have been answered in it. */
static double percent(uint64_t part, uint64_t total)
{
    return total ? 100.0 * (double)MIN(part, total) / (double)total : 0.0;
}

static uint64_t ms(uint64_t ns)
{
    return (ns + NS_PER_MS / 2) / NS_PER_MS;
}

static void put_since(const struct metrics *m, const struct metrics_past *past, struct buf *ret)
{
    bool known = past && past->known;
    time_t since = (time_t)(known ? past->since_s : m->start_wall_s);
    struct tm tm;
    char text[32];
    gmtime_r(&since, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    buf_printf(ret, "\"since\":\"%s\",\"history\":\"%s\",", text, known ? "known" : past ? "unknown" : "off");
}

static void put_feature(const struct metrics *m, const struct metrics_past *past, enum feature_id id,
                        struct buf *ret)
{
    const struct feature_metrics *fm = &m->feature[id];
    static const double q[] = {0.5, 0.95, 0.99};
    uint64_t p[ARRAY_LEN(q)];
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    window_read(m->window, id, h);
    histogram_quantiles(h, q, ARRAY_LEN(q), p);
    buf_printf(ret,
               "\"%s\":{\"count\":%" PRIu64 ",\"avg\":%" PRIu64 ",\"min\":%" PRIu64 ",\"max\":%" PRIu64
               ",\"p50\":%" PRIu64 ",\"p95\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"errors\":%" PRIu64 "}",
               features[id].name, get(&fm->counters.success) + past->feature[id].success,
               ms(histogram_mean(h)), ms(get(&h->min_ns)), ms(get(&h->max_ns)), ms(p[0]), ms(p[1]), ms(p[2]),
               get(&fm->counters.error) + past->feature[id].error);
}

static void put_requests(const struct metrics *m, const struct metrics_past *past, struct buf *ret)
{
    struct window_totals all, window;
    totals_now(m, &all);
    window_totals(m->window, &all, &window);
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        all.success += past->feature[i].success;
        all.cached += past->feature[i].cached;
        all.error += past->feature[i].error;
        all.total += past->feature[i].success + past->feature[i].error;
    }
    buf_printf(ret,
               "\"requests\":{\"total\":%" PRIu64 ",\"success\":%" PRIu64 ",\"error\":%" PRIu64
               ",\"cached\":%" PRIu64 ",\"cacheHitRate\":\"%.2f%%\",\"errorRate\":\"%.2f%%\"}",
               all.total, all.success, all.error, all.cached, percent(window.cached, window.total),
               percent(window.error, window.total));
}

static void put_features(const struct metrics *m, const struct metrics_past *past, struct buf *ret)
{
    const char *gap = "";
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (get(&m->feature[i].counters.arrived) + past->feature[i].success + past->feature[i].error == 0)
            continue;
        buf_puts(ret, gap);
        put_feature(m, past, (enum feature_id)i, ret);
        gap = ",";
    }
}

static void put_shared(const struct cells *c, struct buf *ret)
{
    static const char *const names[] = {"hits", "misses", "errors", "off"}; /* in the order of V_SHARED_ */
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        buf_printf(ret, "%s\"%s\":%" PRIu64, i ? "," : ",\"shared\":{", names[i],
                   cells_value(c, M_CACHE_SHARED, i));
    buf_puts(ret, "}");
}

void metrics_json(const struct metrics *m, uint64_t now_ns, const struct metrics_cache *cache,
                  struct buf *ret)
{
    static const struct metrics_past none;
    const struct metrics_past *past = cache->past ? cache->past : &none;
    uint64_t up_s = now_ns > m->start_ns ? (now_ns - m->start_ns) / NS_PER_S : 0;
    buf_printf(ret, "{\"uptime\":\"%" PRIu64 "s\",", up_s);
    put_since(m, cache->past, ret);
    put_requests(m, past, ret);
    buf_puts(ret, ",\"features\":{");
    put_features(m, past, ret);
    buf_printf(ret, "},\"cache\":{\"size\":%" PRIu64 ",\"maxSize\":%" PRIu64 ",\"ttlMs\":%" PRIu64,
               cache->size, cache->max_size, cache->ttl_ms);
    if (cache->shared)
        put_shared(m->cells, ret);
    buf_puts(ret, "},");
    metrics_money_put(m->cells, &m->keys, cache->budgets, ret);
    metrics_providers_put(&m->providers, ret);
    buf_puts(ret, "}");
}
