/* Happy path: one guarded GET, its answer's bytes become a blob. Failure modes: a try that failed for a
 * passing reason is followed by a pause and another, while its patience lasts; everything else ends it.
 * Invariants: either the call runs, or the pause is armed, or the op is complete. */
#include "http/client/fetch.h"

#include "base/clock.h"

enum { STALL_MS = 10000 };

static void try_now(struct fetch *f);

static void finish(struct fetch *f, int result)
{
    http_call_release(&f->call);
    op_complete(&f->op, result);
}

static void cancel(struct op *op)
{
    struct fetch *f = CONTAINER_OF(op, struct fetch, op);
    if (f->pause.slot) {
        timer_disarm(f->loop, &f->pause);
        error_set(&f->err, ERR_CLIENT_GONE, "%s", "");
        finish(f, -ERR_CLIENT_GONE);
        return;
    }
    f->cancelled = true;
    op_cancel(&f->call.op);
}

static void pause_over(struct timer *t)
{
    try_now(CONTAINER_OF(t, struct fetch, pause));
}

/* A redirect that leads nowhere leads nowhere the next time. */
static bool passing(struct fetch *f)
{
    if (f->call.op.result == 0 && (f->status == 404 || f->status == 410))
        return f->paid && f->absent++ < f->retries;
    if (f->call.op.result == 0)
        return f->status == 408 || f->status == 429 || f->status >= 500;
    return (f->call.op.result == -ERR_UPSTREAM && f->status / 100 != 3) ||
           f->call.op.result == -ERR_PROVIDER_UNAVAILABLE || (f->paid && f->call.op.result == -ERR_DEADLINE);
}

/* True when another try has been arranged. */
static bool again(struct fetch *f)
{
    if (!passing(f))
        return false;
    uint64_t at = patience_next_ns(&f->patience, &f->rng, loop_now_ns(f->loop), f->call.retry_after);
    if (at == 0)
        return false;
    http_call_release(&f->call);
    timer_arm(f->loop, &f->pause, at, pause_over);
    return true;
}

static void call_done(struct op *op)
{
    struct fetch *f = op->owner;
    struct http_call *call = &f->call;
    f->status = call->status;
    if (op->result == 0 && call->status / 100 == 2) {
        f->bytes = buf_take_blob(&call->answer);
        finish(f, 0);
        return;
    }
    if (!f->cancelled && again(f))
        return;
    if (op->result == 0)
        error_set(&f->err, ERR_UPSTREAM, "The server answered %d", call->status);
    else
        f->err = call->err;
    finish(f, -(int)f->err.code);
}

static void try_now(struct fetch *f)
{
    f->call = (struct http_call){
        .op.owner = f,
        .method = "GET",
        .url = f->url,
        .header = {{"Accept", "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5", false}},
        .header_count = 1,
        .answer_max_bytes = f->max_bytes,
        .answers_left = f->bytes_left,
        .timeout_ms = patience_left_ms(&f->patience, loop_now_ns(f->loop), f->timeout_ms),
        .stall_timeout_ms = STALL_MS,
        .redirects_max = f->redirects_max,
        .guard = true,
    };
    http_call_start(f->pool, &f->call, call_done);
}

void fetch_start(struct http_client_pool *pool, struct loop *loop, struct fetch *f, op_done_fn *on_done)
{
    f->pool = pool;
    f->loop = loop;
    uint64_t now = loop_now_ns(loop);
    patience_begin(&f->patience, f->paid ? PATIENCE_TRIES_ANY : f->retries, now, f->timeout_ms);
    rng_seed(&f->rng, now);
    op_begin(&f->op, loop, on_done, cancel);
    try_now(f);
}

void fetch_release(struct fetch *f)
{
    blob_unref(f->bytes);
    f->bytes = NULL;
}
