/* Happy path: the pictures become files, then the row is written, then the job is accepted: it waits for its
 * turn, and the ticket is done, or goes on waiting for the job's end if the caller wishes so.
 * Failure modes: no room, a file or a row that cannot be written: the ticket fails, and what was kept is let
 * go of. A row with the same Idempotency-Key: the ticket becomes that job's, if the same was asked for.
 * Invariants: a ticket's job is the ticket's own until it is accepted, and in the map from then on; a ticket
 * that waits is in the job's waiters or has a read of the journal under way. */
#include "jobs/desk.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "metrics/metrics.h"
#include "request/stage.h"
#include "web/links.h"

struct ticket {
    struct job_ticket *of;
    struct request *req;
    struct jobs *jobs;
    struct job *job; /* ours while it is not accepted; of an earlier call with the same key that is not in
                      * memory, a copy */
    bool own, pinned;
    bool replayed; /* it was there before */
    unsigned next_picture;
    struct input_keep keep;
    struct buf row_text;
    struct journal_row row;
    struct journal_write write;
    struct journal_read read;
    struct job_waiter waiter;
    struct timer patience;
};

static struct jobs *jobs_of(struct job_desk *d)
{
    return CONTAINER_OF(d, struct jobs, desk);
}

static void finish(struct ticket *t, int result)
{
    t->of->job = t->job;
    if (t->job && !t->own)
        job_pin(t->job);
    t->pinned = t->job && !t->own;
    op_complete(&t->of->op, result);
}

/* ---- waiting for its end ---- */

static void wait_over(struct ticket *t)
{
    timer_disarm(t->jobs->svc->loop, &t->patience);
    list_remove(&t->waiter.node);
    finish(t, 0);
}

static void job_over(struct job_waiter *w)
{
    wait_over(CONTAINER_OF(w, struct ticket, waiter));
}

static void patience_over(struct timer *timer)
{
    wait_over(CONTAINER_OF(timer, struct ticket, patience));
}

/* Who names a key and no preference waits until it is over. */
static int64_t wait_s(const struct request *req)
{
    if (req->ask.wait_s >= 0)
        return req->ask.wait_s;
    return req->ask.async || req->ask.callback ? 0 : INT64_MAX;
}

static void answer_or_wait(struct ticket *t)
{
    int64_t s = wait_s(t->req);
    struct loop *loop = t->jobs->svc->loop;
    if (s == 0 || !t->req->client || job_is_over(t->job) || t->jobs->stopped) {
        finish(t, 0);
        return;
    }
    t->waiter.over = job_over;
    list_push_back(&t->job->waiters, &t->waiter.node);
    if (s < INT64_MAX)
        timer_arm(loop, &t->patience, loop_now_ns(loop) + (uint64_t)s * NS_PER_S, patience_over);
}

/* ---- an Idempotency-Key that was seen before ---- */

static void count_replay(struct ticket *t)
{
    const struct request *req = t->req;
    uint64_t now = loop_now_ns(req->svc->loop);
    metrics_finished(req->svc->metrics, req->feature, OUTCOME_CACHED, now - req->entered_ns[STAGE_RECEIVE]);
}

static void take_row(struct journal_read *r, const struct journal_row *row)
{
    struct ticket *t = CONTAINER_OF(r, struct ticket, read);
    t->job = job_of_row(t->jobs, row);
    t->own = t->job;
}

static void found(struct op *op)
{
    struct ticket *t = CONTAINER_OF(op, struct ticket, read.op);
    if (op->result == 0 && t->job) {
        count_replay(t);
        finish(t, 0);
        return;
    }
    error_set(&t->of->err, ERR_DATABASE, "What was answered to this Idempotency-Key cannot be read");
    finish(t, -ERR_DATABASE);
}

static void release_pictures(struct ticket *t)
{
    for (unsigned i = 0; i < t->next_picture; i++)
        if (job_has_picture(t->job, i))
            inputs_drop(t->jobs->inputs, t->job->picture[i].digest);
    t->next_picture = 0;
}

static void drop_own(struct ticket *t)
{
    release_pictures(t);
    job_free(TAKE(t->job));
    t->own = false;
}

static void attach(struct ticket *t)
{
    bool same = memcmp(t->write.other_fingerprint, t->job->fingerprint, DIGEST_BYTES) == 0;
    drop_own(t);
    if (!same) {
        finish(t, error_set_field(&t->of->err, ERR_IDEMPOTENCY_MISMATCH, "Idempotency-Key",
                                  "This Idempotency-Key was used for another request"));
        return;
    }
    t->replayed = true;
    t->job = job_find(t->jobs, t->write.other_id);
    if (t->job) {
        count_replay(t);
        answer_or_wait(t);
        return;
    }
    memcpy(t->read.id, t->write.other_id, sizeof(t->read.id));
    t->read.row = take_row;
    journal_find(t->jobs->svc->journal, &t->read, found);
}

/* ---- accepting ---- */

static void written(struct op *op)
{
    struct ticket *t = CONTAINER_OF(op, struct ticket, write.op);
    buf_release(&t->row_text);
    if (op->result == -ERR_IDEMPOTENCY_CONFLICT) {
        attach(t);
        return;
    }
    if (op->result < 0) {
        error_set(&t->of->err, ERR_DATABASE, "The job cannot be written down, so it is not taken");
        journal_remove(t->jobs->svc->journal, t->job->id); /* it may be there all the same */
        drop_own(t);
        finish(t, -ERR_DATABASE);
        return;
    }
    if (accept_lacks_picture(t->req)) { /* there was no earlier answer after all */
        t->of->err = t->req->err;
        t->req->err = (struct error){0};
        journal_remove(t->jobs->svc->journal, t->job->id);
        drop_own(t);
        finish(t, -(int)t->of->err.code);
        return;
    }
    t->own = false;
    job_enter(t->job);
    job_begin(t->job);
    answer_or_wait(t);
}

