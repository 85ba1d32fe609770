/* A job's way: it waits for its turn among those of its class, then a request of its own goes through all
 * stages, as if a client had sent it; its answer is the job's outcome.
 *
 * Failure modes: it waits longer than JOB_QUEUE_TIMEOUT_S: it has failed, and nothing was paid. Cancelled
 * while it waits: likewise. Cancelled while it is worked on: the model is stopped if nobody else waits for
 * the same, and what it has cost is told; what is being stored already is finished for the cache, but the job
 * is canceled. The process goes down: the row stays as it is, and the next start takes it up. Invariants: a
 * job that has begun and is not over waits for its slot, or has it and a request, or its end is being
 * written; nobody is told of an end, and its pictures stay, until a next process would know it, too; one that
 * is to be canceled ends in no other way.
 *
 * An open row may say one of two things about that. The wish: it is to be canceled, and stands as it stood
 * until it is. That it has left: it is canceled for all who ask, whatever comes of the run, which goes on for
 * others. A next process that finds it so shows it as canceled from the first moment, and only finds its run
 * and stops it. One of the two is being written at a time, so that what was written is known. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/batch.h"
#include "jobs/callbacks.h"
#include "jobs/job.h"
#include "limiter/key_weights.h"
#include "metrics/metrics.h"
#include "request/costs.h"
#include "request/flights.h"
#include "request/request_json.h"
#include "request/stage.h"
#include "request/story.h"

enum { LATE_MS = 1000 };

static uint64_t now_of(const struct job *job)
{
    return loop_now_ns(job->jobs->svc->loop);
}

/* ---- the end ---- */

void job_wake(struct job *job)
{
    struct list *node;
    while ((node = list_pop_front(&job->waiters))) {
        struct job_waiter *w = CONTAINER_OF(node, struct job_waiter, node);
        w->over(w);
    }
}

static void tell_journal(const struct job *job)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 256 << 10);
    const struct job_outcome *o = &job->outcome;
    struct journal *journal = job->jobs->svc->journal;
    if (job->kind == JOURNAL_REQUEST && o->err.code != ERR_UNKNOWN_OUTCOME) {
        journal_remove(journal, job->id);
        return;
    }
    bool good = o->result || job->batch;
    if (job->batch)
        job_batch_counts_json(job, &text);
    else if (o->result)
        job_outcome_json(job, &text);
    else
        job_error_json(&o->err, job_is_over(job) ? job->ended_ms : 0, &text);
    if (job->feature->work == WORK_STORY)
        journal_drop_steps(journal, job->id); /* with its end, not before */
    journal_note_state(journal, job->id, job->ending, o->cost_nano, good ? buf_text(&text) : NULL,
                       good ? NULL : buf_text(&text));
    if (job->callback && !job->told_log) /* with its end: it must not be forgotten between the two */
        journal_note_callback(journal, job->id, job->ended_ms, NULL);
}

static void give_back(struct job *job)
{
    if (job->has_slot)
        limiter_release(job->jobs->limiter[job->feature->class]);
    job->has_slot = false;
}

static void drop_pictures(struct job *job)
{
    const struct jobs *j = job->jobs;
    for (unsigned i = 0; i < job->picture_count; i++)
        if (job_keeps(job, i))
            inputs_drop(j->inputs, job->picture[i].digest);
    job_forget_pictures(job);
    batch_pictures_drop(&job->pictures);
    if (job->batch)
        job_batch_slim(job);
    else
        free(TAKE(job->request)); /* of many that are over, only how they ended is kept */
}

static void tell(struct job *job)
{
    static const unsigned values[] = {[JOURNAL_COMPLETED] = V_JOB_COMPLETED,
                                      [JOURNAL_FAILED] = V_JOB_FAILED,
                                      [JOURNAL_CANCELED] = V_JOB_CANCELED};
    job->jobs->running -= job->state == JOURNAL_RUNNING;
    cells_add(metrics_cells(job->jobs->svc->metrics), M_JOBS_OVER, values[job->ending], 1);
    job->state = job->ending;
    job_events_add(job, job_state_name(job));
    job_wake(job);
    if (job->parent)
        job_batch_child_over(job);
    callback_begin(job);
    job_retire(job);
}

/* Into its open row, for the next process: the wish, or that it has left. */
static void note_canceled(const struct job *job)
{
    BUF_ON_EXIT struct buf text;
    struct error e;
    buf_init(&text, 1024);
    error_set(&e, ERR_CANCELED, "%s", "");
    job_error_json(&e, job->leaving ? job->ended_ms : 0, &text);
    journal_note_state(job->jobs->svc->journal, job->id, job->state,
                       job->leaving ? job->outcome.cost_nano : -1, NULL, buf_text(&text));
}

static void leave(struct job *job)
{
    job->leaving = true;
    note_canceled(job);
}

