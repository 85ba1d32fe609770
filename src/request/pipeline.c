/* The driver: the only caller of stages.
 *
 * Happy path: a stage returns NEXT and the next one is entered; WAIT arms the stage's limit and returns to
 * whoever called; when the operation completes, the stage's done is called, and so on to the end.
 * Failure modes: FAIL goes to 100 (which lets go of what is held) if the request ever got to the core's part,
 * else straight to 110; a limit that fires cancels the operation and the request then fails with DEADLINE,
 * unless a model run or a put succeeded in spite of that.
 * Invariants: while a request waits, exactly one operation will complete for it (or the body come); done is
 * always called after a wait, so that a stage learns what it holds even if the request is cancelled; 110 and
 * 120 run exactly once. */
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "request/child.h"
#include "request/job_desk.h"
#include "request/stage.h"
#include "request/story.h"

static uint64_t now_of(struct request *req)
{
    return loop_now_ns(req->svc->loop);
}

enum verdict stage_wait(struct request *req, struct op *op)
{
    op->owner = req;
    req->waiting = op;
    return WAIT;
}

static void limit_fired(struct timer *t)
{
    struct request *req = CONTAINER_OF(t, struct request, limit);
    if (!op_running(req->waiting))
        return; /* it ended in time and is about to be resumed */
    error_set(&req->err, ERR_DEADLINE, "The stage \"%s\" took longer than its limit", stages[req->at].name);
    request_cancel(req);
}

static void arm_limit(struct request *req)
{
    const struct stage *stage = &stages[req->at];
    if (stage->limit_offset == 0 || !req->on_core)
        return;
    if (req->at == STAGE_RUN && (req->run.child || req->run.story))
        return; /* requests of their own, each of whose waits is bounded */
    int64_t ms = *(const int64_t *)(const void *)((const char *)req->svc->opt + stage->limit_offset);
    if (req->at == STAGE_FETCH)
        ms *= fetch_rounds(req);
    if (req->promised && req->at < STAGE_RUN) /* it was accepted, or is a part of what was begun */
        ms = MAX(ms, req->svc->opt->job_queue_timeout_s * 1000);
    timer_arm(req->svc->loop, &req->limit, now_of(req) + (uint64_t)ms * NS_PER_MS, limit_fired);
}

/* A stage's verdict, weighed against a cancel that came meanwhile: it stops the request, unless the model ran
 * or the result was stored all the same. That has cost something and is kept. */
static enum verdict weigh(struct request *req, enum verdict v)
{
    if (v == FAIL && req->err.code == ERR_NONE)
        error_set(&req->err, ERR_INTERNAL, "The stage \"%s\" failed without a reason", stages[req->at].name);
    if (v == FAIL && req->err.code == ERR_VALIDATION) /* what it is called on this route */
        req->err.code = req->feature->refusal;
    if (v == ANSWERED)
        return v; /* whoever has left: it is a job now */
    if (v != NEXT || !req->cancelled || req->at >= STAGE_SETTLE)
        return v;
    if (req->at < STAGE_RUN)
        return FAIL;
    req->cancelled = false;
    req->err = (struct error){0};
    return NEXT;
}

/* Where a verdict leads. */
static enum stage_id follow(const struct request *req, enum verdict v)
{
    if (v == ANSWERED)
        return STAGE_RESPOND;
    if (v == HIT)
        return req->join.leads ? STAGE_SETTLE : STAGE_MEASURE;
    if (v == FAIL)
        return req->on_core && req->at < STAGE_SETTLE ? STAGE_SETTLE : STAGE_MEASURE;
    return v == AGAIN ? STAGE_QUEUE : req->at + 1;
}

/* From a stage to where its verdict leads. */
static void move_on(struct request *req, enum verdict v)
{
    v = weigh(req, v);
    req->left_ns[req->at] = now_of(req);
    req->at = follow(req, v);
    if (v != AGAIN)
        return;
    req->run.earlier_ns += request_stage_ns(req, STAGE_RUN);
    req->entered_ns[STAGE_QUEUE] = req->entered_ns[STAGE_BUDGET] = req->entered_ns[STAGE_INTENT] = 0;
    req->entered_ns[STAGE_RUN] = 0;
}

static void request_free(struct request *req);

