/* One prediction: a small machine of named states.
 *
 * Happy path: the picture is made ready (inline, or put at an address), a place in the account's bucket is
 * waited for, CREATE posts with Prefer: wait and mostly has the result in its answer; else POLL asks until it
 * is there. Where the result is read the prediction completes; what was put somewhere is then removed.
 * Failure modes: the table of run_call_problem's advice; a create that may have been received is never
 * repeated before LOOK_UP has seen that it made nothing, and UNKNOWN_OUTCOME is the end where that cannot be
 * seen. A cancel means what the table below says.
 * Invariants: between calls of ours exactly one thing is under way: a call, a put, a question to the bucket,
 * or the timer; run_go, run_pause and run_fail are the last thing a function does, as they may free the run;
 * `paid` is true from the moment a create may go out until the server says that nothing has begun. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/backoff.h"
#include "predict/replicate_run.h"

enum stop { STOP_ENDS, STOP_NOTED, STOP_ASKS };

static void resolve_enter(struct replicate_run *run);
static void resolve_done(struct replicate_run *run);
static void delete_file_enter(struct replicate_run *run);
static void delete_file_done(struct replicate_run *run);

/* What a cancel means while the state is still ahead, and while its call is under way. ENDS: nothing runs for
 * us, so it is over at once; NOTED: first it must be known what runs; ASKS: the server is asked to stop. */
static const struct state {
    const char *name;
    enum stop ahead, inside;
    void (*enter)(struct replicate_run *run); /* starts a call or a put, or goes elsewhere */
    void (*done)(struct replicate_run *run);  /* it is over */
} states[RUN_STATES] = {
    [RUN_STORE_INPUT] = {"store_input", STOP_ENDS, STOP_ENDS, store_input_enter, store_input_done},
    [RUN_SEND_FILE] = {"send_file", STOP_ENDS, STOP_ENDS, send_file_enter, send_file_done},
    [RUN_RESOLVE] = {"resolve", STOP_ENDS, STOP_ENDS, resolve_enter, resolve_done},
    [RUN_ADMIT] = {"admit", STOP_ENDS, STOP_ENDS, admit_enter, admit_done},
    [RUN_CREATE] = {"create", STOP_ENDS, STOP_NOTED, create_enter, create_done},
    [RUN_LOOK_UP] = {"look_up", STOP_NOTED, STOP_NOTED, look_up_enter, look_up_done},
    [RUN_POLL] = {"poll", STOP_ASKS, STOP_ASKS, poll_enter, poll_done},
    [RUN_CANCEL] = {"cancel", STOP_NOTED, STOP_NOTED, cancel_enter, cancel_done},
    [RUN_LAST_LOOK] = {"last_look", STOP_NOTED, STOP_NOTED, last_look_enter, last_look_done},
    [RUN_DELETE_FILE] = {"delete_file", STOP_NOTED, STOP_NOTED, delete_file_enter, delete_file_done},
};

static uint64_t now_of(const struct replicate_run *run)
{
    return loop_now_ns(run->self->config.loop);
}

/* ---- the end ---- */

static void run_free(struct replicate_run *run)
{
    list_remove(&run->node);
    run->self->run_count--;
    replicate_raw_leave(run);
    http_call_release(&run->call);
    blob_unref(run->body);
    run_picture_sent(run);
    blob_unref(run->hook);
    buf_release(&run->image_url);
    free(run->url);
    free(run);
}

static void leave_breakers(struct replicate_run *run, int result)
{
    struct replicate *self = run->self;
    enum breaker_verdict verdict = result == 0 ? BREAKER_GOOD : run->failing ? BREAKER_BAD : BREAKER_NEITHER;
    if (run->model != BREAKER_REFUSED && breaker_leave(run->breaker, run->model, verdict, now_of(run))) {
        metrics_count(self->metrics, run->prediction->feature, PROVIDER_BREAKERS_OPENED, 1);
        replicate_notice(self, "model switched off", run->prediction->model, run->prediction->err.reason);
    }
    if (run->account != BREAKER_REFUSED)
        breaker_leave(&self->account, run->account, BREAKER_NEITHER, now_of(run));
}

