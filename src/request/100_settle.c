/* 100 settle: remember the result, then leave the map of running work, then wake the twins, in this order, so
 * that nobody can find neither. After a failure: let go of what is held, and hand the work on. */
#include "base/mem.h"
#include "request/flights.h"
#include "request/stage.h"

static struct result *make_result(const struct request *req)
{
    const struct prediction *p = req->run.prediction;
    struct result *r = result_new();
    r->output_count = p->output_count;
    for (unsigned i = 0; i < p->output_count; i++) {
        r->output[i].key = mem_strdup(req->store.key[i]);
        r->output[i].content_type = mem_strdup(image_mime(p->output[i].type));
        r->output[i].bytes = p->output[i].blob->size;
        r->output[i].width = p->output[i].width;
        r->output[i].height = p->output[i].height;
    }
    r->model = mem_strdup(p->model);
    r->ran_on = mem_strdup(req->queue.provider->ops->name);
    r->network = p->network ? mem_strdup(p->network) : NULL;
    r->reason = *p->reason ? mem_strdup(p->reason) : NULL;
    r->prescaled = req->prescale.out.scaled;
    r->original_width = req->prescale.out.original_width;
    r->original_height = req->prescale.out.original_height;
    r->prescaled_width = req->prescale.out.info.width;
    r->prescaled_height = req->prescale.out.info.height;
    r->run_ns = request_stage_ns(req, STAGE_RUN);
    return r;
}

enum verdict settle_enter(struct request *req)
{
    if (req->queue.limiter)
        limiter_release(TAKE(req->queue.limiter));
    bool ok = req->err.code == ERR_NONE;
    if (ok) {
        req->settle.result = make_result(req);
        cache_put(req->svc->cache, req->validate.key, req->settle.result, loop_now_ns(req->svc->loop));
    }
    if (req->join.leads)
        flights_settle(req->svc->flights, req, req->settle.result, ok ? NULL : &req->err);
    return NEXT;
}
