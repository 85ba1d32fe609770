/* Invariants: a job's callback waits for its time (its timer is armed), for a place, or is being posted; then
 * it is gone, and job->told_log says how. */
#include "jobs/callbacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "http/client/signed_post.h"

enum { BODY_MAX = 1 << 20, LOG_MAX = 32 << 10 };

/* Pauses after each try, in s; the last one goes on. */
static const unsigned pauses[] = {5, 30, 120, 600, 1800, 3600, 7200};

struct callbacks {
    struct jobs *jobs;
    struct limiter *limiter;
    struct signed_post_key key;
    struct rng rng;
    unsigned pending, posting;
    bool stopped;
};

struct callback {
    struct callbacks *all;
    struct job *job;
    struct slot_wait slot;
    bool has_slot;
    struct timer pause;
    struct blob *body;
    struct signed_post post;
    int64_t first_ms, begun_ms, next_ms;
    unsigned tries;
    bool by_hand; /* somebody asked: one try only */
};

static uint64_t now_of(const struct callbacks *all)
{
    return loop_now_ns(all->jobs->svc->loop);
}

/* ---- the log: a list of JSON, the newest last ---- */

static void add_attempt(struct callback *c, const char *error)
{
    struct job *job = c->job;
    BUF_ON_EXIT struct buf log;
    buf_init(&log, LOG_MAX);
    size_t len = job->told_log ? strlen(job->told_log) : 0;
    if (len > LOG_MAX - 1024)
        len = 0; /* of so many tries the first ones are nobody's concern any more */
    if (len > 0)
        buf_append(&log, job->told_log, len - 1);
    else
        json_out_begin(&log, '[');
    json_out_begin(&log, '{');
    json_out_int(&log, "at_ms", c->begun_ms);
    json_out_int(&log, "took_ms", (int64_t)clock_wall_ms() - c->begun_ms);
    json_out_int(&log, "status", c->post.call.status);
    if (error)
        json_out_text(&log, "error", error);
    json_out_end(&log, '}');
    json_out_end(&log, ']');
    free(job->told_log);
    job->told_log = mem_strdup(buf_text(&log));
}

static void write_down(struct job *job)
{
    journal_note_callback(job->jobs->svc->journal, job->id, job->told_next_ms, job->told_log);
}

/* ---- the end ---- */

static void forget(struct callback *c)
{
    struct job *job = c->job;
    struct callbacks *all = c->all;
    timer_disarm(all->jobs->svc->loop, &c->pause);
    signed_post_release(&c->post);
    blob_unref(c->body);
    job->telling = NULL;
    all->pending--;
    free(c);
}

static void over(struct callback *c)
{
    c->job->told_next_ms = 0;
    write_down(c->job);
    forget(c);
}

/* ---- trying ---- */

static void pause_over(struct timer *t);

static void wait_until(struct callback *c, int64_t at_ms)
{
    int64_t left_ms = MAX(at_ms - (int64_t)clock_wall_ms(), 0);
    c->job->told_next_ms = at_ms;
    timer_arm(c->all->jobs->svc->loop, &c->pause, now_of(c->all) + (uint64_t)left_ms * NS_PER_MS, pause_over);
}

static void count(const struct callback *c, unsigned how)
{
    cells_add(metrics_cells(c->all->jobs->svc->metrics), M_CALLBACKS, how, 1);
}

static void try_later(struct callback *c)
{
    unsigned pause_s = pauses[MIN(c->tries, (unsigned)ARRAY_LEN(pauses)) - 1];
    int64_t asked_s = http_retry_after_s(c->post.call.retry_after, clock_wall_s());
    int64_t pause_ms = MAX((int64_t)pause_s, MIN(asked_s, (int64_t)3600)) * 1000;
    int64_t at_ms = (int64_t)clock_wall_ms() + pause_ms + (int64_t)(rng_next(&c->all->rng) % 1000);
    int64_t last_ms = c->first_ms + c->all->jobs->svc->opt->callback_hours * 3600 * 1000;
    if (at_ms > last_ms || c->by_hand) {
        count(c, V_CALLBACK_FAILED);
        over(c);
        return;
    }
    count(c, V_CALLBACK_AGAIN);
    wait_until(c, at_ms);
    write_down(c->job);
}

static void answered(struct op *op)
{
    struct callback *c = CONTAINER_OF(op, struct callback, post.call.op);
    const struct http_call *call = &c->post.call;
    bool good = signed_post_ok(&c->post);
    c->has_slot = false;
    limiter_release(c->all->limiter);
    c->all->posting--;
    c->tries++;
    add_attempt(c, good ? NULL : op->result < 0 ? call->err.reason : "The receiver refused it");
    if (good || call->status == 410) {
        count(c, good ? V_CALLBACK_DELIVERED : V_CALLBACK_FAILED);
        over(c);
    } else {
        try_later(c);
    }
}

