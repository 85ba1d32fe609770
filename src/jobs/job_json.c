#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/money.h"
#include "jobs/batch.h"
#include "jobs/job.h"
#include "metrics/metrics.h"
#include "request/stage.h"
#include "request/story.h"

enum { ANSWER_MAX = 1 << 20 };

const char *job_state_name(const struct job *job)
{
    static const char *const names[] = {
        [JOURNAL_QUEUED] = "queued", [JOURNAL_RUNNING] = "running",   [JOURNAL_COMPLETED] = "completed",
        [JOURNAL_FAILED] = "failed", [JOURNAL_CANCELED] = "canceled",
    };
    return names[job->state];
}

/* Where its prediction would wait. */
static const struct limiter *model_queue(const struct job *job)
{
    const struct services *svc = job->jobs->svc;
    const struct request *req = job->req;
    if (req && req->at == STAGE_QUEUE)
        return req->queue.wait.limiter;
    const struct provider *first = svc->provider_count ? svc->provider[0] : NULL;
    return first && first->ops->own_limiter ? svc->local_limiter : svc->class_limiter[job->feature->class];
}

/* How many are likely to run before it; 0: it is the next, or runs. */
static size_t ahead_of(const struct job *job)
{
    const struct limiter *l = model_queue(job);
    if (job->state != JOURNAL_QUEUED || !l)
        return 0;
    if (job->req && job->req->at == STAGE_QUEUE)
        return limiter_position(&job->req->queue.wait);
    if (!job->has_slot && limiter_is_waiting(&job->slot))
        return limiter_position(&job->slot) + l->waiting;
    return l->waiting;
}

/* By what runs of this feature took lately, and what is before it; -1: nobody knows. */
static int64_t eta_ms(const struct job *job)
{
    uint64_t typical = metrics_typical_ns(job->jobs->svc->metrics, job->feature);
    const struct limiter *l = model_queue(job);
    if (typical == 0 || !l || job_is_over(job))
        return -1;
    int64_t run_ms = (int64_t)(typical / NS_PER_MS);
    if (job->state == JOURNAL_RUNNING) {
        int64_t spent = (int64_t)clock_wall_ms() - job->started_ms;
        if (job->total && job->done)
            return spent * (job->total - MIN(job->done, job->total)) / job->done;
        return MAX(run_ms - spent, 0);
    }
    size_t turns = ahead_of(job) / MAX(l->slots, (size_t)1) + 1;
    return run_ms * (int64_t)turns;
}

static const char *stage_name(const struct job *job)
{
    if (job_is_over(job))
        return job_state_name(job);
    if (job->ending)
        return stages[STAGE_RESPOND].name;
    return job->req ? stages[job->req->at].name : "accepted";
}

void job_put_progress(struct buf *b, const struct job *job)
{
    int64_t eta = eta_ms(job);
    json_out_text(b, "stage", stage_name(job));
    if (job->req && job->req->run.story)
        story_put_news(job->req->run.story, b);
    if (job->total) {
        json_out_key(b, "progress");
        json_out_begin(b, '{');
        json_out_int(b, "done", job->done);
        json_out_int(b, "total", job->total);
        json_out_int(b, "percent", (int64_t)MIN(job->done, job->total) * 100 / job->total);
        json_out_end(b, '}');
    }
    json_out_int(b, "queue_position", (int64_t)ahead_of(job));
    if (eta >= 0) {
        json_out_int(b, "eta_ms", eta);
    } else {
        json_out_key(b, "eta_ms");
        buf_puts(b, "null");
    }
}

static void put_url(struct buf *b, const char *name, const struct job *job, const char *base_url,
                    const char *rest)
{
    BUF_ON_EXIT struct buf url;
    buf_init(&url, 1024);
    buf_printf(&url, "%s/api/jobs/%s%s", base_url, job->id, rest);
    json_out_text(b, name, buf_text(&url));
}

static void put_time(struct buf *b, const char *name, int64_t ms)
{
    if (ms > 0)
        json_out_int(b, name, ms);
}

static void put_error(struct buf *b, const struct error *e)
{
    const struct err_row *row = err_row(e->code);
    json_out_key(b, "error");
    json_out_begin(b, '{');
    json_out_text(b, "message", *e->reason ? e->reason : row->message);
    json_out_text(b, "code", row->code);
    json_out_bool(b, "retryable", row->retryable);
    if (*e->field)
        json_out_text(b, "field", e->field);
    json_out_end(b, '}');
}

static void put_outcome(struct buf *b, const struct job *job, const char *base_url)
{
    const struct job_outcome *o = &job->outcome;
    char cost[MONEY_TEXT];
    json_out_bool(b, "billed", o->billed);
    json_out_key(b, "cost_usd");
    buf_puts(b, money_text(o->cost_nano, cost));
    if (o->result) {
        json_out_key(b, "result");
        json_out_begin(b, '{');
        answer_success(b, job->jobs->svc, o->result, &o->how, base_url, o->meta ? o->meta : "{}");
        json_out_end(b, '}');
    } else if (o->err.code != ERR_NONE) {
        put_error(b, &o->err);
    }
}

void job_put(struct buf *b, const struct job *job, const char *base_url)
{
    json_out_begin(b, '{');
    json_out_text(b, "job_id", job->id);
    json_out_text(b, "feature", job->feature->name);
    json_out_text(b, "state", job_state_name(job));
    put_time(b, "created_ms", job->created_ms);
    put_time(b, "started_ms", job->started_ms);
    put_time(b, "ended_ms", job->ended_ms);
    if (job->kind == JOURNAL_BATCH)
        job_batch_put(b, job);
    if (job_is_over(job))
        put_outcome(b, job, base_url);
    else
        job_put_progress(b, job);
    put_url(b, "status_url", job, base_url, "");
    put_url(b, "events_url", job, base_url, "/events");
    put_url(b, "cancel_url", job, base_url, "/cancel");
    if (job->kind == JOURNAL_BATCH)
        put_url(b, "children_url", job, base_url, "/children");
    json_out_end(b, '}');
}

struct reply *job_reply(int status, const struct job *job, const char *request_id, job_put_fn *put,
                        const char *base_url)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, ANSWER_MAX);
    json_out_begin(&text, '{');
    json_out_text(&text, "request_id", request_id);
    json_out_text(&text, "status", job_state_name(job));
    json_out_key(&text, "data");
    put(&text, job, base_url);
    json_out_end(&text, '}');
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&text);
    return reply_json(status, body);
}
