/* A prediction that is known: POLL until it is over, read its output; CANCEL and LAST_LOOK.
 *
 * Failure modes: a poll that fails is repeated, as the run is paid for, until the deadline, until nothing
 * readable came for LOST_S, or until the server has said REFUSALS times that it knows no such thing. What is
 * given up is cancelled first, so that nothing runs on beside the class's slots. A cancel that is refused
 * means that the run is over, and its result is kept. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/backoff.h"
#include "predict/output_walk.h"
#include "predict/replicate_run.h"

enum {
    POLL_FIRST_MS = 500,
    POLL_MOST_MS = 2000,
    POLLS_PER_S = 40,       /* of the whole account, which may ask 50 times a second */
    SWEEP_LEAST_MS = 15000, /* while webhooks tell how it ended */
    SWEEP_MOST_MS = 30000,
    LOST_S = 120,
    REFUSALS = 4,
    DEADLINE_GRACE_MS = 1000, /* the server's own Cancel-After comes first */
    CANCEL_AGAIN_MS = 500,
    CANCELS = 3
};

static uint64_t now_of(const struct replicate_run *run)
{
    return loop_now_ns(run->self->config.loop);
}

/* ---- what an answer says ---- */

void run_know(struct replicate_run *run, const char *id)
{
    struct prediction *p = run->prediction;
    snprintf(run->id, sizeof(run->id), "%s", id);
    replicate_know_id(run->self, id);
    blob_unref(run->hook);
    run->hook = replicate_hooks_early(run->self, id);
    if (!p || strcmp(p->remote_id, id) == 0)
        return;
    snprintf(p->remote_id, sizeof(p->remote_id), "%s", id);
    run_note(run);
}

/* That prediction is lost; the next has not begun. */
static void forget(struct replicate_run *run)
{
    run->prediction->paid = run->processing = false;
    run->id[0] = run->get_url[0] = run->cancel_url[0] = '\0';
    run->polls = 0;
    run->prediction->remote_id[0] = '\0';
    run_note(run);
}

static void take_identity(struct replicate_run *run, const struct replicate_answer *a)
{
    if (a->id[0] && strcmp(a->id, run->id) != 0)
        run_know(run, a->id);
    if (a->get_url[0])
        snprintf(run->get_url, sizeof(run->get_url), "%s", a->get_url);
    if (a->cancel_url[0])
        snprintf(run->cancel_url, sizeof(run->cancel_url), "%s", a->cancel_url);
}

static int take_output(struct replicate_run *run, const struct replicate_answer *a, struct error *e)
{
    struct prediction *p = run->prediction;
    struct output_list list;
    const struct options *opt = run->self->config.opt;
    const bool writes = p->feature->work == WORK_WRITER;
    const struct output_limits limits = {.items_max = OUTPUT_ITEMS_MAX,
                                         .bytes_max = (size_t)opt->output_max_bytes,
                                         .total_max = (size_t)opt->output_total_max_bytes,
                                         .concatenate = writes};
    int r = output_walk(a->output, &limits, &list, e);
    if (r < 0)
        return r;
    p->output_count = prediction_take_outputs(&list, writes, p->output);
    output_list_release(&list);
    if (p->output_count == 0)
        return error_set(e, ERR_UPSTREAM, writes ? "The model wrote nothing" : "The model gave no picture");
    return 0;
}

static void succeed(struct replicate_run *run, const struct replicate_answer *a)
{
    struct error e;
    struct prediction *p = run->prediction;
    p->paid = true;
    if (p->raw) { /* its owner has been told */
        run_finish(run, 0);
        return;
    }
    if (*p->feature->version && strcmp(run->target.version, p->feature->version) != 0)
        snprintf(p->version, sizeof(p->version), "%s", run->target.version);
    if (take_output(run, a, &e) < 0)
        run_fail(run, &e);
    else
        run_finish(run, 0);
}

uint64_t run_polls_apart_ms(const struct replicate_run *run)
{
    return run->self->run_count * 1000ull / POLLS_PER_S;
}

static uint64_t poll_wait_ns(struct replicate_run *run)
{
    struct replicate *self = run->self;
    uint64_t wait_ms = POLL_FIRST_MS;
    if (run->hook)
        return 0;
    if (replicate_hooks_work(self) && !run->prediction->raw)
        return (SWEEP_LEAST_MS + rng_below(&self->rng, SWEEP_MOST_MS - SWEEP_LEAST_MS)) * NS_PER_MS;
    for (unsigned i = 0; i < run->polls && wait_ms < POLL_MOST_MS; i++)
        wait_ms = MIN(wait_ms * 3 / 2, (uint64_t)POLL_MOST_MS);
    run->polls++;
    wait_ms = MAX(wait_ms, run_polls_apart_ms(run));
    return backoff_around_ns(&self->rng, wait_ms * NS_PER_MS);
}