/* The same for each try, so that its receiver may know it by its id. */
static void make_body(struct callback *c)
{
    const struct job *job = c->job;
    char type[32];
    if (c->body)
        return;
    BUF_ON_EXIT struct buf text;
    buf_init(&text, BODY_MAX);
    snprintf(type, sizeof(type), "job.%s", job_state_name(job));
    json_out_begin(&text, '{');
    json_out_text(&text, "type", type);
    json_out_int(&text, "timestamp_ms", job->ended_ms);
    json_out_key(&text, "data");
    job_put(&text, job, job->base_url);
    json_out_end(&text, '}');
    c->body = buf_take_blob(&text);
}

static void place_came(struct op *op)
{
    struct callback *c = CONTAINER_OF(op, struct callback, slot.op);
    struct callbacks *all = c->all;
    if (op->result == 0 && all->stopped)
        limiter_release(all->limiter);
    if (op->result < 0 || all->stopped) {
        forget(c); /* it is in the journal */
        return;
    }
    make_body(c);
    c->begun_ms = (int64_t)clock_wall_ms();
    all->posting++;
    const struct signed_post_to to = {c->job->callback, c->job->id, &all->key, true};
    signed_post_start(all->jobs->svc->fetch, &c->post, &to, c->body, answered);
}

static void ask_for_place(struct callback *c)
{
    c->slot = (struct slot_wait){.asker = {.key = c->job->caller, .promised = true}};
    if (limiter_acquire(c->all->limiter, &c->slot, place_came) < 0)
        wait_until(c, (int64_t)clock_wall_ms() + 1000);
}

static void pause_over(struct timer *t)
{
    ask_for_place(CONTAINER_OF(t, struct callback, pause));
}

/* ---- beginning ---- */

static struct callback *begin(struct job *job)
{
    struct callback *c = NEW(struct callback);
    c->all = job->jobs->callbacks;
    c->job = job;
    c->first_ms = job->ended_ms;
    job->telling = c;
    c->all->pending++;
    return c;
}

void callback_begin(struct job *job)
{
    struct callbacks *all = job->jobs->callbacks;
    if (!job->callback || job->telling || (job->told_log && job->told_next_ms == 0))
        return; /* there is none, or an earlier process has come to its end */
    if (all->stopped)
        return; /* it is in the journal, and the next start tells it */
    struct callback *c = begin(job);
    wait_until(c, MAX(job->told_next_ms, (int64_t)clock_wall_ms()));
    write_down(job);
}

bool callback_again(struct job *job)
{
    struct callback *c = job->telling;
    if (!job->callback || !job_is_over(job) || job->jobs->callbacks->stopped)
        return false;
    if (!c) {
        c = begin(job);
        c->by_hand = true;
    } else if (c->pause.slot == 0) {
        return false;
    }
    timer_disarm(job->jobs->svc->loop, &c->pause);
    ask_for_place(c);
    return true;
}

void callback_put(struct buf *b, const struct job *job)
{
    const char *log = job->told_log ? job->told_log : "[]";
    bool good = job->told_log && strstr(strrchr(job->told_log, '{'), "\"error\"") == NULL;
    json_out_begin(b, '{');
    json_out_text(b, "url", job->callback);
    json_out_text(b, "state",
                  !job_is_over(job)   ? "waiting"
                  : job->told_next_ms ? "pending"
                  : good              ? "delivered"
                                      : "failed");
    if (job->told_next_ms)
        json_out_int(b, "next_ms", job->told_next_ms);
    json_out_key(b, "attempts");
    buf_puts(b, log);
    json_out_end(b, '}');
}

/* ---- all ---- */

int callbacks_new(struct jobs *j, struct callbacks **ret, struct error *e)
{
    const struct options *opt = j->svc->opt;
    struct callbacks *all = NEW(struct callbacks);
    uint64_t seed;
    int r = signed_post_key_read("CALLBACK_SECRET", opt->callback_secret, &all->key, e);
    if (r < 0) {
        free(all);
        return r;
    }
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&all->rng, seed);
    all->jobs = j;
    all->limiter =
        limiter_new("callback", (size_t)opt->callback_concurrency, (size_t)opt->jobs_max, j->svc->loop);
    *ret = all;
    return 0;
}

void callback_free(struct job *job)
{
    if (job->telling)
        forget(job->telling);
}

static void stop_one(struct job *job)
{
    struct callback *c = job->telling;
    if (!c)
        return;
    if (c->pause.slot != 0)
        forget(c);
    else if (limiter_is_waiting(&c->slot))
        op_cancel(&c->slot.op);
}

void callbacks_stop(struct callbacks *all)
{
    struct jobs *j = all->jobs;
    all->stopped = true;
    LIST_FOREACH_SAFE (node, &j->over) {
        stop_one(CONTAINER_OF(node, struct job, in_over));
    }
}

bool callbacks_busy(const struct callbacks *all)
{
    return all->posting > 0;
}

unsigned callbacks_pending(const struct callbacks *all)
{
    return all->pending;
}

void callbacks_free(struct callbacks *all)
{
    if (!all)
        return;
    limiter_free(all->limiter);
    free(all);
}
