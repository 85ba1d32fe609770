/* 070 run: the prediction. The slot is given back as soon as it is over, however it ended. */
#include "request/stage.h"

static void progress(struct prediction *p)
{
    struct request *req = p->op.owner;
    req->run.done = p->done;
    req->run.total = p->total;
    if (req->client && req->client->progress)
        req->client->progress(req, p->done, p->total);
}

/* A JPEG comes back as JPEG; anything else as PNG, which loses nothing. */
static enum image_type wanted_type(enum image_type upload)
{
    return upload == IMAGE_JPEG ? IMAGE_JPEG : IMAGE_PNG;
}

enum verdict run_enter(struct request *req)
{
    struct blob *input;
    if (body_blob(req->prescale.input, &input, &req->err) < 0)
        return FAIL;
    struct prediction *p = arena_alloc(&req->arena, sizeof(*p));
    p->feature = req->feature;
    p->params = &req->validate.params;
    p->input = input;
    p->info = req->prescale.out.info;
    p->wanted = req->wanted != IMAGE_UNKNOWN ? req->wanted : wanted_type(req->validate.type);
    p->on_progress = progress;
    req->run.prediction = p;
    provider_start(req->queue.provider, p, pipeline_op_done);
    return stage_wait(req, &p->op);
}

enum verdict run_done(struct request *req)
{
    struct prediction *p = req->run.prediction;
    limiter_release(TAKE(req->queue.limiter));
    blob_unref(TAKE(p->input));
    if (p->op.result == 0)
        return NEXT;
    if (!req->cancelled)
        req->err = p->err;
    return FAIL;
}
