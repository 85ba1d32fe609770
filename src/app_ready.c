#include "app_ready.h"

#include "app_history.h"
#include "base/clock.h"
#include "journal/journal.h"
#include "version.h"

/* The check writes a file: probes that come often get what the last one said. */
static bool store_works(struct app_ready *r, struct store *store)
{
    struct error e;
    uint64_t now = clock_mono_ns();
    uint64_t last = atomic_load(&r->store_checked_ns);
    if (last && now - last < NS_PER_S)
        return atomic_load(&r->store_ok);
    bool ok = store->ops->check(store, &e) == 0;
    atomic_store(&r->store_ok, ok);
    atomic_store(&r->store_checked_ns, now);
    return ok;
}

static bool runs(struct provider *p, const struct feature *f)
{
    struct error e = {0};
    return p->ops->available(p, f, &e) == 0;
}

static void describe_provider(struct provider *p, struct buf *out)
{
    unsigned asked = 0, run = 0;
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        bool counts = features[i].step == FEATURE_NONE && (p->ops->bills || features[i].keep != KEEP_NEVER) &&
                      features[i].work != WORK_PHOTOS;
        asked += counts;
        run += counts && runs(p, &features[i]);
    }
    const char *how = run == asked ? "ok" : run > 0 ? "partial" : "unavailable";
    buf_printf(out, ",\"provider.%s\":\"%s\"", p->ops->name, how);
    if (p->ops->describe)
        p->ops->describe(p, out);
}

/* The first provider that is set up for it can run it now; one that is switched off for a while is set up. */
static bool first_runs(const struct services *svc, const struct feature *f)
{
    for (unsigned i = 0; i < svc->provider_count; i++) {
        struct provider *p = svc->provider[i];
        struct error e = {0};
        if (p->ops->available(p, f, &e) == 0)
            return true;
        if (e.retry_after_s > 0)
            return false;
    }
    /* Stories need models elsewhere, comics of photos this machine: where there are none they are not missed.
     */
    return f->keep == KEEP_NEVER || f->work == WORK_PHOTOS;
}

static bool all_run(const struct services *svc)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (features[i].step == FEATURE_NONE && !first_runs(svc, &features[i]))
            return false;
    return true;
}

bool app_ready(struct app_ready *r, struct services *svc, struct app_shared *shared, struct buf *out)
{
    bool draining = atomic_load(&svc->draining);
    bool store_ok = store_works(r, svc->store);
    bool takes_work = !draining && store_ok;
    BUF_ON_EXIT struct buf redis;
    buf_init(&redis, 64);
    bool shared_ok = app_shared_describe(shared, &redis);
    bool journal_ok = !svc->journal || journal_is_up(svc->journal);
    bool whole = shared_ok && journal_ok && all_run(svc) && app_history_ok(svc);
    const char *status = !takes_work ? "unready" : whole ? "ready" : "degraded";
    buf_printf(out, "{\"status\":\"%s\",\"version\":\"%s\",\"checks\":{", status, LIMNER_VERSION);
    buf_printf(out, "\"draining\":%s,\"store\":\"%s\"", draining ? "true" : "false",
               store_ok ? "ok" : "failed");
    if (svc->journal)
        buf_printf(out, ",\"journal\":\"%s\"", journal_ok ? "ok" : "failed");
    app_history_describe(svc, out);
    buf_puts(out, buf_text(&redis));
    for (unsigned i = 0; i < svc->provider_count; i++)
        describe_provider(svc->provider[i], out);
    buf_puts(out, "}}");
    return takes_work;
}
