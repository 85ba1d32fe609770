/* 060 queue: pick the limiter and wait fairly for a slot. Whoever waits here holds no image in memory. */
#include "metrics/metrics.h"
#include "request/stage.h"

static struct limiter *limiter_of(const struct request *req)
{
    if (req->svc->provider->ops->own_limiter)
        return req->svc->local_limiter;
    return req->svc->class_limiter[req->feature->class];
}

bool queue_is_busy(const struct request *req)
{
    const struct limiter *limiter = limiter_of(req);
    return limiter->running == limiter->slots;
}

/* A full disk is no reason to refuse: then the bytes stay in memory and count there. */
static void put_down(struct body *body)
{
    struct error ignored;
    int r = body_spool(body, &ignored);
    (void)r;
}

void queue_put_down(struct request *req)
{
    put_down(req->receive.body);
    put_down(req->prescale.input);
}

enum verdict queue_enter(struct request *req)
{
    struct provider *provider = req->svc->provider;
    if (provider->ops->available(provider, req->feature, &req->err) < 0)
        return FAIL;
    req->queue.provider = provider;
    struct limiter *limiter = limiter_of(req);
    if (limiter_acquire(limiter, &req->queue.wait, pipeline_op_done) < 0) {
        error_set(&req->err, ERR_QUEUE_FULL, "%zu requests of class \"%s\" wait already", limiter->waiting,
                  limiter->name);
        req->err.retry_after_s =
            limiter_retry_after_s(limiter, metrics_typical_ns(req->svc->metrics, req->feature));
        return FAIL;
    }
    if (list_linked(&req->queue.wait.node)) /* no slot yet; mostly it is in files already */
        queue_put_down(req);
    return stage_wait(req, &req->queue.wait.op);
}

enum verdict queue_done(struct request *req)
{
    if (req->queue.wait.op.result < 0)
        return FAIL; /* err says who cancelled the wait */
    req->queue.limiter = req->queue.wait.limiter;
    return NEXT;
}
