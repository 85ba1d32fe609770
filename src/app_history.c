#include "app_history.h"

#include "app_store.h"
#include "base/log.h"
#include "history/history.h"
#include "request/prefetch.h"
#include "request/warming.h"

static void tell(void *ctx, bool bad, const char *what)
{
    (void)ctx;
    LOG(bad ? LOG_WARN : LOG_INFO, "history", F_STR("what", what));
}

/* What is written, beside the questions: history, budgets, uses of results, what they are worth, and what
 * follows what. */
enum { OWN_JOBS = 5 };

static int make_warming(struct services *svc, struct error *e)
{
    char space[STORE_SPACE_MAX];
    if (svc->opt->warm_keep_max == 0 || !cache_remembers(svc->cache))
        return 0;
    int r = app_store_space(svc->opt, space, e);
    if (r < 0)
        return r;
    svc->warming = warming_new(&(struct warming_config){
        .opt = svc->opt,
        .loop = svc->loop,
        .cache = svc->cache,
        .store = svc->store,
        .history = svc->history,
        .metrics = svc->metrics,
        .space = space,
    });
    return 0;
}

int app_make_history(const struct options *opt, struct services *svc, struct lane **ret_lane, struct error *e)
{
    const char *names[PROVIDERS_MAX];
    if (opt->prefetch && cache_remembers(svc->cache))
        svc->prefetch = prefetch_new(svc);
    if (!opt->history && !*opt->budgets)
        return 0;
    for (unsigned i = 0; i < svc->provider_count; i++)
        names[i] = svc->provider[i]->ops->name;
    const struct lane_config lane = {"db", 1, (size_t)opt->db_queue_max + OWN_JOBS, NULL};
    *ret_lane = lane_new(&lane, svc->loop);
    if (!opt->history)
        return 0;
    const struct history_config config = {
        .opt = opt,
        .loop = svc->loop,
        .lane = *ret_lane,
        .provider = names,
        .provider_count = svc->provider_count,
        .tell = tell,
    };
    int r = history_new(&config, &svc->history, e);
    return r < 0 ? r : make_warming(svc, e);
}

void app_history_start(struct services *svc)
{
    history_start(svc->history);
    warming_start(svc->warming);
    prefetch_start(svc->prefetch);
}

void app_history_free(struct services *svc)
{
    prefetch_free(svc->prefetch);
    warming_free(svc->warming);
    history_free(svc->history);
}

bool app_history_ok(const struct services *svc)
{
    return !svc->history || history_state(svc->history).ok;
}

void app_history_describe(const struct services *svc, struct buf *out)
{
    if (svc->history)
        buf_printf(out, ",\"history\":\"%s\"", app_history_ok(svc) ? "ok" : "waiting for the database");
}

bool app_history_stopped(struct services *svc)
{
    prefetch_stop(svc->prefetch);
    warming_stop(svc->warming);
    history_stop(svc->history);
    return !history_busy(svc->history) && !warming_busy(svc->warming) && !prefetch_busy(svc->prefetch);
}
