/* A create, and the run it leads to.
 *
 * Happy path: a create whose like has succeeded lately is answered from memory, one whose like is under way
 * joins it; any other waits for a slot of its class, runs, and gives the slot back when the prediction is
 * over upstream. Failure modes: no place in the queue, or no memory: refused at once; no slot in time, or
 * nothing known of it upstream any more: the prediction has failed, as its callers see it; a create that
 * upstream refuses: whoever waits for its answer gets that refusal and no record is left of it. A caller that
 * leaves stops nothing, as with Replicate: the result is remembered for when he comes back. Invariants: a run
 * that is not over holds or waits for a slot; it is cancelled only when the last of those who know it has
 * cancelled it. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/replicate_json.h"
#include "v1/inside.h"

enum {
    FIRST_MS = 1500,     /* a create without Prefer is answered by then, with what is known */
    PATIENT_MS = 20000,  /* … one with a webhook, which is called by the server's own id */
    RUN_MAX_S = 86400,   /* the longest Cancel-After; the platform ends most runs long before */
    RESULT_MAX_S = 3000, /* files of a result are deleted after an hour */
    TYPICAL_PART = 8     /* of the newest run in the average */
};

uint64_t v1_now_ns(const struct v1 *v)
{
    return loop_now_ns(v->config.loop);
}

/* ---- the end ---- */

void v1_run_free(struct v1_run *run)
{
    CHECK(run->at == V1_OVER && list_empty(&run->records) && list_empty(&run->waiters));
    v1_run_unkey(run);
    v1_run_holds(run, 0);
    blob_unref(run->said);
    order_free(run->order);
    free(run->stream_url);
    free(run);
}

static bool is_good(const struct v1_run *run, int result)
{
    return result == 0 && run->status == REPLICATE_SUCCEEDED && run->keyed;
}

static void remember(struct v1_run *run)
{
    struct v1 *v = run->v1;
    uint64_t ttl_ms = (uint64_t)v->config.opt->cache_ttl_ms;
    run->good_until_ns = v1_now_ns(v) + MIN(ttl_ms * NS_PER_MS, RESULT_MAX_S * NS_PER_S);
}

static void let_go_of_slot(struct v1_run *run)
{
    if (run->limiter)
        limiter_release(TAKE(run->limiter));
}

/* What was sent is of no use any more, unless it stands for what the server never said. */
static void drop_body(struct v1_run *run)
{
    uint64_t said = run->said ? run->said->size : 0;
    if (run->said)
        blob_unref(TAKE(run->order->body));
    v1_run_holds(run, said + (run->order->body ? run->order->body->size : 0));
}

static void drop_work(struct v1_run *run)
{
    prediction_release(&run->work->p);
    blob_unref(run->work->raw.said);
    free(TAKE(run->work));
}

static void over(struct v1_run *run, int result, const struct error *e)
{
    struct v1 *v = run->v1;
    run->at = V1_OVER;
    run->err = *e;
    v->alive--;
    if (!run->ended)
        run->ended_ms = (int64_t)clock_wall_ms();
    if (is_good(run, result) && v->config.opt->cache_ttl_ms > 0)
        remember(run);
    else
        v1_run_unkey(run);
    v1_records_over(run);
    drop_body(run);
    run->settling = true;
    v1_wake(run);
    run->settling = false;
    drop_work(run);
    if (list_empty(&run->records))
        v1_run_free(run);
}

static void run_done(struct op *op)
{
    struct v1_run *run = CONTAINER_OF(op, struct v1_work, p.op)->run;
    uint64_t *typical = &run->v1->typical_ns[run->class], took = v1_now_ns(run->v1) - run->work->begun_ns;
    *typical = *typical ? *typical - *typical / TYPICAL_PART + took / TYPICAL_PART : took;
    v1_settle(run);
    let_go_of_slot(run);
    over(run, op->result, &run->work->p.err);
}

/* ---- under way ---- */

static bool is_something(const json_t *output)
{
    if (json_is_array(output))
        return json_array_size(output) > 0;
    if (json_is_string(output))
        return json_string_length(output) > 0;
    return output && !json_is_null(output);
}

static void take_stream(struct v1_run *run, const struct replicate_answer *a)
{
    const char *url = json_string_value(json_object_get(json_object_get(a->document, "urls"), "stream"));
    bool usable = url && (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0);
    if (!usable || (run->stream_url && strcmp(run->stream_url, url) == 0))
        return;
    free(run->stream_url);
    run->stream_url = mem_strdup(url);
}

static void take_id(struct v1_run *run, const char *id)
{
    if (!*id || strcmp(run->id, id) == 0)
        return;
    memcpy(run->id, id, strlen(id) + 1);
    struct v1_record *first = CONTAINER_OF(run->records.next, struct v1_record, of_run);
    if (first->name.id[0])
        v1_record_alias(first, id);
}

