/* One call to the API: what every call has in common, and what its failure means for the account. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/backoff.h"
#include "predict/replicate_json.h"
#include "predict/replicate_run.h"

enum {
    CONNECT_MS = 10000,
    MARGIN_LEAST_MS = 500, /* added to what the server asks for: it rounds, and counts what it refuses */
    MARGIN_MOST_MS = 1000
};

struct http_call *run_call_prepare(struct replicate_run *run, const char *method, const char *path)
{
    const struct replicate *self = run->self;
    uint32_t timeout_ms = (uint32_t)self->config.opt->http_timeout_ms;
    http_call_release(&run->call);
    run->call = (struct http_call){
        .method = method,
        .answer_max_bytes = REPLICATE_JSON_BYTES_MAX,
        .connect_timeout_ms = MIN((uint32_t)CONNECT_MS, timeout_ms),
        .timeout_ms = timeout_ms,
        .stall_timeout_ms = timeout_ms,
        .decode = true,
    };
    /* What is no path was checked to lie below the base when it was read. */
    free(run->url);
    run->call.url = run->url = mem_printf("%s%s", *path == '/' ? self->base_url : "", path);
    run_call_header(run, "Authorization", self->authorization);
    run->call.header[0].secret = true;
    return &run->call;
}

void run_call_header(struct replicate_run *run, const char *name, const char *value)
{
    CHECK(run->call.header_count < HTTP_CALL_HEADERS_MAX);
    run->call.header[run->call.header_count++] = (struct http_header){.name = name, .value = value};
}

bool run_call_ok(const struct replicate_run *run)
{
    return run->call.op.result == 0 && run->call.status >= 200 && run->call.status <= 299;
}

struct replicate_reply run_call_reply(const struct replicate_run *run, enum replicate_call call)
{
    return (struct replicate_reply){
        .call = call,
        .status = run->call.status,
        .body = run->call.answer.data,
        .size = run->call.answer.len,
        .retry_after = run->call.retry_after,
        .token = run->self->config.opt->replicate_token,
        .now_s = clock_wall_s(),
    };
}

static void no_answer(const struct http_call *c, enum replicate_call call, struct replicate_problem *ret)
{
    bool unsent = c->sent == SENT_NOTHING;
    *ret = (struct replicate_problem){.advice = REPLICATE_AGAIN, .err = c->err};
    if (c->err.code == ERR_VALIDATION || c->err.code == ERR_INTERNAL) {
        ret->advice = REPLICATE_STOP;
        ret->err.code = ERR_INTERNAL; /* the address is the operator's, not the caller's */
    } else if (call == REPLICATE_CALL_CREATE && !unsent) {
        ret->advice = REPLICATE_LOOK_UP;
        ret->err = (struct error){.code = ERR_UNKNOWN_OUTCOME};
    } else {
        ret->err.code = unsent ? ERR_PROVIDER_UNAVAILABLE : ERR_UPSTREAM;
    }
}

/* Everybody waits. */
static void pause_account(struct replicate_run *run, const struct replicate_problem *p)
{
    struct replicate *self = run->self;
    const struct options *opt = self->config.opt;
    uint64_t now = loop_now_ns(self->config.loop), wait_ns = p->err.retry_after_s * NS_PER_S;
    if (wait_ns == 0)
        wait_ns = backoff_ns(&self->rng, opt->ai_retry_base_ms, opt->ai_retry_factor, run->tries_why[0]);
    wait_ns += (MARGIN_LEAST_MS + rng_below(&self->rng, MARGIN_MOST_MS - MARGIN_LEAST_MS)) * NS_PER_MS;
    bucket_pause(&self->bucket, now, now + wait_ns);
    if (p->low_credit && !self->bucket.slow)
        replicate_notice(self, "account low on credit", "", p->excerpt);
    if (p->low_credit)
        bucket_slow_down(&self->bucket, now);
    shared_bucket_pause(self->shared_bucket, now + wait_ns, p->low_credit);
}

void run_call_problem(struct replicate_run *run, enum replicate_call call, struct replicate_problem *ret)
{
    struct replicate *self = run->self;
    if (run->call.op.result < 0) {
        no_answer(&run->call, call, ret);
    } else {
        struct replicate_reply reply = run_call_reply(run, call);
        replicate_error_read(&reply, ret);
    }
    if (ret->advice == REPLICATE_WAIT)
        pause_account(run, ret);
    if (ret->advice == REPLICATE_BREAK) {
        if (breaker_trip(&self->account, loop_now_ns(self->config.loop))) {
            metrics_count(self->metrics, NULL, PROVIDER_BREAKERS_OPENED, 1);
            replicate_notice(self, "account switched off", "", ret->excerpt);
        }
        run->account = BREAKER_REFUSED;
        ret->err.retry_after_s = (unsigned)((self->config.opt->breaker_account_ms + 999) / 1000);
    }
    run->failing = ret->advice == REPLICATE_AGAIN || ret->advice == REPLICATE_LOOK_UP;
}

enum provider_count run_why(const struct replicate_run *run, const struct replicate_problem *p)
{
    if (p->advice == REPLICATE_WAIT)
        return PROVIDER_AGAIN_THROTTLED;
    return run->call.op.result < 0 && run->call.sent == SENT_NOTHING ? PROVIDER_AGAIN_UNSENT
                                                                     : PROVIDER_AGAIN_SERVER;
}

void run_call_failed(struct replicate_run *run, enum replicate_call call)
{
    struct replicate_problem problem;
    run_call_problem(run, call, &problem);
    if (problem.refusal != REPLICATE_REFUSAL_NONE) /* but such a call carries no input */
        error_set(&problem.err, ERR_UPSTREAM, "The model's server answered with status %d", run->call.status);
    if (problem.advice == REPLICATE_WAIT || problem.advice == REPLICATE_AGAIN)
        run_again(run, run->at, run_why(run, &problem), &problem.err);
    else
        run_fail(run, &problem.err);
}
