/* 070 run: the prediction, or, for a feature that composes another's result, the request for that; for one
 * that tells a story, all of it (story.h). The slot is given back as soon as it is over, however it ended. */
#include <stdio.h>

#include "base/clock.h"
#include "request/child.h"
#include "request/costs.h"
#include "request/figures.h"
#include "request/intent.h"
#include "request/pictures.h"
#include "request/prefetch.h"
#include "request/stage.h"
#include "request/story.h"

/* Whatever is told may also mean that nothing is paid any more; then perhaps nobody wants it. */
static void progress(struct prediction *p)
{
    struct request *req = p->op.owner;
    req->run.done = p->done;
    req->run.total = p->total;
    if (req->client && req->client->progress)
        req->client->progress(req, p->done, p->total);
    if (!req->client)
        request_stop_unwanted(req);
}

/* Before anything is lost: what the provider calls the run, and where it finds the picture. */
static void noted(struct prediction *p)
{
    intent_note_run(p->op.owner, p->remote_id, p->remote_input);
}

static enum may_pay may_pay(const struct prediction *p)
{
    return intent_may_pay(p->op.owner);
}

/* Once: a provider that is asked after it has failed begins anew. */
static void take_up(struct request *req, struct prediction *p)
{
    const struct run_resume *r = req->intent.resume;
    if (!intent_resumes(req))
        return;
    p->resume_id = r->prediction;
    p->resume_intent_s = r->intent_ms / 1000;
    p->resume_input_url = r->input_url;
    req->intent.resume = NULL;
}

/* A JPEG comes back as JPEG; anything else as PNG, which loses nothing. */
static enum image_type wanted_type(enum image_type upload)
{
    return upload == IMAGE_JPEG ? IMAGE_JPEG : IMAGE_PNG;
}

static enum verdict run_step(struct request *req)
{
    req->run.child = child_new(req, &features[req->feature->step]);
    child_start(req->run.child, pipeline_op_done);
    return stage_wait(req, child_op(req->run.child));
}

enum verdict run_enter(struct request *req)
{
    if (req->feature->work == WORK_COMPOSE)
        return run_step(req);
    if (req->feature->work == WORK_STORY)
        return stage_wait(req, story_start(req, pipeline_op_done));
    struct blob *input = NULL;
    if (req->prescale.input && body_blob(req->prescale.input, &input, &req->err) < 0)
        return FAIL;
    struct prediction *p = arena_alloc(&req->arena, sizeof(*p));
    p->feature = req->feature;
    p->params = &req->validate.params;
    p->input = input;
    if (pictures_lend(req, p) < 0) {
        blob_unref(TAKE(p->input));
        return FAIL;
    }
    p->info = req->prescale.out.info;
    p->wanted = req->wanted != IMAGE_UNKNOWN ? req->wanted : wanted_type(req->validate.type);
    p->deadline_ns = loop_now_ns(req->svc->loop) + (uint64_t)req->svc->opt->run_timeout_ms * NS_PER_MS;
    p->id = req->id;
    p->on_progress = progress;
    p->on_note = noted;
    p->may_pay = may_pay;
    p->mark = intent_row(req);
    take_up(req, p);
    intent_hold(req);
    req->run.prediction = p;
    p->op.owner = req; /* what is known may be noted inside of the start */
    provider_start(req->queue.provider, p, pipeline_op_done);
    return stage_wait(req, &p->op);
}

/* The provider failed, not the picture: the next one may do better, if somebody asks for it. */
static bool may_fall_back(const struct request *req)
{
    return !req->cancelled && request_wanted(req) && (!req->ahead || prefetch_is_asked_for(req)) &&
           (req->err.code == ERR_UPSTREAM || req->err.code == ERR_PROVIDER_UNAVAILABLE);
}

/* Nothing was paid, as the row may be another gateway's: 067 asks whose it is. */
static bool may_be_lost(const struct request *req)
{
    return !req->cancelled && req->err.code == ERR_DATABASE && intent_may_pay(req) == PAY_NEVER;
}

static enum verdict run_failed(struct request *req)
{
    if (!may_be_lost(req) && (!may_fall_back(req) || !queue_fall_back(req)))
        return FAIL;
    prediction_release(TAKE(req->run.prediction));
    req->err = (struct error){0};
    return AGAIN;
}

static enum verdict step_done(struct request *req)
{
    req->spent |= child_spent(req->run.child);
    if (child_op(req->run.child)->result == 0)
        return NEXT;
    if (req->cancelled)
        return FAIL;
    req->err = *child_error(req->run.child);
    size_t count;
    if (*req->err.field) /* the step's only field is its picture, which has another name here */
        snprintf(req->err.field, sizeof(req->err.field), "%s", feature_images(req->feature, &count)[0].field);
    return FAIL;
}

enum verdict run_done(struct request *req)
{
    queue_let_go(req);
    if (req->run.child)
        return step_done(req);
    if (req->run.story)
        return story_result(req) == 0 ? NEXT : FAIL;
    struct prediction *p = req->run.prediction;
    blob_unref(TAKE(p->input));
    pictures_take_back(p);
    req->spent |= p->paid || p->op.result == 0;
    figures_of_run(req);
    budget_settle(&req->budget.hold, costs_of_run(req));
    if (p->op.result == 0)
        return NEXT;
    if (!req->cancelled)
        req->err = p->err;
    return run_failed(req);
}