static void told(struct prediction *p, const struct replicate_answer *a, const void *body, size_t size)
{
    struct v1_run *run = CONTAINER_OF(p, struct v1_work, p)->run;
    bool first = !run->said;
    blob_unref(run->said);
    run->said = replicate_json_mended(body, size);
    CHECK(run->said); /* it has been read already */
    run->status = a->status;
    run->ended = a->completed || a->status > REPLICATE_PROCESSING;
    run->ready =
        first && run->work->raw.wait_s > 0 && a->status == REPLICATE_PROCESSING && is_something(a->output);
    if (a->status == REPLICATE_UNKNOWN && run->ended)
        run->status = is_something(a->output) ? REPLICATE_SUCCEEDED : REPLICATE_FAILED;
    run->heard_ns = v1_now_ns(run->v1);
    take_id(run, a->id);
    take_stream(run, a);
    v1_run_holds(run, run->order->body->size + size);
    v1_wake(run);
}

/* What is left of the wait that the first caller has asked for. */
static unsigned wait_left_s(const struct v1_run *run, uint64_t now)
{
    if (run->order->wait_s == 0 || list_empty(&run->waiters))
        return 0;
    const struct v1_waiter *w = CONTAINER_OF(run->waiters.next, struct v1_waiter, node);
    return w->until_ns > now ? (unsigned)((w->until_ns - now + NS_PER_S - 1) / NS_PER_S) : 0;
}

static void begin(struct v1_run *run)
{
    struct v1 *v = run->v1;
    const struct order *o = run->order;
    uint64_t now = v1_now_ns(v);
    run->at = V1_RUNNING;
    run->work->begun_ns = now;
    run->work->raw = (struct raw_run){
        .path = o->path,
        .body = o->body,
        .model = o->model,
        .version = o->version,
        .deployment = o->deployment,
        .cancel_after = o->cancel_after,
        .wait_s = wait_left_s(run, now),
        .once = o->hooked || o->streams,
        .told = told,
    };
    run->work->p = (struct prediction){.raw = &run->work->raw, .deadline_ns = now + RUN_MAX_S * NS_PER_S};
    provider_start(v->config.provider, &run->work->p, run_done);
}

/* It has come to nothing before it began. */
static void give_up(struct v1_run *run, const struct error *why)
{
    struct error e = *why;
    if (run->work->cancelled)
        error_set(&e, ERR_CLIENT_GONE, "%s", "");
    v1_settle(run);
    let_go_of_slot(run);
    over(run, -(int)e.code, &e);
}

static void budget_done(struct op *op)
{
    struct v1_run *run = CONTAINER_OF(op, struct v1_work, hold.op)->run;
    if (op->result == 0 && !run->work->cancelled)
        begin(run);
    else
        give_up(run, &run->work->hold.err);
}

static unsigned retry_after_s(const struct v1_run *run)
{
    const struct v1 *v = run->v1;
    uint64_t typical_ns = v->typical_ns[run->class];
    return limiter_retry_after_s(v->config.class_limiter[run->class], &run->work->wait.asker,
                                 typical_ns ? typical_ns : NS_PER_S);
}

static void slot_done(struct op *op);

/* Another's took its place in the queue. What a caller was told of waits on all the same. true: it does. */
static bool waits_on(struct v1_run *run)
{
    struct slot_wait *wait = &run->work->wait;
    const struct v1_record *first = CONTAINER_OF(run->records.next, struct v1_record, of_run);
    if (run->work->cancelled || !first->name.id[0])
        return false;
    wait->asker.promised = true;
    return limiter_acquire(run->limiter, wait, slot_done) == 0;
}

static void slot_done(struct op *op)
{
    struct v1_run *run = CONTAINER_OF(op, struct v1_work, wait.op)->run;
    struct error e = {0};
    if (op->result == -ERR_QUEUE_FULL && waits_on(run))
        return;
    timer_disarm(run->v1->config.loop, &run->work->queue_limit);
    if (op->result < 0)
        run->limiter = NULL;
    if (op->result == -ERR_QUEUE_FULL) {
        error_set(&e, ERR_QUEUE_FULL, "Its place in the queue went to a caller who has fewer");
        e.retry_after_s = retry_after_s(run);
    } else if (op->result < 0) {
        error_set(&e, ERR_DEADLINE, "There was no slot for it in time");
    }
    if (op->result < 0 || run->work->cancelled)
        give_up(run, &e);
    else if (!v1_reserve(run, budget_done))
        begin(run);
}

static void queued_too_long(struct timer *t)
{
    op_cancel(&CONTAINER_OF(t, struct v1_work, queue_limit)->wait.op);
}

/* ---- a create ---- */

static void refuse(struct v1_call *c, enum err code, const char *why, unsigned retry_after_s)
{
    struct error e;
    error_set(&e, code, "%s", why);
    e.retry_after_s = retry_after_s;
    v1_answer_error(TAKE(c->x), &e);
}