void job_end(struct job *job, enum journal_state state)
{
    bool told = job_has_left(job);
    CHECK(told || (!job_is_over(job) && !job->ending && state >= JOURNAL_COMPLETED));
    timer_disarm(job->jobs->svc->loop, &job->patience);
    timer_disarm(job->jobs->svc->loop, &job->late);
    give_back(job);
    if (!told) {
        job->ending = state;
        job->ended_ms = (int64_t)clock_wall_ms();
    }
    if (!job->untold)
        tell_journal(job);
    else if (!told && !job->wishing)
        leave(job);
}

void job_written(struct job *job, bool over)
{
    bool wish = job->wishing && !over;
    job->wishing = false;
    job->written |= over;
    if (!job_is_over(job) && (over || job->leaving))
        tell(job);
    else if (wish && job->untold)
        leave(job);
    if (over)
        drop_pictures(job);
}

bool job_has_left(const struct job *job)
{
    return job_is_over(job) && job->ending && !job->written;
}

void job_pin(struct job *job)
{
    job->pins++;
}

void job_unpin(struct job *job)
{
    CHECK(job->pins > 0);
    if (--job->pins > 0 || !job->untold)
        return;
    job->untold = false;
    tell_journal(job);
}

/* It ends before a request was made for it: that would have been counted. Of one that has left nothing else
 * is told any more. */
static void end_unworked(struct job *job, enum err code, const char *why)
{
    const struct services *svc = job->jobs->svc;
    int64_t waited_ms = MAX((int64_t)clock_wall_ms() - job->created_ms, 0);
    metrics_finished(svc->metrics, job->feature, OUTCOME_ERROR, (uint64_t)waited_ms * NS_PER_MS);
    if (!job_has_left(job))
        error_set(&job->outcome.err, job->canceling ? ERR_CANCELED : code, "%s", why);
    job_end(job, job->canceling ? JOURNAL_CANCELED : JOURNAL_FAILED);
}

/* ---- its request's client ---- */

static void nothing_to_do(struct request *req)
{
    (void)req;
}

static void moved(struct request *req)
{
    struct job *job = req->client_state;
    if (job_is_over(job))
        return;
    if (req->at == STAGE_RUN && job->state == JOURNAL_QUEUED) {
        job->state = JOURNAL_RUNNING;
        job->jobs->running++;
        job->started_ms = (int64_t)clock_wall_ms();
        journal_note_state(job->jobs->svc->journal, job->id, JOURNAL_RUNNING, -1, NULL, NULL);
        job_events_add(job, "started");
    } else {
        job_events_add(job, "progress");
    }
}

static void progress(struct request *req, unsigned done, unsigned total)
{
    struct job *job = req->client_state;
    if (job_is_over(job) || (job->done == done && job->total == total))
        return;
    job->done = done;
    job->total = total;
    job_events_add(job, "progress");
}

static char *meta_of(const struct request *req, const struct result *r)
{
    struct buf text;
    buf_init(&text, 64 << 10);
    answer_meta(&text, req, r);
    return text.failed ? (buf_release(&text), mem_strdup("{}")) : text.data;
}

static enum journal_state take_outcome(struct job *job, struct request *req)
{
    struct job_outcome *o = &job->outcome;
    const struct result *r = request_result(req);
    bool shared = req->lookup.hit || req->join.collapsed;
    o->cost_nano = shared ? 0 : costs_of_request(req);
    const struct provider *p = req->queue.provider;
    o->billed = !shared &&
                (o->cost_nano > 0 || (req->spent && (p ? p->ops->bills : story_is_billed(req->run.story))));
    if (r && !job->canceling && job->feature->keep == KEEP_NEVER)
        return JOURNAL_COMPLETED; /* a part of what nobody waits for any more: there is nothing to be had */
    if (r && !job->canceling) {
        o->result = result_ref((struct result *)r);
        o->meta = meta_of(req, r);
        o->how = answer_links_of(req, r);
        return JOURNAL_COMPLETED;
    }
    o->err = req->err;
    if (o->err.code == ERR_NONE || job->canceling)
        error_set(&o->err, ERR_CANCELED, "%s", "");
    return job->canceling ? JOURNAL_CANCELED : JOURNAL_FAILED;
}

static void answered(struct request *req)
{
    struct job *job = req->client_state;
    job->req = NULL;
    /* Canceled, but others wait for the same: the row stays open as long as its run may be lost. */
    job->untold = req->at != STAGE_RESPOND;
    job_end(job, job_has_left(job) ? JOURNAL_CANCELED : take_outcome(job, req));
}

static const struct client_ops job_client = {
    .suspend = nothing_to_do,
    .watch = nothing_to_do,
    .answer = answered,
    .progress = progress,
    .moved = moved,
};

/* ---- its request ---- */

/* A picture that was named and is not kept here is looked for as in any request. */
static int open_pictures(struct job *job, struct request *req)
{
    int r = 0;
    for (unsigned i = 0; i < job->picture_count && r == 0; i++) {
        if (!job_has_picture(job, i) || job->kind != JOURNAL_JOB)
            continue;
        r = inputs_open(job->jobs->inputs, job->picture[i].digest, &req->receive.body[i], &req->err);
        if (r == 0)
            req->receive.digest[i] = NULL;
        else if (r == -ERR_NOT_FOUND)
            r = 0, req->err = (struct error){0}; /* it lies with another gateway; perhaps it is not needed */
    }
    return r;
}