static enum provider_count outcome_of(int result)
{
    switch ((enum err) - result) {
    case ERR_NONE:
        return PROVIDER_SUCCEEDED;
    case ERR_CLIENT_GONE:
        return PROVIDER_CANCELED;
    case ERR_UNKNOWN_OUTCOME:
        return PROVIDER_UNKNOWN;
    case ERR_PROVIDER_UNAVAILABLE:
        return PROVIDER_UNAVAILABLE;
    default:
        return PROVIDER_FAILED;
    }
}

/* The prediction completes; a file that was sent is still to be deleted. */
void run_finish(struct replicate_run *run, int result)
{
    struct prediction *p = run->prediction;
    leave_breakers(run, result);
    metrics_count(run->self->metrics, p->feature, outcome_of(result), 1);
    run_picture_forget(run);
    p->driver = NULL;
    run->prediction = NULL;
    op_complete(&p->op, result);
    run->stop = ERR_NONE;
    if (run->file_id[0])
        run_go(run, RUN_DELETE_FILE);
    else
        run_free(run);
}

void run_fail(struct replicate_run *run, const struct error *e)
{
    run->prediction->err = *e;
    run_finish(run, -(int)e->code);
}

void run_stopped(struct replicate_run *run)
{
    struct error e;
    error_set(&e, run->stop, "%s", run->stop == ERR_DEADLINE ? "The model did not finish in time" : "");
    run_fail(run, &e);
}

/* ---- moving ---- */

static void enter(struct replicate_run *run, enum run_at at)
{
    run->at = at;
    run->pausing = false;
    states[at].enter(run);
}

/* Tells what is new; whoever hears it may cancel. true: that led elsewhere. */
static bool diverted(struct replicate_run *run, enum run_at next)
{
    struct prediction *p = run->prediction;
    if (!p)
        return false; /* clean-up */
    if (run->news && p->on_progress) {
        run->telling = true;
        p->on_progress(p);
        run->telling = false;
    }
    run->news = false;
    if (run->stop == ERR_NONE || states[next].ahead == STOP_NOTED)
        return false;
    if (states[next].ahead == STOP_ENDS)
        run_stopped(run);
    else
        enter(run, RUN_CANCEL);
    return true;
}

/* Who hears it may cancel: that is seen to at the next step. */
void run_note(struct replicate_run *run)
{
    struct prediction *p = run->prediction;
    if (!p || !p->on_note)
        return;
    bool telling = run->telling;
    run->telling = true;
    p->remote_input = run->by_url ? buf_text(&run->image_url) : NULL;
    p->on_note(p);
    p->remote_input = NULL;
    run->telling = telling;
}

void run_go(struct replicate_run *run, enum run_at next)
{
    if (!diverted(run, next))
        enter(run, next);
}

static void pause_over(struct timer *t)
{
    struct replicate_run *run = CONTAINER_OF(t, struct replicate_run, timer);
    run_go(run, run->at);
}

void run_pause_until(struct replicate_run *run, uint64_t at_ns, enum run_at next)
{
    if (diverted(run, next))
        return;
    run->at = next;
    run->pausing = true;
    timer_arm(run->self->config.loop, &run->timer, at_ns, pause_over);
}

void run_pause(struct replicate_run *run, uint64_t wait_ns, enum run_at next, const struct error *e)
{
    uint64_t at_ns = now_of(run) + wait_ns;
    if (at_ns >= run->deadline_ns)
        run_fail(run, e);
    else
        run_pause_until(run, at_ns, next);
}

/* In AI_RETRIES. What was refused or came to nothing costs nothing but time, and each reason counts for
 * itself: on a day when much goes wrong a request meets several of them. */
static unsigned tries_factor(enum provider_count why)
{
    switch (why) {
    case PROVIDER_AGAIN_THROTTLED:
        return 3;
    case PROVIDER_AGAIN_SERVER:
        return 2;
    default: /* another provider may serve meanwhile; or it may have cost */
        return 1;
    }
}

unsigned run_tries_left(const struct replicate_run *run, enum provider_count why)
{
    unsigned used = run->tries_why[why - PROVIDER_AGAIN_THROTTLED];
    unsigned most = (unsigned)run->self->config.opt->ai_retries * tries_factor(why);
    return most > used ? most - used : 0;
}

