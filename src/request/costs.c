#include "request/costs.h"

#include <string.h>

#include "metrics/metrics.h"
#include "request/child.h"
#include "tables/prices.h"

static unsigned images_of(const struct request *req)
{
    return req->validate.params.feature ? price_images(&req->validate.params) : 1;
}

int64_t costs_of_any(const struct services *svc, const struct feature *f, const struct provider *provider,
                     unsigned images)
{
    const char *name = provider->ops->name;
    if (!svc->prices)
        return 0;
    return price_estimate(price_of(svc->prices, f, name), metrics_mean_run_ns(svc->metrics, f, name), images);
}

int64_t costs_estimate(const struct request *req, const struct feature *f, const struct provider *provider)
{
    return costs_of_any(req->svc, f, provider, images_of(req));
}

/* By the provider's own clock where it told; a run whose outcome is not known counts as one that was. */
static int64_t cost_of(const struct request *req)
{
    const struct prediction *p = req->run.prediction;
    const struct provider *provider = req->queue.provider;
    bool billed = p->paid || p->op.result == 0 || p->billed_ns > 0;
    if (!billed || !req->svc->prices)
        return 0;
    if (p->op.result == -ERR_UNKNOWN_OUTCOME)
        return costs_estimate(req, req->feature, provider);
    uint64_t seen_ns = loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_RUN];
    return price_cost(price_of(req->svc->prices, req->feature, provider->ops->name),
                      p->billed_ns ? p->billed_ns : seen_ns, p->output_count);
}

/* The first provider that costs something; as long as none is set up, the one that has a price list. */
static int64_t cost_elsewhere(const struct request *req)
{
    const struct services *svc = req->svc;
    for (unsigned i = 0; i < svc->provider_count; i++) {
        int64_t nano =
            svc->provider[i]->ops->remote ? costs_estimate(req, req->feature, svc->provider[i]) : 0;
        if (nano > 0)
            return nano;
    }
    return price_estimate(price_of(svc->prices, req->feature, "replicate"), 0,
                          price_images(&req->validate.params));
}

/* A result that only a fallback could give is not what the money would have bought. */
static bool saves_by_itself(const struct request *req)
{
    const char *name = req->queue.provider->ops->name;
    bool own = strcmp(name, "local") == 0 || strcmp(name, "cog") == 0;
    return own && !req->ahead && req->run.prediction->op.result == 0 && !req->queue.degraded &&
           req->svc->prices;
}

int64_t costs_of_run(struct request *req)
{
    int64_t nano = cost_of(req);
    req->run.cost_nano += nano;
    if (nano > 0)
        metrics_cost(req->svc->metrics, req->feature, req->queue.provider->ops->name, req->tenant, nano);
    int64_t saved = saves_by_itself(req) ? cost_elsewhere(req) - nano : 0;
    if (saved > 0) {
        req->run.saved_nano += saved;
        metrics_saved(req->svc->metrics, req->feature, V_SAVED_LOCAL, req->tenant, saved);
    }
    return nano;
}

int64_t costs_saved(const struct request *req)
{
    const struct result *hit = req->lookup.hit, *twin = req->join.collapsed ? req->settle.result : NULL;
    const struct result *given = hit ? hit : twin;
    if (!given)
        return req->run.saved_nano + (req->run.child ? child_saved(req->run.child) : 0);
    if (given->cost_nano > 0)
        metrics_saved(req->svc->metrics, req->feature, hit ? V_SAVED_CACHE : V_SAVED_TWIN, req->tenant,
                      given->cost_nano);
    return given->cost_nano;
}

int64_t costs_of_request(const struct request *req)
{
    return req->run.cost_nano + (req->run.child ? child_cost(req->run.child) : 0);
}
