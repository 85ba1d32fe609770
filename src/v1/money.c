/* What a run costs, where that is known: for models that a feature of limner's runs too, whose prices count
 * here as well. Any other costs nothing as far as we know. */
#include "v1/inside.h"

static const struct price *price(const struct v1_run *run)
{
    return price_of(run->v1->config.prices, run->feature, "replicate");
}

bool v1_reserve(struct v1_run *run, op_done_fn *on_done)
{
    const struct v1_config *config = &run->v1->config;
    if (!run->feature || !config->prices || !config->budgets)
        return false;
    uint64_t typical_ns = metrics_mean_run_ns(config->metrics, run->feature, "replicate");
    int64_t nano = price_estimate(price(run), typical_ns, 1);
    const struct budget_who who = {run->class, run->tenant};
    if (nano == 0)
        return false;
    budget_reserve(config->budgets, &run->work->hold, &who, nano, on_done);
    return true;
}

void v1_settle(struct v1_run *run)
{
    const struct v1_config *config = &run->v1->config;
    const struct prediction *p = &run->work->p;
    int64_t nano = 0;
    bool billed = p->op.result == 0 || p->paid || p->billed_ns > 0;
    if (run->feature && config->prices && run->work->begun_ns && billed) {
        uint64_t seen_ns = v1_now_ns(run->v1) - run->work->begun_ns;
        nano = price_cost(price(run), p->billed_ns ? p->billed_ns : seen_ns, 1);
    }
    if (nano > 0)
        metrics_cost(config->metrics, run->feature, "replicate", run->tenant, nano);
    run->cost_nano = nano;
    budget_settle(&run->work->hold, nano);
}

void v1_saved(const struct v1_run *run, const char *tenant)
{
    if (run->cost_nano > 0)
        metrics_saved(run->v1->config.metrics, run->feature, V_SAVED_CACHE, tenant, run->cost_nano);
}
