/* GET /api/jobs/{id}?wait=, POST /api/jobs/{id}/cancel, and GET and POST /api/jobs/{id}/callback. (The events
 * are in events_page.c.)
 *
 * Happy path: the exchange is suspended, the core finds the job in memory, or the journal does, and answers.
 * Failure modes: there is none, or it is somebody else's: 404 either way; the journal cannot be read: 503.
 * Invariants: a call is answered exactly once, and freed then. */
#include "jobs/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "jobs/batch.h"
#include "jobs/callbacks.h"
#include "jobs/seek.h"
#include "web/links.h"

enum { WAIT_MAX_S = 60 };

struct page_call {
    struct job_seek seek;
    struct exchange *x;
    struct job_path path;
    bool post;
    struct message mail;
    struct job_waiter waiter;
    struct timer patience;
    struct job *job;
};

/* "/api/jobs/{id}[/what]" */
bool job_path_parse(const char *path, struct job_path *ret)
{
    static const char root[] = "/api/jobs/";
    if (strncmp(path, root, strlen(root)) != 0)
        return false;
    const char *id = path + strlen(root);
    size_t len = strcspn(id, "/");
    const char *rest = id[len] ? id + len + 1 : "";
    if (len == 0 || len >= sizeof(ret->id))
        return false;
    memcpy(ret->id, id, len);
    ret->id[len] = '\0';
    ret->what = strcmp(rest, "") == 0           ? JOB_PATH_STATUS
                : strcmp(rest, "events") == 0   ? JOB_PATH_EVENTS
                : strcmp(rest, "cancel") == 0   ? JOB_PATH_CANCEL
                : strcmp(rest, "callback") == 0 ? JOB_PATH_CALLBACK
                : strcmp(rest, "children") == 0 ? JOB_PATH_CHILDREN
                                                : JOB_PATH_NONE;
    return ret->what != JOB_PATH_NONE;
}

bool job_is_for(const struct job *job, const char *who)
{
    return job->kind != JOURNAL_REQUEST && (!job->tenant || (who && strcmp(job->tenant, who) == 0));
}

static void call_free(struct page_call *c)
{
    job_seek_release(&c->seek);
    free(c);
}

static void answer(struct page_call *c, struct reply *r)
{
    exchange_answer_suspended(c->x, r);
    call_free(c);
}

static void refuse(struct page_call *c, enum err code, const char *why)
{
    struct error e;
    error_set(&e, code, "%s", why);
    answer(c, reply_error(c->x, NULL, &e));
}

static void answer_with(struct page_call *c, const struct job *job, job_put_fn *put)
{
    BUF_ON_EXIT struct buf base;
    buf_init(&base, LINK_MAX);
    link_base(c->x, c->seek.jobs->svc->opt, &base);
    struct reply *r = job_reply(200, job, exchange_request_id(c->x), put, buf_text(&base));
    if (!job_is_over(job))
        reply_header(r, "Retry-After", "1");
    answer(c, r);
}

static void answer_job(struct page_call *c, const struct job *job)
{
    answer_with(c, job, job_put);
}

/* ---- its callback ---- */

static void put_callback(struct buf *b, const struct job *job, const char *base_url)
{
    (void)base_url;
    callback_put(b, job);
}

/* GET: how it went; POST: once more. */
static void answer_callback(struct page_call *c, struct job *job)
{
    if (!job->callback)
        refuse(c, ERR_NOT_FOUND, "This job has no callback_url");
    else if (c->post && !job_is_over(job))
        refuse(c, ERR_VALIDATION, "The job is not over: there is nothing to tell yet");
    else if (c->post && !callback_again(job))
        refuse(c, ERR_QUEUE_FULL, "It is being told right now");
    else
        answer_with(c, job, put_callback);
}

static void answer_children(struct page_call *c, const struct job *job)
{
    if (job->kind != JOURNAL_BATCH) {
        refuse(c, ERR_NOT_FOUND, "This job is no batch");
        return;
    }
    job_children_page(c->x, job);
    call_free(c);
}

/* ---- waiting ---- */

static void wait_over(struct page_call *c)
{
    timer_disarm(c->seek.jobs->svc->loop, &c->patience);
    list_remove(&c->waiter.node);
    answer_job(c, c->job);
}

static void job_over(struct job_waiter *w)
{
    wait_over(CONTAINER_OF(w, struct page_call, waiter));
}

static void patience_over(struct timer *t)
{
    wait_over(CONTAINER_OF(t, struct page_call, patience));
}

static uint64_t wait_ns(const struct exchange *x)
{
    const char *wait = exchange_query(x, "wait");
    long s = wait ? strtol(wait, NULL, 10) : 0;
    return (uint64_t)MIN(MAX(s, 0L), (long)WAIT_MAX_S) * NS_PER_S;
}

