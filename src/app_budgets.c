#include "app_budgets.h"

#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"

enum { RUN_MARGIN_MS = 60000 }; /* beyond RUN_TIMEOUT_MS: cancelling, and telling */

static void tell(void *ctx, bool bad, const char *what)
{
    (void)ctx;
    LOG(bad ? LOG_WARN : LOG_INFO, "budgets", F_STR("what", what));
}

/* Where sums are kept that must not be evicted. */
static struct redis *sums_redis(struct app_shared *shared)
{
    return app_shared_limits(shared);
}

int app_make_budgets(struct services *svc, struct app_shared *shared, struct lane *lane,
                     struct http_client_pool *pool, struct error *e)
{
    const struct budgets_config config = {
        .opt = svc->opt,
        .loop = svc->loop,
        .redis = sums_redis(shared),
        .lane = lane,
        .pool = pool,
        .lease_ms = (uint64_t)svc->opt->run_timeout_ms + RUN_MARGIN_MS,
        .tell = tell,
    };
    int r = budgets_new(&config, &svc->budgets, e);
    const struct budget_plan *plan = svc->budgets ? budgets_plan(svc->budgets) : NULL;
    for (unsigned i = 0; plan && i < plan->count; i++)
        cells_name_budget(metrics_cells(svc->metrics), i, plan->row[i].name);
    return r;
}

bool app_has_key(const struct access *access, const char *name)
{
    for (unsigned i = 0; access_name(access, i); i++)
        if (strcmp(access_name(access, i), name) == 0)
            return true;
    return false;
}

int app_check_budget_keys(const struct budget_plan *plan, const struct access *access, struct error *e)
{
    for (unsigned i = 0; plan && i < plan->count; i++)
        if (plan->row[i].scope == BUDGET_KEY && !app_has_key(access, plan->row[i].key))
            return error_set_field(e, ERR_VALIDATION, "BUDGETS",
                                   "BUDGETS names the key \"%s\", which API_KEYS does not have",
                                   plan->row[i].key);
    return 0;
}

bool app_budgets_stopped(struct services *svc)
{
    budgets_stop(svc->budgets);
    return !budgets_busy(svc->budgets);
}