void run_again(struct replicate_run *run, enum run_at next, enum provider_count why, const struct error *e)
{
    struct replicate *self = run->self;
    const struct options *opt = self->config.opt;
    if (run_tries_left(run, why) == 0) {
        run_fail(run, e);
        return;
    }
    unsigned nth = run->tries_why[why - PROVIDER_AGAIN_THROTTLED]++;
    metrics_count(self->metrics, run->prediction->feature, why, 1);
    uint64_t now = now_of(run);
    uint64_t wait_ns = backoff_ns(&self->rng, opt->ai_retry_base_ms, opt->ai_retry_factor, nth);
    wait_ns = MAX(wait_ns, e->retry_after_s * NS_PER_S);
    if (self->bucket.paused_until_ns > now + wait_ns)
        wait_ns = self->bucket.paused_until_ns - now;
    run_pause(run, wait_ns, next, e);
}

static void on_done(struct replicate_run *run, int result)
{
    run_picture_sent(run);
    if (result == -ERR_CLIENT_GONE && run->stop != ERR_NONE && states[run->at].inside != STOP_NOTED)
        run_go(run, run->at); /* it was interrupted */
    else
        states[run->at].done(run);
}

static void call_done(struct op *op)
{
    on_done(CONTAINER_OF(op, struct replicate_run, call.op), op->result);
}

static void put_done(struct op *op)
{
    on_done(CONTAINER_OF(op, struct replicate_run, put.op), op->result);
}

static void ask_done(struct op *op)
{
    on_done(CONTAINER_OF(op, struct replicate_run, ask.op), op->result);
}

void run_call_start(struct replicate_run *run)
{
    http_call_start(run->self->config.pool, &run->call, call_done);
}

void run_put_start(struct replicate_run *run)
{
    store_put_start(run->self->config.store, &run->put, put_done);
}

void run_ask_start(struct replicate_run *run)
{
    shared_bucket_take(run->self->shared_bucket, &run->ask, run->deadline_ns, ask_done);
}

static struct op *under_way(struct replicate_run *run)
{
    return run->at == RUN_STORE_INPUT ? &run->put.op : run->at == RUN_ADMIT ? &run->ask.op : &run->call.op;
}

/* The pipeline asks for an early end. */
static void run_cancel(struct op *op)
{
    struct prediction *p = CONTAINER_OF(op, struct prediction, op);
    struct replicate_run *run = p->driver;
    if (!run || run->stop != ERR_NONE)
        return;
    run->stop = ERR_CLIENT_GONE;
    if (run->telling)
        return;
    if (run->pausing && states[run->at].ahead != STOP_NOTED) {
        timer_disarm(run->self->config.loop, &run->timer);
        run_go(run, run->at);
    } else if (!run->pausing && states[run->at].inside != STOP_NOTED) {
        op_cancel(under_way(run));
    }
}

void replicate_run_give_up(struct replicate_run *run)
{
    CHECK(!run->prediction && run->at == RUN_DELETE_FILE);
    op_cancel(&run->call.op);
}

/* ---- the start ---- */

bool replicate_raw_let_go(struct prediction *p)
{
    struct replicate_run *run = p->driver;
    if (run->at != RUN_POLL)
        return false;
    leave_breakers(run, -ERR_CLIENT_GONE);
    p->driver = NULL;
    run->prediction = NULL;
    op_complete(&p->op, -ERR_CLIENT_GONE);
    run->at = RUN_DELETE_FILE; /* nobody waits any more */
    if (!run->pausing) {
        op_cancel(&run->call.op);
        return true;
    }
    timer_disarm(run->self->config.loop, &run->timer);
    run_free(run);
    return true;
}

static bool resumes(const struct prediction *p)
{
    return (p->resume_id && *p->resume_id) || p->resume_intent_s > 0;
}

/* false: a breaker is open, and the prediction's op completes so. What may have been paid for is asked about
 * whatever rests. */
