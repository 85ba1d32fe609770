/* One run on a Cog server.
 *
 * Happy path: it waits for a server, its picture is posted, the answer that comes when the model has ended is
 * read on a lane, as it may be a hundred megabytes of JSON. Failure modes: the server has no room or is not
 * up: it waits again, for as long as its deadline allows; the connection breaks, or the run is ended there:
 * again, AI_RETRIES times, since it costs nothing but time; the model fails: it ends. Cancelled, or its
 * deadline comes, while the model runs: the connection is closed, which ends the run on most servers, and the
 * others are asked to. Invariants: exactly one of waiting, sent, and being read; the timer is armed until it
 * ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/cog.h"
#include "predict/cog_body.h"
#include "predict/replicate_input.h"
#include "predict/replicate_json.h"

enum { FAREWELL_BYTES_MAX = 64 << 10, LOGS_BYTES_MAX = 20 << 20 };

enum stop { STOP_NOT, STOP_CANCELLED, STOP_DEADLINE, STOP_LOST };

struct cog_run {
    struct list node; /* in the provider's waiting ones, or in its server's sent ones */
    struct cog *cog;
    struct prediction *prediction;
    struct cog_server *server; /* the last one it was sent to; NULL: none yet */
    struct blob *body;         /* made when it is first sent */
    struct http_call call;
    char id[UUID_TEXT];
    char *url;
    struct timer deadline;
    unsigned tries; /* that may have run */
    bool avoid;     /* another server than the last one, if there is one */
    enum stop stop;
    struct lane_job job;
    struct cog_answer answer;
};

/* To a server that goes on when its caller leaves. */
struct farewell {
    struct list node;
    struct http_call call;
    char *url;
};

struct cog_run *cog_run_of(struct list *node)
{
    return CONTAINER_OF(node, struct cog_run, node);
}

const struct feature *cog_run_feature(const struct cog_run *run)
{
    return run->prediction->feature;
}

int cog_run_avoids(const struct cog_run *run)
{
    return run->avoid ? (int)(run->server - run->cog->server) : -1;
}

/* ---- its end ---- */

static void finish(struct cog_run *run, int result)
{
    struct prediction *p = run->prediction;
    timer_disarm(run->cog->config.loop, &run->deadline);
    list_remove(&run->node);
    blob_unref(run->body);
    free(run->url);
    p->driver = NULL;
    free(run);
    op_complete(&p->op, result);
}

static void finish_failed(struct cog_run *run, const struct error *err)
{
    run->prediction->err = *err;
    finish(run, -(int)err->code);
}

static void finish_stopped(struct cog_run *run)
{
    struct error err = {0};
    if (run->stop == STOP_DEADLINE)
        error_set(&err, ERR_DEADLINE, "%s",
                  run->server ? "The model did not finish in time" : "No Cog server had room in time");
    else
        error_set(&err, ERR_CLIENT_GONE, "%s", "");
    finish_failed(run, &err);
}

void cog_run_unavailable(struct cog_run *run)
{
    struct error err = {0};
    struct cog *c = run->cog;
    int r = c->provider.ops->available(&c->provider, run->prediction->feature, &err);
    CHECK(r < 0);
    finish_failed(run, &err);
}

/* ---- taking leave of a server ---- */

static void farewell_free(struct farewell *f)
{
    list_remove(&f->node);
    http_call_release(&f->call);
    free(f->url);
    free(f);
}

static void farewell_heard(struct op *op)
{
    farewell_free(CONTAINER_OF(op, struct farewell, call.op));
}

static void say_farewell(struct cog_run *run)
{
    const struct remote_config *config = &run->cog->config;
    struct farewell *f = NEW(struct farewell);
    f->url = mem_printf("%s/predictions/%s/cancel", run->server->url, run->id);
    f->call = (struct http_call){
        .method = "POST",
        .url = f->url,
        .answer_max_bytes = FAREWELL_BYTES_MAX,
        .timeout_ms = (uint32_t)config->opt->cog_health_ms,
    };
    list_push_back(&run->cog->farewells, &f->node);
    http_call_start(config->pool, &f->call, farewell_heard);
}

