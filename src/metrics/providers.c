#include "metrics/providers.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/clock.h"

struct metrics_provider *metrics_providers_add(struct metrics_providers *all, const char *name,
                                               struct cells *cells)
{
    CHECK(all->count < METRICS_PROVIDERS_MAX);
    struct metrics_provider *p = &all->provider[all->count++];
    p->name = name;
    p->cells = cells;
    p->series = metric_provider(name);
    return p;
}

/* What of it the Prometheus formats show too; runs and their outcomes are counted where they end, for every
 * provider. */
static void count_series(const struct metrics_provider *p, unsigned model, enum provider_count what,
                         uint64_t n)
{
    unsigned where = (unsigned)p->series;
    switch (what) {
    case PROVIDER_AGAIN_THROTTLED:
    case PROVIDER_AGAIN_UNSENT:
    case PROVIDER_AGAIN_SERVER:
    case PROVIDER_AGAIN_PLATFORM:
        cells_add(p->cells, M_UPSTREAM_RETRIES,
                  metric_series(M_UPSTREAM_RETRIES, where, model, (unsigned)what - PROVIDER_AGAIN_THROTTLED),
                  n);
        break;
    case PROVIDER_LOOK_UPS:
        cells_add(p->cells, M_UPSTREAM_LOOKUPS, metric_series(M_UPSTREAM_LOOKUPS, where, model, 0), n);
        break;
    case PROVIDER_RATE_WAIT_MS:
        if (n > 0)
            cells_observe(p->cells, M_UPSTREAM_RATE_WAIT,
                          metric_series(M_UPSTREAM_RATE_WAIT, where, model, 0), n * NS_PER_MS);
        break;
    case PROVIDER_BREAKERS_OPENED:
        cells_add(p->cells, M_CIRCUIT_OPENED, metric_series(M_CIRCUIT_OPENED, where, model, 0), n);
        break;
    default:
        break;
    }
}

static unsigned model_of(const struct feature *f)
{
    return f ? metric_model(f) : (unsigned)METRIC_MODEL_ACCOUNT;
}

void metrics_count(struct metrics_provider *p, const struct feature *f, enum provider_count what, uint64_t n)
{
    if (!p)
        return;
    atomic_fetch_add_explicit(&p->count[what], n, memory_order_relaxed);
    if (p->series >= 0)
        count_series(p, model_of(f), what, n);
}

void metrics_circuit(struct metrics_provider *p, const struct feature *f, unsigned state)
{
    if (p && p->series >= 0)
        cells_set(p->cells, M_CIRCUIT, metric_series(M_CIRCUIT, (unsigned)p->series, model_of(f), 0), state);
}

/* "name":{"a":1,"b":2} */
static void put_group(const struct metrics_provider *p, const char *name, const char *const *words,
                      enum provider_count first, unsigned count, struct buf *ret)
{
    buf_printf(ret, ",\"%s\":{", name);
    for (unsigned i = 0; i < count; i++)
        buf_printf(ret, "%s\"%s\":%" PRIu64, i ? "," : "", words[i],
                   (uint64_t)atomic_load_explicit(&p->count[first + i], memory_order_relaxed));
    buf_puts(ret, "}");
}

static void put_provider(const struct metrics_provider *p, struct buf *ret)
{
    static const char *const outcomes[] = {"succeeded", "failed", "unavailable", "canceled", "unknown"};
    static const char *const retries[] = {"throttled", "unsent", "server", "platform"};
    static const struct {
        const char *name;
        enum provider_count what;
    } alone[] = {{"lookups", PROVIDER_LOOK_UPS},
                 {"rateWaitMs", PROVIDER_RATE_WAIT_MS},
                 {"breakersOpened", PROVIDER_BREAKERS_OPENED}};
    buf_printf(ret, "\"%s\":{\"creates\":%" PRIu64, p->name,
               (uint64_t)atomic_load_explicit(&p->count[PROVIDER_CREATES], memory_order_relaxed));
    put_group(p, "outcomes", outcomes, PROVIDER_SUCCEEDED, ARRAY_LEN(outcomes), ret);
    put_group(p, "retries", retries, PROVIDER_AGAIN_THROTTLED, ARRAY_LEN(retries), ret);
    for (unsigned i = 0; i < ARRAY_LEN(alone); i++)
        buf_printf(ret, ",\"%s\":%" PRIu64, alone[i].name,
                   (uint64_t)atomic_load_explicit(&p->count[alone[i].what], memory_order_relaxed));
    buf_puts(ret, "}");
}

void metrics_providers_put(const struct metrics_providers *all, struct buf *ret)
{
    if (all->count == 0)
        return;
    buf_puts(ret, ",\"providers\":{");
    for (unsigned i = 0; i < all->count; i++) {
        buf_puts(ret, i ? "," : "");
        put_provider(&all->provider[i], ret);
    }
    buf_puts(ret, "}");
}