static void deliver_to_core(struct message *m)
{
    struct request *req = CONTAINER_OF(m, struct request, mail);
    req->on_core = true;
    list_push_back(&req->svc->live, &req->node);
    if (req->client)
        req->client->watch(req);
    request_resume(req);
}

static void cross_to_core(struct request *req)
{
    req->client->suspend(req);
    loop_post(req->svc->loop, &req->mail, deliver_to_core);
}

/* Runs stages from req->at on, until one waits, the request crosses to the core, or is over. */
static void advance(struct request *req)
{
    for (;;) {
        const struct stage *stage = &stages[req->at];
        bool core = stage->on_core || (stage->core_when && stage->core_when(req));
        if (core && !req->on_core) {
            cross_to_core(req);
            return;
        }
        if (req->entered_ns[req->at] == 0)
            req->entered_ns[req->at] = now_of(req);
        enum verdict v = stage->enter(req);
        if (v == WAIT) {
            arm_limit(req);
            if (req->client && req->client->moved)
                req->client->moved(req);
            if (req->cancelled && req->waiting)
                op_cancel(req->waiting); /* the client left before the stage began */
            return;
        }
        if (req->at == STAGE_RESPOND) {
            request_free(req);
            return;
        }
        move_on(req, v);
    }
}

void request_start(struct request *req)
{
    advance(req);
}

void request_resume(struct request *req)
{
    const struct stage *stage = &stages[req->at];
    bool waited = req->entered_ns[req->at] != 0;
    if (waited) {
        timer_disarm(req->svc->loop, &req->limit);
        req->waiting = NULL;
        enum verdict v = stage->done(req);
        CHECK(v != WAIT);
        move_on(req, v);
    }
    advance(req);
}

void pipeline_op_done(struct op *op)
{
    struct request *req = op->owner;
    CHECK(req->waiting == op);
    request_resume(req);
}

struct request *request_new(struct services *svc, const struct feature *f, const char *id,
                            const struct client_ops *client, void *client_state, uint64_t now_ns)
{
    struct request *req = calloc(1, sizeof(*req));
    CHECK(req);
    req->svc = svc;
    arena_init(&req->arena);
    req->feature = f;
    req->id = arena_strdup(&req->arena, id);
    req->client = client;
    req->client_state = client_state;
    req->ask.wait_s = -1;
    req->entered_ns[STAGE_RECEIVE] = now_ns;
    atomic_fetch_add(&svc->open, 1);
    return req;
}

void request_add_field(struct request *req, const char *name, const char *value)
{
    struct field *f = arena_alloc(&req->arena, sizeof(*f));
    f->name = arena_strdup(&req->arena, name);
    f->value = arena_strdup(&req->arena, value);
    f->next = req->receive.fields;
    req->receive.fields = f;
}

struct body *request_image(const struct request *req)
{
    return req->receive.body[0];
}

const struct result *request_result(const struct request *req)
{
    return req->lookup.hit ? req->lookup.hit : req->settle.result;
}

const char *request_tenant(const struct request *req)
{
    return req->svc->opt->cache_shared ? NULL : req->tenant;
}

bool request_shares(const struct request *req)
{
    return params_keep(&req->validate.params) && !req->wish.no_store;
}

uint64_t request_stage_ns(const struct request *req, enum stage_id stage)
{
    uint64_t from = req->entered_ns[stage], to = req->left_ns[stage];
    return from && to > from ? to - from : 0;
}

static void request_free(struct request *req)
{
    CHECK(!req->budget.hold.budgets && !req->join.flight && !req->queue.limiter && !req->waiting &&
          req->limit.slot == 0);
    CHECK(!req->shared.claim || !req->shared.claim->claims);
    list_remove(&req->node);
    if (req->job)
        req->svc->desk->let_go(req->job);
    if (req->accept.ticket)
        req->svc->desk->release(req->svc->desk, req);
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        body_unref(req->receive.body[i]);
    body_unref(req->prescale.input);
    blob_unref(req->prescale.out.image);
    blob_unref(req->compose.made.image);
    result_unref(req->lookup.hit);
    result_unref(req->settle.result);
    if (req->run.prediction)
        prediction_release(req->run.prediction);
    child_release(req->run.child);
    story_free(req->run.story);
    arena_release(&req->arena);
    atomic_fetch_sub(&req->svc->open, 1);
    free(req);
}
