/* ADMIT, CREATE, and LOOK_UP where its outcome is not known.
 *
 * Happy path: a place in the bucket, one POST, and its answer is judged. Failure modes: see create_done; its
 * owner may not pay now: it waits, in CREATE, and the place is asked for again if it passes meanwhile. What
 * must never happen: a second POST while the first may have made a prediction. What four looks at
 * the whole list do not show (12 s with the default AI_RETRY_BASE_MS) was not made; where the list cannot be
 * had BAD_LOOKS times, or not be read to its end, or an answer said that there is one, it cannot be known. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/backoff.h"
#include "predict/replicate_run.h"

enum {
    WAIT_MARGIN_S = 5, /* the call's limit beyond Prefer: wait */
    LOOKS = 4,         /* at the whole list, until what is not there was not made */
    BAD_LOOKS = 6,     /* that may fail besides */
    MAY_PAY_PAUSE_MS = 1000,
    CLOCKS_DIFFER_S = 30, /* that is nothing */
    DAY_S = 86400
};

static uint64_t now_of(const struct replicate_run *run)
{
    return loop_now_ns(run->self->config.loop);
}

static void set_paid(struct replicate_run *run, bool paid)
{
    run->news |= run->prediction->paid != paid;
    run->prediction->paid = paid;
}

/* ---- admit ---- */

static bool admitted(struct replicate_run *run)
{
    bool due = run->has_place && bucket_is_due(&run->self->bucket, &run->place, now_of(run));
    run->has_place = false;
    return due;
}

static void judge_place(struct replicate_run *run, int result)
{
    struct error e;
    uint64_t now = now_of(run), at = run->ask.place.at_ns;
    if (result < 0) {
        error_set(&e, ERR_PROVIDER_UNAVAILABLE, "The model's server has too many requests");
        e.retry_after_s = (unsigned)((run->ask.next_ns - now + NS_PER_S - 1) / NS_PER_S);
        run_fail(run, &e);
        return;
    }
    run->place = run->ask.place;
    run->has_place = true;
    if (at > now) {
        metrics_count(run->self->metrics, run->prediction->feature, PROVIDER_RATE_WAIT_MS,
                      (at - now) / NS_PER_MS);
        run_pause_until(run, at, RUN_CREATE);
    } else {
        run_go(run, RUN_CREATE);
    }
}

void admit_enter(struct replicate_run *run)
{
    run->ask = (struct bucket_ask){0};
    if (run->self->shared_bucket)
        run_ask_start(run);
    else
        judge_place(run, bucket_ask_locally(&run->ask, &run->self->bucket, now_of(run), run->deadline_ns));
}

void admit_done(struct replicate_run *run)
{
    judge_place(run, run->ask.op.result);
}

/* ---- create ---- */

/* With our mark, if the run has one that can stand in an address. To be freed; NULL: no webhooks. */
static char *make_webhook(const struct replicate_run *run)
{
    const char *url = run->self->hooks.url, *mark = run->prediction->mark;
    bool marked = mark && replicate_id_ok(mark);
    return url ? mem_printf("%s%s%s", url, marked ? REPLICATE_MARK : "", marked ? mark : "") : NULL;
}

static int make_body(struct replicate_run *run, const struct blob *bytes, struct error *e)
{
    BUF_ON_EXIT struct buf body;
    buf_init(&body, REPLICATE_BODY_MAX);
    const struct prediction *p = run->prediction;
    const struct replicate_image image = {run->by_url ? buf_text(&run->image_url) : NULL, bytes,
                                          p->info.type};
    FREE_ON_EXIT char *webhook = make_webhook(run);
    const struct replicate_beside beside = {.webhook = webhook};
    int r = replicate_target_body(&run->target, p->params, &image, &beside, &body, e);
    if (r < 0)
        return r;
    blob_unref(run->body);
    run->body = buf_take_blob(&body);
    return 0;
}