static void poll_later(struct replicate_run *run)
{
    uint64_t now = now_of(run), at_ns = now + poll_wait_ns(run);
    at_ns = MAX(at_ns, run->hook ? 0 : run->self->bucket.paused_until_ns);
    run_pause_until(run, MIN(at_ns, MAX(now, run->deadline_ns + DEADLINE_GRACE_MS * NS_PER_MS)), RUN_POLL);
}

static void goes_on(struct replicate_run *run, const struct replicate_answer *a)
{
    struct prediction *p = run->prediction;
    unsigned done = a->steps ? a->step : (unsigned)MAX(a->percent, 0);
    unsigned total = a->steps ? a->steps : a->percent >= 0 ? 100 : 0;
    run->processing |= a->status != REPLICATE_STARTING;
    run->news |= p->paid != run->processing || (total > 0 && (p->done != done || p->total != total));
    p->paid = run->processing; /* what has not begun can be stopped for nothing */
    if (total > 0) {
        p->done = done;
        p->total = total;
    }
}

/* It has ended: what it is billed by. */
static void take_time(struct replicate_run *run, const struct replicate_answer *a)
{
    if (a->predict_time_s > 0)
        run->prediction->billed_ns += (uint64_t)(a->predict_time_s * (double)NS_PER_S);
}

/* The earlier process may have seen that, too, and have begun another, whose id it could not write down. */
static void look_for_next(struct replicate_run *run)
{
    struct prediction *p = run->prediction;
    run->known_before = false;
    p->paid = true; /* as far as we know */
    run_picture_as_it_was(run, p->resume_input_url);
    run_look_up_earlier(run, p->resume_intent_s);
}

static void judge_answer(struct replicate_run *run, const struct replicate_reply *reply,
                         const struct replicate_answer *a)
{
    struct replicate_verdict v;
    const struct raw_run *raw = run->prediction->raw; /* its owner wants to see the books, too */
    const bool once =
        raw ? raw->once : !prediction_whole(run->prediction); /* what has gone cannot be sent again */
    const struct replicate_asked asked = {
        .prefer = !raw && reply->call == REPLICATE_CALL_CREATE,
        .cancel_after = true,
        .tries_left = once ? 0 : run_tries_left(run, PROVIDER_AGAIN_PLATFORM),
    };
    replicate_answer_next(a, &asked, &v);
    if (v.next != REPLICATE_RETRY_NEW)
        replicate_raw_tell(run, reply, a);
    run->failing = v.why == REPLICATE_WHY_PLATFORM;
    run->self->hooks.missed += run->swept && v.next != REPLICATE_POLL;
    if (v.next != REPLICATE_POLL)
        take_time(run, a);
    switch (v.next) {
    case REPLICATE_DONE:
        succeed(run, a);
        return;
    case REPLICATE_POLL:
        run->swept = false;
        goes_on(run, a);
        poll_later(run);
        return;
    case REPLICATE_FAIL:
        run->prediction->paid = v.billed;
        run_fail(run, &v.err);
        return;
    case REPLICATE_RETRY_NEW:
        if (!raw && !prediction_whole(run->prediction)) { /* taken up without its picture */
            run_fail(run, &v.err);
            return;
        }
        forget(run);
        if (run->known_before) {
            look_for_next(run);
            return;
        }
        run_again(run, raw ? RUN_CREATE : run_to_create(run), PROVIDER_AGAIN_PLATFORM, &v.err);
        return;
    }
}

static void poll_failed(struct replicate_run *run)
{
    if (run->refusals < REFUSALS && now_of(run) - run->heard_ns < LOST_S * NS_PER_S) {
        poll_later(run);
        return;
    }
    run->prediction->paid = true; /* as far as we know it runs */
    run->stop = ERR_UNKNOWN_OUTCOME;
    run_go(run, RUN_CANCEL);
}

