/* 015 fetch: pictures that came as addresses. Behind the guard: what a caller names is fetched like anything
 * the world could name.
 *
 * Happy path: two at a time, so that what is not yet in a body is never more; each becomes a body like an
 * upload. Failure modes: the first failure is the caller's error, with the field; the others are cancelled or
 * not begun. */
#include "http/client/fetch.h"

#include <stdio.h>

#include "request/pictures.h"
#include "request/stage.h"

enum { RETRIES = 1, AT_ONCE = 2 };

struct picture_fetch {
    struct op op;
    struct request *req;
    struct slot_wait slot;
    struct limiter *limiter; /* a slot of it is held while not NULL */
    unsigned running;
    unsigned next; /* those below have begun, or are not wanted */
    int result;
    struct fetch fetch[IMAGES_MAX];
};

static bool is_wanted(const struct request *req, unsigned i)
{
    return req->receive.url[i] && !req->receive.body[i];
}

static unsigned count_wanted(const struct request *req)
{
    unsigned count = 0;
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        count += is_wanted(req, i);
    return count;
}

bool fetch_wanted(const struct request *req)
{
    return req->err.code == ERR_NONE && count_wanted(req) > 0;
}

unsigned fetch_rounds(const struct request *req)
{
    return MAX((count_wanted(req) + AT_ONCE - 1) / AT_ONCE, 1u);
}

static void cancel_all(struct op *op)
{
    struct picture_fetch *g = CONTAINER_OF(op, struct picture_fetch, op);
    op_cancel(&g->slot.op);
    g->next = IMAGES_MAX;
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        op_cancel(&g->fetch[i].op);
}

/* Whatever went wrong out there is, for this caller, an address that cannot be used. */
static int refuse(struct picture_fetch *g, unsigned i)
{
    struct request *req = g->req;
    const struct error *why = &g->fetch[i].err;
    enum err code = why->code == ERR_PAYLOAD_TOO_LARGE ? ERR_PAYLOAD_TOO_LARGE : req->feature->refusal;
    int r = error_set(&req->err, code, "The picture cannot be fetched: %.200s",
                      *why->reason ? why->reason : err_row(why->code)->message);
    feature_blame_picture(req->feature, i, &req->err);
    snprintf(req->err.field, sizeof(req->err.field), "%s", req->receive.url_field[i]);
    return r;
}

/* The others of a list are still to come: in a file if it is large or memory is short. A full disk is no
 * reason to refuse: then it stays in memory and counts there. */
static struct body *keep_one_of_list(struct spool *s, struct blob *bytes)
{
    struct error ignored;
    struct body *b = body_new(s, bytes->size);
    if (body_append(b, bytes->data, bytes->size, &ignored) < 0) {
        body_unref(b);
        return body_from_blob(s, bytes);
    }
    body_finish(b);
    return b;
}

static struct body *keep(const struct request *req, struct blob *bytes)
{
    struct spool *s = req->svc->spool;
    return feature_picture_list(req->feature) ? keep_one_of_list(s, bytes) : body_from_blob(s, bytes);
}

static void take(struct picture_fetch *g, unsigned i)
{
    struct fetch *f = &g->fetch[i];
    struct request *req = g->req;
    if (f->op.result == 0) {
        req->receive.body[i] = keep(req, f->bytes);
    } else if (g->result == 0 && !req->cancelled) {
        g->result = refuse(g, i);
    } else if (g->result == 0) {
        g->result = f->op.result;
    }
    fetch_release(f);
}

static void one_done(struct op *op);

static void start(struct picture_fetch *g, unsigned i)
{
    struct request *req = g->req;
    const struct options *opt = req->svc->opt;
    struct fetch *f = &g->fetch[i];
    f->op.owner = g;
    f->url = req->receive.url[i];
    f->max_bytes = (uint64_t)opt->upload_max_bytes;
    f->timeout_ms = stage_time_ms(opt->fetch_timeout_ms);
    f->retries = RETRIES;
    f->redirects_max = (unsigned)opt->fetch_redirects_max;
    fetch_start(req->svc->fetch, req->svc->loop, f, one_done);
}

static void start_next(struct picture_fetch *g)
{
    for (; g->running < AT_ONCE && g->next < IMAGES_MAX; g->next++)
        if (is_wanted(g->req, g->next)) {
            g->running++;
            start(g, g->next);
        }
}

static void one_done(struct op *op)
{
    struct picture_fetch *g = op->owner;
    take(g, (unsigned)(CONTAINER_OF(op, struct fetch, op) - g->fetch));
    if (g->result < 0)
        cancel_all(&g->op);
    g->running--;
    start_next(g);
    if (g->running > 0)
        return;
    limiter_release(TAKE(g->limiter));
    op_complete(&g->op, g->result);
}

static void refuse_place(struct request *req)
{
    if (req->err.code != ERR_NONE)
        return;
    error_set(&req->err, ERR_QUEUE_FULL, "Too many pictures wait to be fetched");
    req->err.retry_after_s = 1;
}

static void slot_done(struct op *op)
{
    struct picture_fetch *g = op->owner;
    if (op->result < 0) {
        if (op->result == -ERR_QUEUE_FULL)
            refuse_place(g->req);
        op_complete(&g->op, op->result);
        return;
    }
    g->limiter = g->slot.limiter;
    start_next(g);
}

/* What the fields already forbid is not fetched for; nor is what they make needless. */
static int check_fields(struct request *req)
{
    unsigned count = feature_pictures(req->feature);
    int r = validate_fields(req);
    if (r == 0)
        r = params_check(&req->validate.params, &req->err);
    if (r == 0)
        r = validate_counts(req);
    for (unsigned i = 0; i < count && r == 0; i++)
        if (!params_match(&req->validate.params, feature_picture(req->feature, i)->when))
            req->receive.url[i] = NULL;
    return r;
}

enum verdict fetch_enter(struct request *req)
{
    if (!fetch_wanted(req))
        return NEXT;
    if (check_fields(req) < 0)
        return FAIL;
    if (!fetch_wanted(req))
        return NEXT;
    struct picture_fetch *g = arena_alloc(&req->arena, sizeof(*g));
    g->req = req;
    g->slot.op.owner = g;
    g->slot.asker = queue_asker(req);
    if (limiter_acquire(req->svc->fetch_limiter, &g->slot, slot_done) < 0) {
        refuse_place(req);
        return FAIL;
    }
    req->fetch.pictures = g;
    op_begin(&g->op, req->svc->loop, pipeline_op_done, cancel_all);
    return stage_wait(req, &g->op);
}

enum verdict fetch_done(struct request *req)
{
    return req->fetch.pictures->op.result == 0 ? NEXT : FAIL;
}