static void send_create(struct replicate_run *run, struct http_call *call)
{
    call->body = run->body;
    call->stall_timeout_ms = 0; /* the server is silent while the model runs */
    run->sent_s = clock_wall_s();
    run->resuming = run->known_before = false;
    run->file_fresh = false;
    run->prediction->paid = true;
    metrics_count(run->self->metrics, run->prediction->feature, PROVIDER_CREATES, 1);
    run_call_start(run);
}

/* As its caller has worded it. */
static void create_raw(struct replicate_run *run)
{
    const struct raw_run *raw = run->prediction->raw;
    if (!run->body)
        run->body = blob_ref(raw->body);
    struct http_call *call = run_call_prepare(run, "POST", raw->path);
    run_call_header(run, "Content-Type", "application/json");
    if (*raw->cancel_after)
        run_call_header(run, "Cancel-After", raw->cancel_after);
    if (raw->wait_s > 0) {
        unsigned wait_s = replicate_wait_s(raw->wait_s);
        snprintf(run->prefer, sizeof(run->prefer), "wait=%u", wait_s);
        run_call_header(run, "Prefer", run->prefer);
        call->timeout_ms = (wait_s + WAIT_MARGIN_S) * 1000;
    }
    send_create(run, call);
}

/* false: the run has gone on elsewhere, or has ended. */
static bool may_pay(struct replicate_run *run)
{
    struct prediction *p = run->prediction;
    struct error e;
    enum may_pay may = p->may_pay ? p->may_pay(p) : PAY_NOW;
    error_set(&e, ERR_DATABASE, "It cannot be written down that the run is ours, so it is not begun");
    if (may == PAY_LATER)
        run_pause(run, MAY_PAY_PAUSE_MS * NS_PER_MS, RUN_CREATE, &e);
    else if (may == PAY_NEVER)
        run_fail(run, &e);
    return may == PAY_NOW;
}

void create_enter(struct replicate_run *run)
{
    struct error e;
    if (run_picture_expired(run)) {
        run_go(run, RUN_SEND_FILE);
        return;
    }
    if (!may_pay(run))
        return;
    if (!admitted(run)) {
        run_go(run, RUN_ADMIT);
        return;
    }
    if (run->prediction->raw) {
        create_raw(run);
        return;
    }
    if (make_body(run, run->prediction->input, &e) < 0) {
        run_fail(run, &e);
        return;
    }
    uint64_t now = now_of(run);
    int64_t left_ms = run->deadline_ns > now ? (int64_t)((run->deadline_ns - now) / NS_PER_MS) : 0;
    unsigned wait_s = replicate_wait_s(MIN(left_ms / 1000, run->self->config.opt->replicate_wait_s));
    snprintf(run->prefer, sizeof(run->prefer), "wait=%u", wait_s);
    snprintf(run->cancel_after, sizeof(run->cancel_after), "%us", replicate_cancel_after_s(left_ms));
    struct http_call *call = run_call_prepare(run, "POST", run->target.path);
    run_call_header(run, "Content-Type", "application/json");
    run_call_header(run, "Prefer", run->prefer);
    run_call_header(run, "Cancel-After", run->cancel_after);
    call->timeout_ms = (wait_s + WAIT_MARGIN_S) * 1000;
    send_create(run, call);
}

/* The model or its version is not there: perhaps another version is. */
static void resolve(struct replicate_run *run, const struct error *refusal)
{
    char path[200];
    struct error e = *refusal;
    replicate_drop_version(run->self, run->target.feature, run->target.version);
    if (replicate_target_fallback(&run->target, path, sizeof(path), &e) < 0)
        run_fail(run, &e);
    else
        run_go(run, RUN_RESOLVE);
}