static void show(struct page_call *c, struct job *job)
{
    struct loop *loop = c->seek.jobs->svc->loop;
    uint64_t ns = wait_ns(c->x);
    if (ns == 0 || job_is_over(job) || c->seek.jobs->stopped) {
        answer_job(c, job);
        return;
    }
    c->job = job;
    c->waiter.over = job_over;
    list_push_back(&job->waiters, &c->waiter.node);
    timer_arm(loop, &c->patience, loop_now_ns(loop) + ns, patience_over);
}

/* ---- finding ---- */

/* It cannot be shown: answers that. */
static bool refused(struct page_call *c, const struct job *job)
{
    const char *why;
    enum err code = job_seek_refusal(&c->seek, job, &why);
    if (code != ERR_NONE)
        refuse(c, code, why);
    return code != ERR_NONE;
}

/* To be told once more it has to be here. */
static void answer_copy(struct page_call *c)
{
    struct job *here = job_find(c->seek.jobs, c->seek.copy->id), *job = here ? here : c->seek.copy;
    if (c->path.what == JOB_PATH_CHILDREN) {
        answer_children(c, job);
        return;
    }
    bool acts = c->path.what == JOB_PATH_CANCEL ? !job_is_over(job) : c->post && job_has_left(job);
    if (acts && !here) {
        refuse(c, ERR_DRAINING, "Another process works on this job: ask again in a moment");
        return;
    }
    if (c->path.what != JOB_PATH_CALLBACK) {
        answer_job(c, job);
        return;
    }
    if (c->post && job->callback && job_is_over(job) && !here) {
        c->seek.copy = NULL;
        job_enter_over(job);
    }
    answer_callback(c, job);
}

static void read_over(struct op *op)
{
    struct page_call *c = CONTAINER_OF(op, struct page_call, seek.read.op);
    if (!refused(c, c->seek.copy))
        answer_copy(c);
}

/* What was asked for before is written by now: the wish too, if the database can be had at all. */
static void wish_written(struct op *op)
{
    struct page_call *c = CONTAINER_OF(op, struct page_call, seek.read.op);
    struct job *job = job_find(c->seek.jobs, c->path.id);
    if (job)
        show(c, job);
    else
        read_over(op);
}

static void cancel(struct page_call *c, struct job *job)
{
    job_cancel(job);
    job_seek_row(&c->seek, c->path.id, wish_written);
}

static void on_core(struct message *m)
{
    struct page_call *c = CONTAINER_OF(m, struct page_call, mail);
    struct job *job = job_find(c->seek.jobs, c->path.id);
    if (!job) {
        job_seek_row(&c->seek, c->path.id, read_over);
        return;
    }
    if (refused(c, job))
        return;
    if (c->path.what == JOB_PATH_CHILDREN) {
        answer_children(c, job);
        return;
    }
    if (c->path.what == JOB_PATH_CALLBACK) {
        answer_callback(c, job);
        return;
    }
    if (c->path.what == JOB_PATH_CANCEL && !job_may_cancel(job)) {
        refuse(c, ERR_DRAINING, "The next process takes this job up: ask again in a moment");
        return;
    }
    if (c->path.what == JOB_PATH_CANCEL)
        cancel(c, job);
    else
        show(c, job);
}

/* ---- the front ---- */

static bool method_fits(const struct job_path *path, enum route_id route)
{
    if (path->what == JOB_PATH_CALLBACK)
        return true;
    return (path->what == JOB_PATH_CANCEL) == (route == ROUTE_JOB_POST);
}

void jobs_archive(void *jobs, struct exchange *x, struct body *archive, const char *who)
{
    job_batch_archive_page(jobs, x, archive, who);
}

void jobs_page(void *jobs, enum route_id route, struct exchange *x, struct blob *body, const char *who)
{
    struct job_path path;
    struct error e;
    if (route == ROUTE_BATCH) {
        job_batch_page(jobs, x, body, who);
        return;
    }
    if (!job_path_parse(exchange_path(x), &path)) {
        error_set(&e, ERR_NOT_FOUND, "%s", "");
        exchange_answer(x, reply_error(x, NULL, &e));
        return;
    }
    if (!method_fits(&path, route)) {
        error_set(&e, ERR_METHOD_NOT_ALLOWED, "%s", "");
        struct reply *r = reply_error(x, NULL, &e);
        char allow[WEB_ALLOW_MAX];
        web_allow(route, exchange_path(x), allow);
        reply_header(r, "Allow", "%s", allow);
        exchange_answer(x, r);
        return;
    }
    if (path.what == JOB_PATH_EVENTS) {
        job_events_page(jobs, x, &path, who);
        return;
    }
    struct page_call *c = NEW(struct page_call);
    c->seek.jobs = jobs;
    c->x = x;
    c->path = path;
    c->post = route == ROUTE_JOB_POST;
    c->seek.who = who ? mem_strdup(who) : NULL;
    exchange_suspend(x);
    loop_post(c->seek.jobs->svc->loop, &c->mail, on_core);
}
