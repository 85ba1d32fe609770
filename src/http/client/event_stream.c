/* Happy path: one GET whose bytes go through the reader while they come; the last event ends the call.
 * Failure modes: a connection that ends early for a passing reason is followed by a pause and another; one
 * that has brought an event gives the patience back. Invariants: either a call runs, or the pause is armed,
 * or the op is complete; no event comes after the last one. */
#include "http/client/event_stream.h"

#include "base/clock.h"

enum { RETRY_MAX_MS = 30000, REDIRECTS_MAX = 3 };

static void connect_now(struct event_stream *s);

static void finish(struct event_stream *s, int result)
{
    http_call_release(&s->call);
    op_complete(&s->op, result);
}

static void cancel(struct op *op)
{
    struct event_stream *s = CONTAINER_OF(op, struct event_stream, op);
    if (s->pause.slot) {
        timer_disarm(s->loop, &s->pause);
        finish(s, error_set(&s->err, ERR_CLIENT_GONE, "%s", ""));
        return;
    }
    s->cancelled = true;
    op_cancel(&s->call.op);
}

static void take_event(void *ctx, const struct sse_event *event)
{
    struct event_stream *s = ctx;
    if (s->over)
        return;
    s->heard |= *event->type != '\0';
    s->over = s->on_event(s, event);
}

static bool take_bytes(struct http_call *call, const char *bytes, size_t size)
{
    struct event_stream *s = call->op.owner;
    s->too_long = sse_read(&s->sse, bytes, size) < 0;
    return !s->too_long && !s->over;
}

/* Another connection may bring what this one has not. 204 is the standard's word for: come no more. */
static bool passing(const struct event_stream *s, int result)
{
    if (result < 0)
        return result == -ERR_UPSTREAM || result == -ERR_PROVIDER_UNAVAILABLE || result == -ERR_DEADLINE;
    if (s->status / 100 == 2)
        return s->status != 204;
    return s->status == 408 || s->status == 429 || s->status >= 500;
}

static void pause_over(struct timer *t)
{
    connect_now(CONTAINER_OF(t, struct event_stream, pause));
}

static void renew_patience(struct event_stream *s, uint64_t now)
{
    uint64_t left_ms = s->until_ns > now ? (s->until_ns - now) / NS_PER_MS : 0;
    patience_begin(&s->patience, s->retries, now, (uint32_t)MAX(left_ms, 1));
}

/* True when another connection has been arranged. */
static bool again(struct event_stream *s, int result)
{
    uint64_t now = loop_now_ns(s->loop);
    if (s->cancelled || !passing(s, result) || now >= s->until_ns)
        return false;
    if (s->heard)
        renew_patience(s, now);
    uint64_t at = patience_next_ns(&s->patience, &s->rng, now, s->call.retry_after);
    if (at == 0)
        return false;
    if (s->sse.retry_ms > 0)
        at = MAX(at, now + (uint64_t)MIN(s->sse.retry_ms, (int64_t)RETRY_MAX_MS) * NS_PER_MS);
    http_call_release(&s->call);
    timer_arm(s->loop, &s->pause, at, pause_over);
    return true;
}

static int fault(struct event_stream *s, int result)
{
    if (s->too_long)
        return error_set(&s->err, ERR_PAYLOAD_TOO_LARGE, "An event of the stream is too long");
    if (result < 0) {
        s->err = s->call.err;
        return result;
    }
    if (s->status / 100 != 2)
        return error_set(&s->err, ERR_UPSTREAM, "The server answered %d", s->status);
    return error_set(&s->err, ERR_UPSTREAM, "The stream ended before its last event");
}

static void call_done(struct op *op)
{
    struct event_stream *s = op->owner;
    s->status = s->call.status;
    if (s->over)
        finish(s, 0);
    else if (s->too_long || !again(s, op->result))
        finish(s, fault(s, op->result));
}

static void connect_now(struct event_stream *s)
{
    uint64_t now = loop_now_ns(s->loop);
    sse_restart(&s->sse);
    s->heard = false;
    s->call = (struct http_call){
        .op.owner = s,
        .method = "GET",
        .url = s->url,
        .header = {{"Accept", "text/event-stream", false}, {"Cache-Control", "no-store", false}},
        .header_count = 2,
        .take = take_bytes,
        .answer_max_bytes = UINT64_MAX,
        .timeout_ms = patience_left_ms(&s->patience, now, s->timeout_ms),
        .stall_timeout_ms = s->idle_ms,
        .redirects_max = REDIRECTS_MAX,
        .guard = true,
    };
    if (*s->sse.last_id)
        s->call.header[s->call.header_count++] = (struct http_header){"Last-Event-ID", s->sse.last_id, false};
    if (s->authorization)
        s->call.header[s->call.header_count++] =
            (struct http_header){"Authorization", s->authorization, true};
    http_call_start(s->pool, &s->call, call_done);
}

void event_stream_start(struct http_client_pool *pool, struct loop *loop, struct event_stream *s,
                        op_done_fn *on_done)
{
    uint64_t now = loop_now_ns(loop);
    s->pool = pool;
    s->loop = loop;
    s->until_ns = now + s->timeout_ms * NS_PER_MS;
    sse_init(&s->sse, s->event_max, take_event, s);
    renew_patience(s, now);
    rng_seed(&s->rng, now);
    op_begin(&s->op, loop, on_done, cancel);
    connect_now(s);
}

void event_stream_release(struct event_stream *s)
{
    sse_release(&s->sse);
}
