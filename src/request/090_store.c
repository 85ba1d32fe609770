/* 090 store: all outputs at once.
 *
 * Happy path: one put an output, started together; the group's op completes when the last of them has.
 * Failure modes: what passes is tried again until the stage's time is nearly over (store.h); the first
 * failure is the group's result, the other puts are cancelled where they can be, and what was stored is
 * removed. */
#include <stdio.h>

#include "base/clock.h"
#include "request/stage.h"

struct put_group {
    struct op op;
    unsigned count, running;
    int result;
    struct request *req;
    struct store_put put[RESULT_OUTPUTS_MAX];
    char key[RESULT_OUTPUTS_MAX][STORE_KEY_MAX + 1];
};

static void cancel_puts(struct op *op)
{
    struct put_group *g = CONTAINER_OF(op, struct put_group, op);
    for (unsigned i = 0; i < g->count; i++)
        op_cancel(&g->put[i].op);
}

static void remove_stored(struct put_group *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        if (g->put[i].op.result < 0)
            continue;
        int r = g->req->svc->store->ops->remove(g->req->svc->store, g->key[i]);
        (void)r; /* best effort: an unlisted object harms nobody */
    }
}

static void put_done(struct op *op)
{
    struct put_group *g = op->owner;
    struct store_put *put = CONTAINER_OF(op, struct store_put, op);
    if (op->result < 0 && g->result == 0) {
        g->result = op->result;
        if (!g->req->cancelled)
            g->req->err = put->err;
        cancel_puts(&g->op);
    }
    if (--g->running > 0)
        return;
    if (g->result < 0)
        remove_stored(g);
    op_complete(&g->op, g->result);
}

static void name_output(struct request *req, const struct prediction_output *out,
                        char ret[static STORE_KEY_MAX + 1])
{
    const char *prefix = params_prefix(&req->validate.params, &req->arena);
    if (*out->file)
        snprintf(ret, STORE_KEY_MAX + 1, "%s/%s/%s", prefix, req->run.prediction->folder, out->file);
    else
        store_key_make(prefix, clock_wall_s(), image_extension(out->type), ret);
}

enum verdict store_enter(struct request *req)
{
    struct prediction *p = req->run.prediction;
    if (req->run.story || req->feature->keep == KEEP_NEVER)
        return NEXT; /* it is stored already, or a part of what will be */
    struct put_group *g = arena_alloc(&req->arena, sizeof(*g));
    req->store.group = g;
    g->req = req;
    g->count = g->running = p->output_count;
    req->store.key = arena_alloc(&req->arena, g->count * sizeof(*req->store.key));
    op_begin(&g->op, req->svc->loop, pipeline_op_done, cancel_puts);
    for (unsigned i = 0; i < g->count; i++) {
        name_output(req, &p->output[i], g->key[i]);
        g->put[i].key = req->store.key[i] = g->key[i];
        g->put[i].content_type = prediction_output_mime(&p->output[i]);
        g->put[i].body = p->output[i].blob;
        g->put[i].limit_ms = stage_time_ms(req->svc->opt->store_timeout_ms);
        g->put[i].op.owner = g;
        store_put_start(req->svc->store, &g->put[i], put_done);
    }
    return stage_wait(req, &g->op);
}

enum verdict store_done(struct request *req)
{
    return req->store.group->op.result == 0 ? NEXT : FAIL;
}