void cog_farewells_free(struct cog *c)
{
    LIST_FOREACH_SAFE (node, &c->farewells) {
        struct farewell *f = CONTAINER_OF(node, struct farewell, node);
        op_cancel(&f->call.op);
        list_remove(&f->call.op.ready);
        farewell_free(f);
    }
}

/* ---- its answer ---- */

static void wait_again(struct cog_run *run)
{
    if (run->stop == STOP_CANCELLED || run->stop == STOP_DEADLINE) {
        finish_stopped(run);
        return;
    }
    run->stop = STOP_NOT;
    list_push_front(&run->cog->waiting, &run->node); /* it has waited the longest */
}

static void try_again(struct cog_run *run, const struct error *err)
{
    run->avoid = true;
    if (run->tries++ < (unsigned)run->cog->config.opt->ai_retries)
        wait_again(run);
    else
        finish_failed(run, err);
}

static void refused(struct cog_run *run)
{
    struct cog *c = run->cog;
    const struct cog_pause pause = {c->config.opt->ai_retry_base_ms, c->config.opt->ai_retry_factor};
    uint64_t now = loop_now_ns(c->config.loop);
    struct cog_server *s = run->server;
    cog_server_refused(s, &pause, now, &c->rng);
    s->pause_until_ns = MAX(s->pause_until_ns, now + run->answer.wait_s * NS_PER_S);
    cog_doubt(s); /* some say no room while they start */
    wait_again(run);
}

static void hand_over(struct cog_run *run)
{
    struct prediction *p = run->prediction;
    memcpy(p->output, run->answer.output, sizeof(p->output));
    p->output_count = run->answer.output_count;
    finish(run, 0);
}

static void answer_known(struct cog_run *run)
{
    struct cog *c = run->cog;
    switch (run->answer.next) {
    case COG_DONE:
        cog_server_took(run->server);
        hand_over(run);
        break;
    case COG_FAIL:
        cog_server_took(run->server);
        if (run->answer.refusal != REPLICATE_REFUSAL_NONE)
            replicate_input_blame(run->prediction->params, run->answer.refusal, &run->answer.err);
        finish_failed(run, &run->answer.err);
        break;
    case COG_RETRY:
        cog_doubt(run->server);
        try_again(run, &run->answer.err);
        break;
    case COG_FULL:
    case COG_NOT_UP:
        refused(run);
        break;
    }
    cog_dispatch(c);
}

/* On the lane. */
static int read_answer(struct lane_job *job)
{
    struct cog_run *run = CONTAINER_OF(job, struct cog_run, job);
    const struct replicate_reply reply = {
        .call = REPLICATE_CALL_OTHER,
        .status = run->call.status,
        .body = run->call.answer.data,
        .size = run->call.answer.len,
        .retry_after = run->call.retry_after,
        .now_s = clock_wall_s(),
    };
    const struct options *opt = run->cog->config.opt;
    const struct output_limits limits = {.items_max = RESULT_OUTPUTS_MAX,
                                         .bytes_max = (size_t)opt->output_max_bytes,
                                         .total_max = (size_t)opt->output_total_max_bytes,
                                         .concatenate = run->prediction->feature->work == WORK_WRITER};
    cog_answer_read(&reply, &limits, &run->answer);
    http_call_release(&run->call);
    return 0;
}

static void answer_read(struct op *op)
{
    answer_known(CONTAINER_OF(op, struct cog_run, job.op));
}

static void answer_came(struct cog_run *run)
{
    struct lane *lane = run->cog->config.lane;
    if (run->call.status <= 299 && lane && lane_submit(lane, &run->job, read_answer, answer_read) == 0)
        return;
    read_answer(&run->job); /* small, or better late than never */
    answer_known(run);
}