static void count(const struct v1 *v, unsigned result)
{
    cells_add(metrics_cells(v->config.metrics), M_V1_CREATES, metric_series(M_V1_CREATES, result, 0, 0), 1);
}

static bool serves(const struct v1_run *run, const struct order *o)
{
    if (o->renews)
        return false;
    if (run->at == V1_OVER)
        return run->good_until_ns > v1_now_ns(run->v1);
    return !run->work->cancelled && strcmp(run->order->cancel_after, o->cancel_after) == 0;
}

static void wait_for(struct v1_call *c, struct v1_record *r, const struct order *o)
{
    if (o->wait_s > 0)
        v1_wait(c, r, WANTS_END, o->wait_s * 1000ull);
    else
        v1_wait(c, r, WANTS_FIRST, o->hooked ? PATIENT_MS : FIRST_MS);
}

static void join(struct v1_call *c, struct v1_run *run)
{
    const struct order *o = c->order;
    struct v1_record *r = v1_record_new(run, c->tenant);
    bool hit = run->at == V1_OVER;
    count(run->v1, hit ? V_RESULT_HIT : V_RESULT_COALESCED);
    if (hit)
        v1_saved(run, c->tenant);
    else if (run->at == V1_QUEUED)
        limiter_lend_turn(&run->work->wait, &c->asker);
    if (hit || (run->said && o->wait_s == 0))
        v1_answer_record(TAKE(c->x), c->base, r, 201, hit ? "hit" : "fwd=miss; collapsed");
    else
        wait_for(c, r, o);
}

static struct v1_run *run_new(struct v1 *v, struct order *o)
{
    struct v1_run *run = NEW(struct v1_run);
    run->v1 = v;
    run->order = o;
    run->work = NEW(struct v1_work);
    run->work->run = run;
    run->feature = replicate_raw_feature(o->model, o->version);
    run->class = classes_of(v->classes, *o->model ? o->model : o->deployment, o->version);
    run->limiter = v->config.class_limiter[run->class];
    list_init(&run->records);
    list_init(&run->waiters);
    return run;
}

static void start(struct v1_call *c)
{
    struct v1 *v = c->v1;
    struct v1_run *run = run_new(v, c->order);
    run->tenant = c->tenant;
    struct limiter *limiter = run->limiter;
    bool busy = limiter_is_busy(limiter);
    run->work->wait.asker = c->asker;
    if (limiter_acquire(limiter, &run->work->wait, slot_done) < 0) {
        refuse(c, ERR_QUEUE_FULL, "Too many predictions of this class wait already", retry_after_s(run));
        free(run->work);
        free(run);
        return;
    }
    const struct order *o = TAKE(c->order);
    v->alive++;
    count(v, o->shares ? V_RESULT_MISS : V_RESULT_BYPASS);
    v1_run_holds(run, o->body->size);
    if (o->shares)
        v1_run_key(run);
    timer_arm(v->config.loop, &run->work->queue_limit,
              v1_now_ns(v) + (uint64_t)v->config.opt->queue_timeout_ms * NS_PER_MS, queued_too_long);
    struct v1_record *r = v1_record_new(run, c->tenant);
    if (busy && o->wait_s == 0 && !o->hooked)
        v1_answer_record(TAKE(c->x), c->base, r, 201, "fwd=miss");
    else
        wait_for(c, r, o);
}

void v1_create(struct v1_call *c)
{
    struct v1 *v = c->v1;
    const struct order *o = c->order;
    if (v->stopping) {
        refuse(c, ERR_DRAINING, "The server is shutting down; ask again in a moment", 5);
        return;
    }
    if (!v1_make_room(v, o->body->size)) {
        refuse(c, ERR_OVERLOADED, "There is no room for more predictions", 1);
        return;
    }
    struct v1_run *run = o->shares ? v1_run_find(v, o->key) : NULL;
    if (run && serves(run, o)) {
        join(c, run);
        return;
    }
    if (run)
        v1_run_unkey(run); /* the new one serves from now on */
    start(c);
}

/* ---- a cancel ---- */

static bool others_want_it(const struct v1_record *r)
{
    LIST_FOREACH (node, &r->run->records) {
        const struct v1_record *other = CONTAINER_OF(node, struct v1_record, of_run);
        if (other != r && other->left_ms == 0)
            return true;
    }
    return false;
}

void v1_cancel_record(struct v1_record *r)
{
    struct v1_run *run = r->run;
    if (run->at == V1_OVER || r->left_ms || run->work->cancelled)
        return;
    if (others_want_it(r)) {
        r->left_ms = (int64_t)clock_wall_ms();
        return;
    }
    run->work->cancelled = true;
    v1_run_unkey(run);
    op_cancel(&run->work->wait.op); /* only what it is at can be cancelled */
    op_cancel(&run->work->hold.op);
    op_cancel(&run->work->p.op);
}
