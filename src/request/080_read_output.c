/* 080 read output: whatever the provider gave becomes bytes of a known type, under a cap.
 *
 * Happy path: outputs that are addresses are fetched, all at once, and then every output is looked at; for a
 * feature that composes another's result, that result is read. Failure modes: what passes is tried again
 * until the stage's time is nearly over, as the run is paid for; then the first failure ends it, and the
 * other fetches are cancelled. The slot was given back before: nobody waits for a download. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/client/fetch.h"
#include "request/child.h"
#include "request/stage.h"

struct output_fetch {
    struct op op;
    struct request *req;
    unsigned count, running;
    int result;
    uint64_t left; /* bytes that may still come */
    struct fetch fetch[RESULT_OUTPUTS_MAX];
};

static int check_output(struct request *req, struct prediction_output *out)
{
    uint64_t cap = (uint64_t)req->svc->opt->output_max_bytes;
    if (out->blob->size == 0)
        return error_set(&req->err, ERR_UPSTREAM, "The model gave an empty result");
    if (out->blob->size > cap)
        return error_set(&req->err, ERR_UPSTREAM, "The model gave %zu bytes; at most %" PRIu64 " are taken",
                         out->blob->size, cap);
    if (req->feature->work == WORK_WRITER || out->mime)
        return 0;
    out->type = image_sniff(out->blob->data, out->blob->size);
    if (out->type == IMAGE_UNKNOWN)
        return error_set(&req->err, ERR_UPSTREAM, "The model gave something that is not an image");
    return 0;
}

/* Several results lie in memory at once, until they are stored. */
static uint64_t total_max(const struct request *req)
{
    const struct options *opt = req->svc->opt;
    return (uint64_t)(req->run.prediction->output_count > 1 ? opt->output_total_max_bytes
                                                            : opt->output_max_bytes);
}

static uint64_t bytes_here(const struct prediction *p)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < p->output_count; i++)
        bytes += p->output[i].blob ? p->output[i].blob->size : 0;
    return bytes;
}

static enum verdict check_all(struct request *req)
{
    struct prediction *p = req->run.prediction;
    for (unsigned i = 0; i < p->output_count; i++)
        if (check_output(req, &p->output[i]) < 0)
            return FAIL;
    if (req->feature->work == WORK_PHOTOS || bytes_here(p) <= total_max(req)) /* we have made the former */
        return NEXT;
    error_set(&req->err, ERR_UPSTREAM,
              "The model gave %" PRIu64 " bytes in %u results; at most %" PRIu64 " are taken", bytes_here(p),
              p->output_count, total_max(req));
    return FAIL;
}

/* ---- outputs that lie elsewhere ---- */

static void cancel_all(struct op *op)
{
    struct output_fetch *g = CONTAINER_OF(op, struct output_fetch, op);
    for (unsigned i = 0; i < g->count; i++)
        op_cancel(&g->fetch[i].op);
}

static void fail(struct output_fetch *g, const struct fetch *f)
{
    struct request *req = g->req;
    g->result = f->op.result;
    if (req->cancelled)
        return;
    if (f->err.code == ERR_PAYLOAD_TOO_LARGE)
        error_set(&req->err, ERR_UPSTREAM,
                  "The model gave more than %" PRIu64 " bytes in one result, or than %" PRIu64
                  " in all of them; that is the limit",
                  f->max_bytes, total_max(req));
    else
        error_set(&req->err, ERR_UPSTREAM, "The model's result cannot be fetched: %.200s",
                  *f->err.reason ? f->err.reason : err_row(f->err.code)->message);
}

static void one_done(struct op *op)
{
    struct output_fetch *g = op->owner;
    struct fetch *f = CONTAINER_OF(op, struct fetch, op);
    struct prediction_output *out = &g->req->run.prediction->output[f - g->fetch];
    if (op->result == 0) {
        out->blob = TAKE(f->bytes);
        free(TAKE(out->url));
    } else if (g->result == 0) {
        fail(g, f);
        cancel_all(&g->op);
    }
    fetch_release(f);
    if (--g->running == 0)
        op_complete(&g->op, g->result);
}

