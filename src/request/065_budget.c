/* 065 budget: what the run is thought to cost is taken from the budgets that it falls under, or it is
 * refused.
 *
 * Hits and twins never come here, so they stay possible when a budget is spent; and so do runs that cost
 * nothing. For the same reason nothing is refused earlier that a hit, or a twin, could still answer:
 *   - at the headers, before the body is asked for: only what wishes no remembered result (no-cache,
 * no-store);
 *   - in 060, before it waits for a slot: all, as whoever comes there leads, and has found nothing.
 * These two only look; what decides is the reservation here, with the slot in hand, just before the call. */
#include "request/costs.h"
#include "request/intent.h"
#include "request/stage.h"

static struct budget_who who_of(const struct request *req)
{
    return (struct budget_who){req->feature->class, req->tenant};
}

int budget_allows(struct request *req, const struct provider *provider)
{
    const struct budget_who who = who_of(req);
    if (!req->svc->budgets)
        return 0;
    return budget_look(req->svc->budgets, &who, costs_estimate(req, req->feature, provider), &req->err);
}

int budget_allows_body(struct request *req)
{
    const struct feature *f = req->feature;
    if (!req->svc->budgets || !(req->wish.no_cache || req->wish.no_store))
        return 0;
    if (f->step != FEATURE_NONE)
        f = &features[f->step];
    struct error ignored;
    const struct provider *provider = queue_provider(req->svc, f, &ignored);
    const struct budget_who who = {f->class, req->tenant};
    return provider ? budget_check(req->svc->budgets, &who, costs_estimate(req, f, provider), &req->err) : 0;
}

void budget_warn(const struct request *req, struct buf *ret)
{
    const struct budget_who who = who_of(req);
    if (req->receive.known)
        budget_warning(req->svc->budgets, &who, ret);
}

enum verdict budget_enter(struct request *req)
{
    struct services *svc = req->svc;
    if (!svc->budgets || req->feature->step != FEATURE_NONE)
        return NEXT; /* the step's own request pays */
    if (intent_resumes(req))
        return NEXT; /* whoever began the run has reserved it, and what a dead process held stays counted */
    int64_t nano = costs_estimate(req, req->feature, req->queue.provider);
    const struct budget_who who = who_of(req);
    if (nano == 0)
        return NEXT;
    budget_reserve(svc->budgets, &req->budget.hold, &who, nano, pipeline_op_done);
    return stage_wait(req, &req->budget.hold.op);
}

enum verdict budget_done(struct request *req)
{
    const struct budget_hold *hold = &req->budget.hold;
    if (hold->op.result == 0)
        return NEXT;
    if (!req->cancelled)
        req->err = hold->err;
    return FAIL;
}
