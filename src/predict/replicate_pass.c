/* Happy path: one call, and its answer. Failure modes: what passes by itself is tried again after a pause, as
 * long as there is patience; then the last answer is the answer, whatever it says. Invariants: either the
 * call runs, or the pause is armed, or the op is complete. */
#include "predict/replicate_pass.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "predict/replicate_run.h"

enum { CONNECT_MS = 10000 };

static void call_now(struct replicate_pass *pass);

static uint64_t now_of(const struct replicate_pass *pass)
{
    return loop_now_ns(pass->self->config.loop);
}

static void finish(struct replicate_pass *pass, int result)
{
    free(TAKE(pass->url));
    op_complete(&pass->op, result);
}

static void cancel(struct op *op)
{
    struct replicate_pass *pass = CONTAINER_OF(op, struct replicate_pass, op);
    if (pass->pause.slot) {
        timer_disarm(pass->self->config.loop, &pass->pause);
        finish(pass, error_set(&pass->err, ERR_CLIENT_GONE, "%s", ""));
        return;
    }
    pass->cancelled = true;
    op_cancel(&pass->call.op);
}

static bool passing(const struct replicate_pass *pass, int result)
{
    int status = pass->call.status;
    if (result < 0)
        return result == -ERR_UPSTREAM || result == -ERR_PROVIDER_UNAVAILABLE || result == -ERR_DEADLINE;
    return status == 408 || status == 429 || status >= 500;
}

static void pause_over(struct timer *t)
{
    struct replicate_pass *pass = CONTAINER_OF(t, struct replicate_pass, pause);
    http_call_release(&pass->call);
    call_now(pass);
}

static void call_done(struct op *op)
{
    struct replicate_pass *pass = CONTAINER_OF(op, struct replicate_pass, call.op);
    if (!pass->cancelled && passing(pass, op->result)) {
        uint64_t at = patience_next_ns(&pass->patience, &pass->rng, now_of(pass), pass->call.retry_after);
        if (at > 0) {
            timer_arm(pass->self->config.loop, &pass->pause, at, pause_over);
            return;
        }
    }
    pass->err = pass->call.err;
    finish(pass, op->result);
}

static void call_now(struct replicate_pass *pass)
{
    const struct replicate *self = pass->self;
    pass->call = (struct http_call){
        .method = pass->method,
        .url = pass->url,
        .header = {{"Authorization", self->authorization, true}},
        .header_count = 1,
        .body = pass->body,
        .answer_max_bytes = pass->answer_max_bytes,
        .connect_timeout_ms = MIN((uint32_t)CONNECT_MS, pass->timeout_ms),
        .timeout_ms = patience_left_ms(&pass->patience, now_of(pass), pass->timeout_ms),
        .decode = true,
        .repeatable = true,
    };
    if (pass->content_type)
        pass->call.header[pass->call.header_count++] =
            (struct http_header){"Content-Type", pass->content_type, false};
    http_call_start(self->config.pool, &pass->call, call_done);
}

void replicate_pass_start(struct provider *provider, struct replicate_pass *pass, op_done_fn *on_done)
{
    struct replicate *self = CONTAINER_OF(provider, struct replicate, provider);
    uint64_t now = loop_now_ns(self->config.loop);
    pass->self = self;
    pass->url = mem_printf("%s%s", self->base_url, pass->path);
    patience_begin(&pass->patience, pass->retries, now, pass->timeout_ms);
    rng_seed(&pass->rng, rng_next(&self->rng));
    op_begin(&pass->op, self->config.loop, on_done, cancel);
    call_now(pass);
}

void replicate_pass_release(struct replicate_pass *pass)
{
    http_call_release(&pass->call);
}

const char *replicate_base_url(const struct provider *provider)
{
    return CONTAINER_OF((struct provider *)(uintptr_t)provider, struct replicate, provider)->base_url;
}