void run_judge(struct replicate_run *run, const struct replicate_reply *reply)
{
    bool create = reply->call == REPLICATE_CALL_CREATE;
    struct replicate_answer a;
    struct error e;
    if (replicate_answer_read(reply, run->self->base_url, &a, &e) < 0) {
        if (create) {
            run->settled = false;
            run->made = true;
            run_look_up(run);
        } else {
            poll_failed(run);
        }
        return;
    }
    run->heard_ns = now_of(run);
    run->refusals = 0;
    take_identity(run, &a);
    judge_answer(run, reply, &a);
    replicate_answer_release(&a);
}

/* ---- poll ---- */

static void get_prediction(struct replicate_run *run)
{
    char path[128];
    CHECK(run->id[0]);
    snprintf(path, sizeof(path), "/predictions/%s", run->id);
    run_call_prepare(run, "GET", run->get_url[0] ? run->get_url : path);
    run_call_start(run);
}

void poll_enter(struct replicate_run *run)
{
    BLOB_ON_EXIT struct blob *told = TAKE(run->hook);
    if (told) {
        run_judge(run, &(struct replicate_reply){.call = REPLICATE_CALL_GET,
                                                 .status = 200,
                                                 .body = told->data,
                                                 .size = told->size,
                                                 .token = run->self->config.opt->replicate_token});
    } else if (now_of(run) >= run->deadline_ns + DEADLINE_GRACE_MS * NS_PER_MS) {
        run->stop = ERR_DEADLINE;
        run_go(run, RUN_CANCEL);
    } else {
        get_prediction(run);
    }
}

void run_take_hook(struct replicate_run *run, struct blob *body)
{
    blob_unref(run->hook);
    run->hook = blob_ref(body);
    if (run->at != RUN_POLL || !run->pausing)
        return; /* the next pause will be short */
    timer_disarm(run->self->config.loop, &run->timer);
    run_go(run, RUN_POLL);
}

void poll_done(struct replicate_run *run)
{
    if (run_call_ok(run)) {
        const struct replicate_reply reply = run_call_reply(run, REPLICATE_CALL_GET);
        run->swept = run->self->hooks.url && !run->prediction->raw;
        run_judge(run, &reply);
        return;
    }
    struct replicate_problem problem;
    run_call_problem(run, REPLICATE_CALL_GET, &problem);
    bool passing = problem.advice == REPLICATE_WAIT || problem.advice == REPLICATE_AGAIN ||
                   problem.advice == REPLICATE_BREAK; /* a token may be changed and changed back */
    run->refusals += !passing;
    poll_failed(run);
}

/* ---- cancel ---- */

void cancel_enter(struct replicate_run *run)
{
    char path[128];
    CHECK(run->id[0]);
    snprintf(path, sizeof(path), "/predictions/%s/cancel", run->id);
    run_call_prepare(run, "POST", run->cancel_url[0] ? run->cancel_url : path)->repeatable = true;
    run_call_start(run);
}

/* A result that came first is kept. */
static void settle_cancelled(struct replicate_run *run)
{
    struct replicate_reply reply = run_call_reply(run, REPLICATE_CALL_GET);
    const struct replicate_asked asked = {0};
    struct replicate_answer a;
    struct replicate_verdict v;
    struct error e;
    if (replicate_answer_read(&reply, run->self->base_url, &a, &e) < 0) {
        run_stopped(run);
        return;
    }
    replicate_answer_next(&a, &asked, &v);
    replicate_raw_tell(run, &reply, &a);
    run->processing |= a.status == REPLICATE_PROCESSING;
    take_time(run, &a);
    if (v.next == REPLICATE_DONE) {
        succeed(run, &a);
    } else {
        run->prediction->paid = v.billed && run->processing;
        run_stopped(run);
    }
    replicate_answer_release(&a);
}

void cancel_done(struct replicate_run *run)
{
    if (run_call_ok(run)) {
        settle_cancelled(run);
        return;
    }
    struct replicate_problem problem;
    run_call_problem(run, REPLICATE_CALL_OTHER, &problem);
    bool again = problem.advice == REPLICATE_WAIT || problem.advice == REPLICATE_AGAIN;
    if (again && ++run->cancels < CANCELS)
        run_pause_until(run, now_of(run) + CANCEL_AGAIN_MS * NS_PER_MS, RUN_CANCEL);
    else if (again || problem.advice == REPLICATE_BREAK)
        run_stopped(run); /* Cancel-After bounds what it costs */
    else
        run_go(run, RUN_LAST_LOOK);
}

void last_look_enter(struct replicate_run *run)
{
    get_prediction(run);
}

void last_look_done(struct replicate_run *run)
{
    if (run_call_ok(run))
        settle_cancelled(run);
    else
        run_stopped(run);
}