/* Only where a run may have been paid for there is something to take up. */
static struct run_resume *resume_of(const struct job *job, struct request *req)
{
    if (!job->provider)
        return NULL;
    struct run_resume *r = arena_alloc(&req->arena, sizeof(*r));
    r->provider = arena_strdup(&req->arena, job->provider);
    r->prediction = job->prediction ? arena_strdup(&req->arena, job->prediction) : NULL;
    r->input_url = job->input_url ? arena_strdup(&req->arena, job->input_url) : NULL;
    r->intent_ms = job->intent_ms;
    return r;
}

static void start_request(struct job *job)
{
    struct jobs *j = job->jobs;
    struct request *req = request_new(j->svc, job->feature, job->request_id, &job_client, job, now_of(job));
    req->job = job;
    job_pin(job);
    req->tenant = job->tenant ? arena_strdup(&req->arena, job->tenant) : NULL;
    req->caller = job->caller;
    req->priority = (enum slot_priority)job->priority;
    req->promised = true;
    req->receive.known = true;
    int r = request_from_json(req, job->request, &req->err);
    if (r == 0)
        r = open_pictures(job, req);
    (void)r; /* 010 fails with what err says */
    req->intent.resume = resume_of(job, req);
    req->receive.complete = true;
    job->req = req;
    request_start(req); /* may be over already when this returns */
}

/* ---- its turn ---- */

static void turn_came(struct op *op)
{
    struct job *job = CONTAINER_OF(op, struct job, slot.op);
    timer_disarm(job->jobs->svc->loop, &job->patience);
    job->has_slot = op->result == 0;
    if (job->jobs->stopped) {
        give_back(job);
        return; /* for the next start */
    }
    if (job->has_slot && (!job->canceling || job->provider)) {
        start_request(job);
        return;
    }
    end_unworked(job, ERR_DEADLINE,
                 job->canceling ? "It was canceled before it began"
                                : "It waited for its turn longer than JOB_QUEUE_TIMEOUT_S");
}

static void patience_over(struct timer *t)
{
    op_cancel(&CONTAINER_OF(t, struct job, patience)->slot.op);
}

static void stop(struct job *job);

static void late(struct timer *t)
{
    stop(CONTAINER_OF(t, struct job, late));
}

/* Its run may be another job's too: that has to find it first, as it did when the wish was made. */
static void stop_later(struct job *job)
{
    struct loop *loop = job->jobs->svc->loop;
    if (job->late.slot == 0)
        timer_arm(loop, &job->late, loop_now_ns(loop) + LATE_MS * NS_PER_MS, late);
}

void job_begin(struct job *job)
{
    struct jobs *j = job->jobs;
    job->begun = true;
    if (job_has_left(job)) {
        callback_begin(job);
        job_retire(job);
    } else {
        job_events_add(job, "queued");
    }
    if (job->kind == JOURNAL_BATCH) {
        job_batch_begin(job);
        return;
    }
    if (job->canceling && job->provider) {
        stop_later(job);
    } else if (job->canceling) { /* an earlier process did not come to it */
        end_unworked(job, ERR_CANCELED, "");
        return;
    }
    if (j->stopped)
        return;
    job->slot.asker = (struct slot_asker){.key = job->caller,
                                          .weight = key_weight(j->svc->weights, job->tenant),
                                          .priority = (enum slot_priority)job->priority,
                                          .promised = true};
    if (limiter_acquire(j->limiter[job->feature->class], &job->slot, turn_came) < 0) {
        end_unworked(job, ERR_QUEUE_FULL, "");
        return;
    }
    uint64_t wait_ns = (uint64_t)j->svc->opt->job_queue_timeout_s * NS_PER_S;
    timer_arm(j->svc->loop, &job->patience, now_of(job) + wait_ns, patience_over);
}

/* ---- cancelling ---- */

static bool may_be_stopped(const struct request *req)
{
    bool followed = req->join.leads && flight_has_followers(req->join.flight);
    return !followed && stages[req->at].leave != LEAVE_FINISHES;
}

bool job_may_cancel(const struct job *job)
{
    return !job->jobs->stopped || job->req || job_is_over(job);
}

/* What an earlier process has begun is found first. */
static void stop(struct job *job)
{
    if (job->batch) {
        job_batch_cancel(job);
    } else if (!job->req) {
        if (job->provider)
            stop_later(job);
        else
            op_cancel(&job->slot.op);
    } else if (!may_be_stopped(job->req)) {
        request_client_left(job->req);
    } else {
        error_set(&job->req->err, ERR_CLIENT_GONE, "%s", "");
        request_cancel(job->req);
    }
}

void job_cancel(struct job *job)
{
    if (job_is_over(job) || job->ending || job->canceling)
        return;
    job->canceling = true;
    stop(job);
    if (job->ending)
        return; /* what is being written says more than the wish */
    job->wishing = true;
    note_canceled(job);
}