static void no_answer(struct cog_run *run)
{
    const struct http_call *call = &run->call;
    struct cog *c = run->cog;
    if (run->stop == STOP_CANCELLED || run->stop == STOP_DEADLINE) {
        if (call->sent == SENT_MAYBE)
            say_farewell(run);
        finish_stopped(run);
    } else if (call->err.code == ERR_PAYLOAD_TOO_LARGE) {
        struct error err = {0};
        error_set(&err, ERR_UPSTREAM, "The model's output is too large");
        finish_failed(run, &err);
    } else if (call->sent == SENT_NOTHING) {
        atomic_store(&run->server->state, COG_UNREACHABLE);
        wait_again(run);
    } else {
        if (run->stop != STOP_LOST)
            cog_doubt(run->server);
        struct error err = {0};
        error_set(&err, ERR_UPSTREAM, "The connection to the model's server broke");
        try_again(run, &err);
    }
    cog_dispatch(c);
}

static void call_done(struct op *op)
{
    struct cog_run *run = CONTAINER_OF(op, struct cog_run, call.op);
    list_remove(&run->node);
    cog_server_end(run->server);
    if (op->result == 0)
        answer_came(run);
    else
        no_answer(run);
}

/* ---- its way there ---- */

/* JSON, base64, and logs beside it. */
static uint64_t answer_max_bytes(const struct options *opt)
{
    uint64_t most =
        (uint64_t)MAX(opt->output_max_bytes, opt->output_total_max_bytes) / 3 * 4 + LOGS_BYTES_MAX;
    return MIN(most, (uint64_t)REPLICATE_JSON_BYTES_MAX);
}

static int make_body(struct cog_run *run)
{
    if (run->body)
        return 0;
    uuid_make(run->id);
    return cog_body_make(run->prediction, run->id, &run->body, &run->answer.err);
}

void cog_run_send(struct cog_run *run, struct cog_server *s)
{
    const struct remote_config *config = &run->cog->config;
    list_remove(&run->node);
    if (make_body(run) < 0) {
        finish_failed(run, &run->answer.err);
        return;
    }
    run->server = s;
    run->avoid = false;
    free(run->url);
    run->url = mem_printf("%s/predictions", s->url);
    run->call = (struct http_call){
        .method = "POST",
        .url = run->url,
        .header = {{.name = "Content-Type", .value = "application/json"}}, /* Go's server takes no charset */
        .header_count = 1,
        .body = run->body,
        .answer_max_bytes = answer_max_bytes(config->opt),
        .connect_timeout_ms = (uint32_t)config->opt->cog_health_ms,
        .repeatable = true,
    };
    list_push_back(&s->sent, &run->node);
    cog_server_begin(s);
    http_call_start(config->pool, &run->call, call_done);
}

/* ---- stopping it ---- */

/* While the answer is read nothing is stopped: it is about to end. */
static void stop(struct cog_run *run, enum stop why)
{
    bool waiting = run->call.op.state == OP_IDLE && run->job.op.state == OP_IDLE;
    run->stop = why;
    if (waiting)
        finish_stopped(run);
    else
        op_cancel(&run->call.op);
}

static void deadline_came(struct timer *t)
{
    stop(CONTAINER_OF(t, struct cog_run, deadline), STOP_DEADLINE);
}

static void cancel_run(struct op *op)
{
    struct prediction *p = CONTAINER_OF(op, struct prediction, op);
    if (p->driver)
        stop(p->driver, STOP_CANCELLED);
}

void cog_run_lost(struct cog_run *run)
{
    stop(run, STOP_LOST);
}

void cog_run_start(struct cog *c, struct prediction *p)
{
    struct cog_run *run = NEW(struct cog_run);
    run->cog = c;
    run->prediction = p;
    p->driver = run;
    p->model = p->feature->model;
    op_begin(&p->op, c->config.loop, p->op.on_done, cancel_run);
    list_push_back(&c->waiting, &run->node);
    timer_arm(c->config.loop, &run->deadline, p->deadline_ns, deadline_came);
}