/* The server has said no: there is no prediction. */
static void refused(struct replicate_run *run, struct replicate_problem *p)
{
    bool raw = run->prediction->raw != NULL;
    set_paid(run, false);
    if (raw) {
        replicate_raw_refused(run);
        p->advice =
            p->advice == REPLICATE_RESOLVE || p->advice == REPLICATE_USE_URL ? REPLICATE_STOP : p->advice;
    } else if (p->refusal != REPLICATE_REFUSAL_NONE) {
        replicate_input_blame(run->prediction->params, p->refusal, &p->err);
        run->failing = p->err.code == ERR_UPSTREAM; /* all that comes would be refused */
    }
    switch (p->advice) {
    case REPLICATE_WAIT:
    case REPLICATE_AGAIN:
        run_again(run, RUN_CREATE, run_why(run, p), &p->err);
        return;
    case REPLICATE_RESOLVE:
        resolve(run, &p->err);
        return;
    case REPLICATE_USE_URL:
        if (!run->by_url) {
            run->by_url = true;
            run_go(run, run_picture(run));
            return;
        }
        break;
    case REPLICATE_STOP:
    case REPLICATE_BREAK:
    case REPLICATE_LOOK_UP:
        break;
    }
    run_fail(run, &p->err);
}

void create_done(struct replicate_run *run)
{
    struct replicate *self = run->self;
    if (run_call_ok(run)) {
        if (bucket_accepted(&self->bucket, now_of(run)))
            shared_bucket_full_speed(self->shared_bucket);
        if (run->account != BREAKER_REFUSED)
            breaker_leave(&self->account, run->account, BREAKER_GOOD, now_of(run));
        run->account = BREAKER_REFUSED;
        const struct replicate_reply reply = run_call_reply(run, REPLICATE_CALL_CREATE);
        run_judge(run, &reply);
        return;
    }
    struct replicate_problem problem;
    run_call_problem(run, REPLICATE_CALL_CREATE, &problem);
    if (problem.advice != REPLICATE_LOOK_UP) {
        refused(run, &problem);
        return;
    }
    run->made = false;
    run->settled = true; /* if it was made at all, the list shows it before the last look */
    run_look_up(run);
}

/* ---- look up ---- */

static void unknown(struct replicate_run *run)
{
    struct error e;
    error_set(&e, ERR_UNKNOWN_OUTCOME, "%s", "");
    run_fail(run, &e);
}

static void look_later(struct replicate_run *run)
{
    struct error e;
    uint64_t base_ns = (uint64_t)run->self->config.opt->ai_retry_base_ms * NS_PER_MS;
    uint64_t wait_ns = backoff_around_ns(&run->self->rng, base_ns << run->looks);
    uint64_t paused = run->self->bucket.paused_until_ns, now = now_of(run);
    error_set(&e, ERR_UNKNOWN_OUTCOME, "%s", "");
    run->looks++;
    run->pages = 0;
    run->next_page[0] = '\0';
    run_pause(run, MAX(wait_ns, paused > now ? paused - now : 0), RUN_LOOK_UP, &e);
}

void run_look_up(struct replicate_run *run)
{
    metrics_count(run->self->metrics, run->prediction->feature, PROVIDER_LOOK_UPS, 1);
    run->looks = run->bad_looks = 0;
    run->dated = false;
    run->vain[0] = '\0';
    look_later(run);
}

/* A picture that is too large to be inline lay somewhere that we were not told: then nothing in the list can
 * be ours for certain, and what is like it in all else is a doubt. */
void run_look_up_earlier(struct replicate_run *run, int64_t intent_s)
{
    struct error e;
    const struct prediction *p = run->prediction;
    bool known = !p->input || run->by_url || replicate_inline_fits(p->input);
    BLOB_ON_EXIT struct blob *nothing = blob_static("", 0);
    if (make_body(run, known ? p->input : nothing, &e) < 0) {
        run_fail(run, &e);
        return;
    }
    run->resuming = true;
    run->made = false;
    run->settled = true; /* it was sent a while ago, or never */
    run->sent_s = intent_s;
    run_look_up(run);
}

void look_up_enter(struct replicate_run *run)
{
    char path[128];
    replicate_lookup_path(run->sent_s, path, sizeof(path));
    run_call_prepare(run, "GET", run->next_page[0] ? run->next_page : path);
    run_call_start(run);
}

