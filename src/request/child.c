/* Happy path: the child starts on the core thread, crosses like any other, answers, and its answer completes
 * the parent's operation. Failure modes: the parent gives up: the child's client has left, which answers it
 * at once; what the child then still does concerns nobody here. Invariants: answer is called exactly once,
 * and nothing of the parent is touched afterwards. */
#include "request/child.h"

#include <string.h>

#include "request/intent.h"
#include "request/job_desk.h"
#include "request/stage.h"

struct child {
    struct op op;
    struct services *svc;
    struct request *req; /* NULL once answered */
    struct result *result;
    struct blob *blob;
    struct error err;
    bool spent, billed;
    bool part; /* it answers when its run is over, so that what it has cost is known */
    int64_t cost_nano, saved_nano;
    uint8_t key[DIGEST_BYTES]; /* of its result */
};

static void nothing_to_do(struct request *req)
{
}

static void answered(struct request *req)
{
    struct child *c = req->client_state;
    const struct result *r = request_result(req);
    if (r) {
        c->result = result_ref((struct result *)r);
        struct prediction *p = req->run.prediction;
        if (!req->lookup.hit && !req->join.collapsed && p && p->output_count > 0)
            c->blob = blob_ref(p->output[0].blob);
    }
    c->err = req->err;
    c->spent = req->spent;
    c->billed = req->spent && req->queue.provider && req->queue.provider->ops->bills;
    const struct result *given = req->lookup.hit       ? req->lookup.hit
                                 : req->join.collapsed ? req->settle.result
                                                       : NULL;
    c->cost_nano = req->run.cost_nano;
    c->saved_nano = given ? given->cost_nano : req->run.saved_nano;
    memcpy(c->key, req->validate.key, sizeof(c->key));
    c->req = NULL;
    op_complete(&c->op, r ? 0 : -(int)req->err.code);
}

static const struct client_ops child_client = {
    .suspend = nothing_to_do,
    .watch = nothing_to_do,
    .answer = answered,
};

static void cancel(struct op *op)
{
    struct child *c = CONTAINER_OF(op, struct child, op);
    if (!c->req)
        return;
    if (!c->part) {
        request_client_left(c->req);
        return;
    }
    error_set(&c->req->err, ERR_CLIENT_GONE, "%s", "");
    request_cancel(c->req);
}

struct child *child_new(struct request *parent, const struct feature *f)
{
    struct child *c = arena_alloc(&parent->arena, sizeof(*c));
    c->svc = parent->svc;
    c->req = request_new(c->svc, f, parent->id, &child_client, c, loop_now_ns(c->svc->loop));
    c->req->tenant = parent->tenant ? arena_strdup(&c->req->arena, parent->tenant) : NULL;
    c->req->caller = parent->caller;
    c->req->priority = parent->priority;
    c->req->promised = parent->promised;
    c->req->wish = parent->wish;
    c->req->job = parent->job;
    if (parent->job)
        c->svc->desk->hold(parent->job);
    c->req->intent.resume = intent_copy(parent->intent.resume, &c->req->arena);
    c->req->wanted = IMAGE_PNG;
    if (feature_pictures(f) > 0)
        c->req->receive.body[0] = body_ref(request_image(parent));
    c->req->receive.complete = true;
    return c;
}

struct child *child_new_part(struct request *parent, const struct feature *f, const char *name)
{
    struct child *c = child_new(parent, f);
    struct request *req = c->req;
    const struct job_desk *desk = c->svc->desk;
    c->part = req->promised = true;
    if (!parent->job)
        return c;
    req->row = arena_printf(&req->arena, "%s_%s", desk->id(parent->job), name);
    req->intent.resume = intent_copy(desk->resume(parent->job, req->row), &req->arena);
    return c;
}

void child_add_field(struct child *c, const char *name, const char *value)
{
    request_add_field(c->req, name, value);
}

void child_start(struct child *c, op_done_fn *on_done)
{
    op_begin(&c->op, c->svc->loop, on_done, cancel);
    request_start(c->req); /* may be over already when this returns */
}

struct op *child_op(struct child *c)
{
    return &c->op;
}

const struct error *child_error(const struct child *c)
{
    return &c->err;
}

int64_t child_cost(const struct child *c)
{
    return c->cost_nano;
}

int64_t child_saved(const struct child *c)
{
    return c->saved_nano;
}

bool child_spent(const struct child *c)
{
    return c->spent;
}

bool child_billed(const struct child *c)
{
    return c->billed;
}

const struct result *child_result(const struct child *c)
{
    return c->result;
}

struct blob *child_blob(const struct child *c)
{
    return c->blob;
}

void child_forget(struct child *c)
{
    bool was_there = cache_remove(c->svc->cache, c->key);
    shared_remove(c->svc->shared, c->key);
    (void)was_there; /* it may have expired meanwhile */
}

void child_release(struct child *c)
{
    if (!c)
        return;
    blob_unref(TAKE(c->blob));
    result_unref(TAKE(c->result));
}