static void write_row(struct ticket *t)
{
    buf_init(&t->row_text, 128 << 10);
    job_to_row(t->job, &t->row_text, &t->row);
    journal_insert(t->jobs->svc->journal, &t->write, &t->row, written);
}

static void keep_pictures(struct ticket *t);

static void kept(struct op *op)
{
    struct ticket *t = CONTAINER_OF(op, struct ticket, keep.op);
    if (op->result == 0) {
        t->next_picture++;
        keep_pictures(t);
        return;
    }
    t->of->err = t->keep.err;
    drop_own(t);
    finish(t, op->result);
}

static void keep_pictures(struct ticket *t)
{
    while (t->next_picture < t->job->picture_count && !job_has_picture(t->job, t->next_picture))
        t->next_picture++;
    if (t->next_picture == t->job->picture_count) {
        write_row(t);
        return;
    }
    t->keep = (struct input_keep){0};
    inputs_keep(t->jobs->inputs, &t->keep, t->req->receive.body[t->next_picture], kept);
}

static int check_room(const struct jobs *j, struct request *req)
{
    struct error *e = &req->accept.ticket->err;
    if (j->open < (unsigned)j->svc->opt->jobs_max)
        return 0;
    int r = error_set(e, ERR_QUEUE_FULL, "%u jobs are under way or wait already", j->open);
    const struct slot_asker who = queue_asker(req);
    e->retry_after_s = limiter_retry_after_s(j->limiter[req->feature->class], &who,
                                             metrics_typical_ns(j->svc->metrics, req->feature));
    return r;
}

/* Only the wait can be given up: what is being written down goes on. */
static void cancel(struct op *op)
{
    struct job_ticket *of = CONTAINER_OF(op, struct job_ticket, op);
    struct ticket *t = of->state;
    if (list_linked(&t->waiter.node))
        wait_over(t);
}

static const char *base_url(const struct request *req)
{
    return req->client && req->client->base_url ? req->client->base_url((struct request *)req) : "";
}

static void submit(struct job_desk *d, struct request *req, op_done_fn *on_done)
{
    struct jobs *j = jobs_of(d);
    struct job_ticket *of = req->accept.ticket;
    struct ticket *t = arena_alloc(&req->arena, sizeof(*t));
    *t = (struct ticket){.of = of, .req = req, .jobs = j};
    of->state = t;
    op_begin(&of->op, j->svc->loop, on_done, cancel);
    int r = check_room(j, req);
    if (r == 0 && !(t->job = job_of_request(j, req, base_url(req)))) {
        of->err = req->err;
        r = -(int)req->err.code;
    }
    if (r < 0 || !t->job) {
        finish(t, r);
        return;
    }
    t->own = true;
    keep_pictures(t);
}

static void release(struct job_desk *d, struct request *req)
{
    struct ticket *t = req->accept.ticket->state;
    (void)d;
    if (t && t->own && t->job)
        job_free(t->job);
    else if (t && t->pinned)
        job_unpin(t->job);
}

/* ---- the answer ---- */

static struct reply *accepted(const struct request *req, const struct job *job, const char *base)
{
    struct reply *r = job_reply(202, job, req->id, job_put, base);
    reply_header(r, "Location", "%s/api/jobs/%s", base, job->id);
    if (req->ask.async)
        reply_header(r, "Preference-Applied", "respond-async");
    reply_header(r, "Retry-After", "1");
    return r;
}

/* The same as if nobody had made a job of it. */
static struct reply *done(const struct request *req, const struct job *job, const char *base)
{
    const struct job_outcome *o = &job->outcome;
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 1 << 20);
    json_out_begin(&text, '{');
    json_out_text(&text, "request_id", req->id);
    json_out_text(&text, "status", "success");
    answer_success(&text, req->svc, o->result, &o->how, base, o->meta ? o->meta : "{}");
    json_out_end(&text, '}');
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&text);
    struct reply *r = reply_json(200, body);
    if (req->ask.wait_s >= 0)
        reply_header(r, "Preference-Applied", "wait=%lld", (long long)req->ask.wait_s);
    return r;
}

static struct reply *answer_of(const struct request *req, const struct exchange *x, const char *base)
{
    const struct job *job = req->accept.ticket->job;
    if (!job_is_over(job) || wait_s(req) == 0)
        return accepted(req, job, base);
    if (job->outcome.result)
        return done(req, job, base);
    return reply_error(x, req->id, &job->outcome.err);
}

static struct reply *reply(struct job_desk *d, const struct request *req, const struct exchange *x,
                           const char *base)
{
    const struct ticket *t = req->accept.ticket->state;
    struct reply *r = answer_of(req, x, base);
    (void)d;
    if (t->replayed)
        reply_header(r, "Idempotent-Replayed", "true");
    return r;
}

static const char *id_of(const struct job *job)
{
    return job->id;
}

static int64_t created_ms(const struct job *job)
{
    return job->created_ms;
}

const struct job_desk desk_ops = {
    .submit = submit,
    .reply = reply,
    .id = id_of,
    .resume = job_step_take,
    .has_parts = job_has_steps,
    .created_ms = created_ms,
    .hold = job_pin,
    .let_go = job_unpin,
    .release = release,
};