static enum verdict fetch_outputs(struct request *req, unsigned count)
{
    const struct options *opt = req->svc->opt;
    struct prediction *p = req->run.prediction;
    struct output_fetch *g = arena_alloc(&req->arena, sizeof(*g));
    g->req = req;
    g->count = p->output_count;
    g->running = count;
    g->left = total_max(req) - MIN(bytes_here(p), total_max(req));
    req->read.outputs = g;
    op_begin(&g->op, req->svc->loop, pipeline_op_done, cancel_all);
    for (unsigned i = 0; i < p->output_count; i++) {
        if (!p->output[i].url)
            continue;
        struct fetch *f = &g->fetch[i];
        f->op.owner = g;
        f->url = p->output[i].url;
        f->max_bytes = (uint64_t)opt->output_max_bytes;
        f->bytes_left = &g->left;
        f->timeout_ms = stage_time_ms(opt->read_timeout_ms);
        f->retries = (unsigned)opt->ai_retries;
        f->paid = true;
        f->redirects_max = (unsigned)opt->fetch_redirects_max;
        fetch_start(req->svc->fetch, req->svc->loop, f, one_done);
    }
    return stage_wait(req, &g->op);
}

/* ---- the result of a step ---- */

static void take_step(struct request *req, struct blob *bytes)
{
    const struct result *r = child_result(req->run.child);
    struct prediction *p = arena_alloc(&req->arena, sizeof(*p));
    p->model = arena_strdup(&req->arena, r->model);
    snprintf(p->version, sizeof(p->version), "%s", r->version ? r->version : "");
    p->output[0].blob = bytes;
    p->output_count = 1;
    req->run.prediction = p;
}

/* It is at hand when it was made just now; else it is where it was stored. */
static enum verdict read_step(struct request *req)
{
    struct blob *made = child_blob(req->run.child);
    if (made) {
        take_step(req, blob_ref(made));
        return check_all(req);
    }
    struct store_get *get = arena_alloc(&req->arena, sizeof(*get));
    get->name = child_result(req->run.child)->output[0].key;
    get->max_bytes = (uint64_t)req->svc->opt->output_max_bytes;
    req->read.stored = get;
    store_get_start(req->svc->store, get, pipeline_op_done);
    return stage_wait(req, &get->op);
}

/* Somebody has removed what the cache remembers: the step is done once more. */
static enum verdict step_is_gone(struct request *req)
{
    child_forget(req->run.child);
    if (req->run.repeated) {
        error_set(&req->err, ERR_STORAGE_FAILED, "The cut-out was stored, and is not there any more");
        return FAIL;
    }
    req->run.repeated = true;
    child_release(TAKE(req->run.child));
    req->read.stored = NULL;
    return AGAIN;
}

static enum verdict read_step_done(struct request *req)
{
    struct store_get *get = req->read.stored;
    if (get->op.result == 0) {
        take_step(req, TAKE(get->body));
        return check_all(req);
    }
    if (req->cancelled)
        return FAIL;
    if (get->err.code == ERR_NOT_FOUND)
        return step_is_gone(req);
    req->err = get->err;
    return FAIL;
}

/* ---- the stage ---- */

enum verdict read_output_enter(struct request *req)
{
    if (req->run.child)
        return read_step(req);
    if (req->run.story)
        return NEXT; /* all of it is stored */
    struct prediction *p = req->run.prediction;
    unsigned away = 0;
    for (unsigned i = 0; i < p->output_count; i++)
        away += p->output[i].url != NULL;
    if (p->output_count == 0) {
        error_set(&req->err, ERR_UPSTREAM, "The model gave no result");
        return FAIL;
    }
    return away > 0 ? fetch_outputs(req, away) : check_all(req);
}

enum verdict read_output_done(struct request *req)
{
    if (req->read.stored)
        return read_step_done(req);
    return req->read.outputs->op.result == 0 ? check_all(req) : FAIL;
}
