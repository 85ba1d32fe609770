/* 067 intent: before a run that costs money begins, a row in the journal says so.
 *
 * Happy path: one write, in a group with those of others, and the run begins; its prediction's id follows as
 * soon as it is known, and 100 says how it ended. Failure modes: the database cannot be had: a job goes
 * back to 060 and comes again until it can; a request whose client waits goes on without a row,
 * as a database that is away must not stop paid work (it is logged). Invariants: a job's row is its own;
 * a part of a job's work gets one here that stays until the job is over; another request gets one of its own
 * here, which is gone when it has ended well. */
#include "request/intent.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "request/job_desk.h"
#include "request/request_json.h"
#include "request/stage.h"

struct run_intent {
    struct journal_write write;
    struct journal_row row;
    char id[UUID_TEXT];
    bool written;
};

/* Runs on machines of our own cost nothing that could be lost twice. */
static bool is_needed(const struct request *req)
{
    const struct provider *p = req->queue.provider;
    return req->svc->journal && p && p->ops->bills;
}

/* An earlier run is looked at first: its row stays as it is. */
bool intent_resumes(const struct request *req)
{
    const struct run_resume *r = req->intent.resume;
    return r && r->provider && req->queue.provider &&
           strcmp(r->provider, req->queue.provider->ops->name) == 0;
}

static const char *what_was_asked(struct request *req)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, REQUEST_JSON_MAX);
    return request_to_json(req, &text) < 0 ? "" : arena_strdup(&req->arena, buf_text(&text));
}

static struct run_intent *intent_of(struct request *req)
{
    struct run_intent *i = arena_alloc(&req->arena, sizeof(*i));
    uuid_make(i->id);
    i->row = (struct journal_row){
        .id = i->id,
        .kind = JOURNAL_REQUEST,
        .tenant = req->tenant,
        .feature = req->feature->name,
        .created_ms = (int64_t)clock_wall_ms(),
    };
    i->row.state = JOURNAL_RUNNING;
    if (req->row) {
        i->row.id = req->row;
        i->row.kind = JOURNAL_STEP;
        i->row.parent = req->svc->desk->id(req->job);
        i->row.created_ms = req->svc->desk->created_ms(req->job); /* it is read right behind its job */
    } else if (req->job) {
        i->row.id = req->svc->desk->id(req->job);
    } else {
        i->row.request = what_was_asked(req);
    }
    return i;
}

enum verdict intent_enter(struct request *req)
{
    if (!is_needed(req) || intent_resumes(req))
        return NEXT;
    if (!req->intent.made)
        req->intent.made = intent_of(req);
    struct run_intent *i = req->intent.made;
    i->row.provider = req->queue.provider->ops->name;
    i->row.intent_ms = (int64_t)clock_wall_ms();
    i->row.started_ms = i->row.intent_ms;
    i->write = (struct journal_write){0};
    journal_intent(req->svc->journal, &i->write, &i->row, pipeline_op_done);
    return stage_wait(req, &i->write.op);
}

enum verdict intent_done(struct request *req)
{
    int r = req->intent.made->write.op.result;
    req->intent.made->written = r == 0;
    if (r == 0 || req->cancelled)
        return NEXT; /* a cancel is weighed by the driver */
    if (r == -ERR_NOT_FOUND) {
        error_set(&req->err, ERR_UNKNOWN_OUTCOME, "Another gateway has taken this job over");
        return FAIL;
    }
    if (req->job) { /* it can wait until the database is back, which each write does for a while */
        queue_let_go(req);
        budget_settle(&req->budget.hold, 0);
        return AGAIN;
    }
    LOG(LOG_WARN, "a paid run without a row in the journal", F_STR("id", req->id));
    return NEXT;
}

static const char *copy(const char *text, struct arena *a)
{
    return text ? arena_strdup(a, text) : NULL;
}

struct run_resume *intent_copy(const struct run_resume *r, struct arena *a)
{
    if (!r)
        return NULL;
    struct run_resume *c = arena_alloc(a, sizeof(*c));
    *c = (struct run_resume){copy(r->provider, a), copy(r->prediction, a), copy(r->input_url, a),
                             r->intent_ms};
    return c;
}

bool intent_needs_no_picture(const struct request *req)
{
    return req->intent.resume && req->intent.resume->prediction;
}

const char *intent_row(const struct request *req)
{
    if (req->job)
        return req->row ? req->row : req->svc->desk->id(req->job);
    return req->intent.made ? req->intent.made->row.id : NULL;
}

void intent_hold(struct request *req)
{
    req->intent.hold = req->svc->journal ? journal_hold(req->svc->journal) : 0;
}

enum may_pay intent_may_pay(const struct request *req)
{
    const struct run_intent *i = req->intent.made;
    if (!req->svc->journal || !intent_row(req) || (i && !i->written))
        return PAY_NOW; /* there is no row that another gateway could go on with */
    if (req->intent.hold != journal_hold(req->svc->journal))
        return PAY_NEVER;
    return journal_holds(req->svc->journal) ? PAY_NOW : PAY_LATER;
}

void intent_note_run(struct request *req, const char *prediction, const char *input_url)
{
    const char *id = req->svc->journal ? intent_row(req) : NULL;
    if (id)
        journal_note_run(req->svc->journal, id, prediction, input_url);
}

/* A job says itself how it ended. */
void intent_over(struct request *req)
{
    const struct run_intent *i = req->intent.made;
    if (!i || req->job)
        return;
    if (req->err.code != ERR_UNKNOWN_OUTCOME)
        journal_remove(req->svc->journal, i->row.id);
    else
        journal_note_state(req->svc->journal, i->row.id, JOURNAL_FAILED, req->run.cost_nano, NULL,
                           "{\"code\":\"UNKNOWN_OUTCOME\"}");
}
