/* 100 settle: remember the result, then leave the map of running work, then wake the twins, in this order, so
 * that nobody can find neither. After a failure: let go of what is held, and hand the work on. */
#include "base/clock.h"
#include "base/mem.h"
#include "request/child.h"
#include "request/costs.h"
#include "request/flights.h"
#include "request/intent.h"
#include "request/prefetch.h"
#include "request/stage.h"
#include "request/story.h"

/* How the model's picture was shrunk: this request's, or that of its step. */
static void set_sizes(const struct request *req, const struct result *step, struct result *r)
{
    const struct prescaled *out = &req->prescale.out;
    r->prescaled = step ? step->prescaled : out->scaled;
    r->original_width = step ? step->original_width : out->original_width;
    r->original_height = step ? step->original_height : out->original_height;
    r->prescaled_width = step ? step->prescaled_width : out->info.width;
    r->prescaled_height = step ? step->prescaled_height : out->info.height;
}

static void take_prediction(const struct request *req, struct result *r)
{
    const struct prediction *p = req->run.prediction;
    r->output_count = p->output_count;
    for (unsigned i = 0; i < p->output_count; i++) {
        r->output[i].key = mem_strdup(req->store.key ? req->store.key[i] : "");
        r->output[i].content_type = mem_strdup(prediction_output_mime(&p->output[i]));
        r->output[i].bytes = p->output[i].blob->size;
        r->output[i].width = p->output[i].width;
        r->output[i].height = p->output[i].height;
    }
    r->model = mem_strdup(p->model);
    r->version = *p->version ? mem_strdup(p->version) : NULL;
    const struct result *step = req->run.child ? child_result(req->run.child) : NULL;
    r->ran_on = mem_strdup(step ? step->ran_on : req->queue.provider->ops->name);
    r->degraded = step ? step->degraded : req->queue.degraded;
    r->network = p->network ? mem_strdup(p->network) : NULL;
    r->reason = *p->reason ? mem_strdup(p->reason) : NULL;
    r->detail = p->detail ? mem_strdup(p->detail) : NULL;
    set_sizes(req, step, r);
}

static struct result *make_result(const struct request *req)
{
    struct result *r = result_new();
    r->feature = (uint8_t)(req->feature->id + 1);
    if (req->run.story)
        story_fill(req, r);
    else
        take_prediction(req, r);
    r->run_ns = request_stage_ns(req, STAGE_RUN);
    r->cost_nano = costs_of_request(req);
    return r;
}

/* Under each key that leads to it. */
static void put(const struct request *req, struct result *r, uint64_t ttl_ms)
{
    uint64_t now = loop_now_ns(req->svc->loop);
    cache_put(req->svc->cache, req->validate.key, r, now, ttl_ms);
    if (req->prescale.has_pixels && !req->lookup.by_pixels)
        cache_put(req->svc->cache, req->prescale.pixels, r, now, ttl_ms);
}

/* Others wait for this one, on other gateways. */
static bool has_lease(const struct request *req)
{
    return req->shared.claim && req->shared.claim->claims;
}

/* One of those may take over, unless it lies in the upload or money may have been spent: as for the twins
 * here. */
static void give_up_lease(const struct request *req)
{
    bool all =
        req->err.code != ERR_CLIENT_GONE && (err_row(req->err.code)->cause == CAUSE_CLIENT || req->spent);
    claim_give_up(req->shared.claim, all ? &req->err : NULL);
}

/* To the other gateways. */
static void share(const struct request *req, struct result *r, uint64_t ttl_ms)
{
    if (has_lease(req))
        claim_settle(req->shared.claim, r, ttl_ms);
    else if (shared_is_up(req->svc->shared))
        shared_put(req->svc->shared, req->validate.key, r, ttl_ms);
}

/* What only a fallback could give is not kept for long: the real thing may be back soon. */
static void remember(struct request *req)
{
    const struct options *opt = req->svc->opt;
    struct result *r = req->settle.result;
    r->made_ms = clock_wall_ms();
    if (!request_shares(req) || cache_max_size(req->svc->cache) == 0)
        return;
    r->keep_ms = (uint64_t)opt->cache_ttl_ms;
    if (r->degraded)
        r->keep_ms = MIN(r->keep_ms, (uint64_t)opt->degraded_ttl_ms);
    prefetch_made(req, r);
    put(req, r, r->keep_ms);
    req->settle.stored = r->keep_ms > 0;
    share(req, r, r->keep_ms);
}

enum verdict settle_enter(struct request *req)
{
    queue_let_go(req);
    budget_settle(&req->budget.hold, 0);  /* still held: the run did not begin */
    struct result *hit = req->lookup.hit; /* found after it began to lead: by its pixels */
    bool ok = req->err.code == ERR_NONE;
    if (hit) {
        uint64_t left_ms = result_left_ms(hit, clock_wall_ms());
        put(req, hit, left_ms);
        share(req, hit, left_ms);
    } else if (ok) {
        req->settle.result = make_result(req);
        remember(req);
    } else if (has_lease(req)) {
        give_up_lease(req);
    }
    intent_over(req);
    if (req->join.leads)
        flights_settle(req->svc->flights, req, hit ? hit : req->settle.result, ok ? NULL : &req->err);
    return NEXT;
}