static void follow(struct replicate_run *run, const char *id)
{
    run_know(run, id);
    run->get_url[0] = run->cancel_url[0] = '\0';
    run->heard_ns = now_of(run);
    run_go(run, RUN_POLL);
}

/* The whole list has been read, and it is not there. */
static void not_there(struct replicate_run *run)
{
    struct error e;
    if (run->looks < LOOKS) {
        look_later(run);
    } else if (run->made && run->vain[0]) { /* that is what became of it */
        follow(run, run->vain);
    } else if (!run->settled) {
        unknown(run);
    } else if (run->resuming) {
        set_paid(run, false);
        run_go(run, run_to_create(run));
    } else {
        set_paid(run, false);
        error_set(&e, ERR_UPSTREAM, "The model's server failed");
        run_again(run, RUN_CREATE, PROVIDER_AGAIN_SERVER, &e);
    }
}

static struct replicate_wanted wanted_of(const struct replicate_run *run)
{
    const struct raw_run *raw = run->prediction->raw;
    return (struct replicate_wanted){
        .body = run->body,
        .model = raw ? raw->model : run->target.feature->model,
        .version = raw ? raw->version : NULL,
        .deployment = raw ? raw->deployment : "",
        .any_version = run->resuming,
        .unmarked = raw != NULL,
        .taken = replicate_id_taken,
        .ctx = run->self,
    };
}

/* The list could not be had. What counts is that the last look is a good one. */
static void look_failed(struct replicate_run *run, bool passing)
{
    if (!passing || ++run->bad_looks > BAD_LOOKS) {
        unknown(run);
        return;
    }
    run->looks = MIN(run->looks, (unsigned)LOOKS - 1);
    look_later(run);
}

/* Our clock may be ahead of the server's, or may have been so when it was sent: then the list began too late.
 * true: it is asked again, by the server's clock. */
static bool was_dated_wrong(struct replicate_run *run)
{
    int64_t there_s = http_date_s(run->call.date), since_s = run->sent_s + there_s - clock_wall_s();
    if (run->dated || there_s < 0)
        return false;
    run->dated = true;
    if (since_s > there_s + CLOCKS_DIFFER_S) /* the clock was set since: when that was nobody knows */
        since_s = there_s - DAY_S;
    if (since_s + CLOCKS_DIFFER_S >= run->sent_s)
        return false;
    run->sent_s = since_s;
    run->pages = 0;
    run->next_page[0] = '\0';
    return true;
}

void look_up_done(struct replicate_run *run)
{
    struct replicate *self = run->self;
    const struct replicate_wanted wanted = wanted_of(run);
    const unsigned pages = run->resuming ? REPLICATE_RESUME_PAGES_MAX : REPLICATE_PAGES_MAX;
    struct replicate_found found;
    struct error e;
    struct replicate_reply reply = run_call_reply(run, REPLICATE_CALL_OTHER);
    if (!run_call_ok(run) || replicate_lookup_read(&reply, self->base_url, &wanted, &found, &e) < 0) {
        struct replicate_problem problem = {.advice = REPLICATE_AGAIN};
        if (!run_call_ok(run))
            run_call_problem(run, REPLICATE_CALL_OTHER, &problem);
        look_failed(run, problem.advice == REPLICATE_AGAIN || problem.advice == REPLICATE_WAIT);
        return;
    }
    if (found.doubtful)
        run->settled = false; /* it may be there after all: then it is not made again */
    if (found.vain[0])
        memcpy(run->vain, found.vain, sizeof(run->vain));
    if (found.id[0]) {
        follow(run, found.id);
    } else if (was_dated_wrong(run)) {
        run_go(run, RUN_LOOK_UP);
    } else if (found.next[0] && ++run->pages < pages) {
        memcpy(run->next_page, found.next, sizeof(run->next_page));
        run_go(run, RUN_LOOK_UP);
    } else if (found.next[0] || found.cut) {
        unknown(run); /* a list without an end, or whose rest cannot be had */
    } else {
        not_there(run);
    }
}