static bool enter_breakers(struct replicate_run *run)
{
    struct replicate *self = run->self;
    struct prediction *p = run->prediction;
    uint64_t now = now_of(run);
    run->account = run->model = BREAKER_REFUSED;
    if (resumes(p))
        return true;
    run->account = breaker_enter(&self->account, now);
    if (run->account != BREAKER_REFUSED && run->breaker)
        run->model = breaker_enter(run->breaker, now);
    if (run->account != BREAKER_REFUSED && (!run->breaker || run->model != BREAKER_REFUSED))
        return true;
    if (run->account != BREAKER_REFUSED) /* since it was asked whether it is available */
        breaker_leave(&self->account, run->account, BREAKER_NEITHER, now);
    CHECK(replicate_breakers_allow(self, run->breaker, &p->err) < 0);
    op_complete(&p->op, -(int)p->err.code);
    return false;
}

static void aim_at_feature(struct replicate_run *run)
{
    struct replicate *self = run->self;
    const struct prediction *p = run->prediction;
    unsigned slot = replicate_model_slot(p->feature);
    bool kept = now_of(run) < self->version[slot].until_ns;
    replicate_target_init(&run->target, p->feature, kept ? self->version[slot].id : "");
    run->target.wanted = p->wanted;
}

/* By the id that an earlier process knew, or by what it was about to send. */
static void resume(struct replicate_run *run)
{
    struct prediction *p = run->prediction;
    p->paid = true; /* as far as we know */
    if (p->resume_id && replicate_id_ok(p->resume_id)) {
        snprintf(p->remote_id, sizeof(p->remote_id), "%s", p->resume_id);
        run->known_before = p->resume_intent_s > 0;
        run_know(run, p->resume_id);
        run->heard_ns = now_of(run);
        run_go(run, RUN_POLL);
        return;
    }
    if (p->resume_intent_s > 0 && prediction_whole(p)) {
        run_picture_as_it_was(run, p->resume_input_url);
        run_look_up_earlier(run, p->resume_intent_s);
    } else { /* an id that is none */
        const struct error e = {.code = ERR_UNKNOWN_OUTCOME};
        run_fail(run, &e);
    }
}

void replicate_run_start(struct replicate *self, struct prediction *p)
{
    const struct options *opt = self->config.opt;
    uint64_t now = loop_now_ns(self->config.loop);
    op_begin(&p->op, self->config.loop, p->op.on_done, run_cancel);
    struct replicate_run *run = NEW(struct replicate_run);
    run->self = self;
    run->prediction = p;
    if (p->raw)
        replicate_raw_join(run);
    else
        run->breaker = &self->model[replicate_model_slot(p->feature)];
    if (!enter_breakers(run)) {
        replicate_raw_leave(run);
        free(run);
        return;
    }
    p->model = p->raw ? p->raw->model : p->feature->model;
    run->deadline_ns = p->deadline_ns ? p->deadline_ns : now + (uint64_t)opt->run_timeout_ms * NS_PER_MS;
    run->file_expires_s = INT64_MAX;
    p->driver = run;
    list_push_back(&self->runs, &run->node);
    self->run_count++;
    if (!p->raw)
        aim_at_feature(run);
    if (resumes(p))
        resume(run);
    else
        run_go(run, p->raw ? RUN_CREATE : run_picture(run));
}

/* ---- resolve ---- */

static void resolve_enter(struct replicate_run *run)
{
    char path[200];
    snprintf(path, sizeof(path), "/models/%s", run->target.feature->model);
    run_call_prepare(run, "GET", path);
    run_call_start(run);
}

static void resolve_done(struct replicate_run *run)
{
    struct error e;
    if (!run_call_ok(run)) {
        run_call_failed(run, REPLICATE_CALL_OTHER);
        return;
    }
    if (replicate_target_resolve(&run->target, run->call.answer.data, run->call.answer.len, &e) < 0) {
        run_fail(run, &e);
        return;
    }
    replicate_keep_version(run->self, run->target.feature, run->target.version);
    run_go(run, RUN_CREATE);
}

/* ---- clean-up ---- */

static void delete_file_enter(struct replicate_run *run)
{
    char path[REPLICATE_ID_MAX + 16];
    snprintf(path, sizeof(path), "/files/%s", run->file_id);
    run_call_prepare(run, "DELETE", path);
    run_call_start(run);
}

/* It expires by itself if this failed. */
static void delete_file_done(struct replicate_run *run)
{
    run_free(run);
}
