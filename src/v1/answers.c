/* Who waits, and what they are told.
 *
 * Happy path: a waiter is woken by news that is what it wants, and answered with the record as it then is.
 * Failure modes: its time is up: it is answered all the same, a create with a prediction that is starting; a
 * create that came to nothing: its waiters get the refusal, and their records, which nobody has heard of, go.
 * Invariants: a waiter's exchange is answered once, and the waiter is then gone; answering a record gives it
 * its name. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "v1/document.h"
#include "v1/inside.h"

enum {
    DOCUMENT_MAX = 256 << 20, /* what was said is bounded already */
    PAGE = 100,
    PAGE_BYTES = 4 << 20, /* then the page ends, however few it holds */
    GRACE_MS = 2000,      /* for the server, which was asked to wait as long */
    SLACK_MS = 100
};

/* ---- what a record looks like ---- */

static const char *status_word(enum replicate_status status)
{
    switch (status) {
    case REPLICATE_SUCCEEDED:
        return "succeeded";
    case REPLICATE_FAILED:
        return "failed";
    case REPLICATE_CANCELED:
    case REPLICATE_ABORTED: /* for which no client waits */
        return "canceled";
    case REPLICATE_UNKNOWN:
    case REPLICATE_STARTING:
    case REPLICATE_PROCESSING:
        break;
    }
    return NULL;
}

static const char *words_of(const struct error *e)
{
    return *e->reason ? e->reason : err_row(e->code)->message;
}

static void view(const struct v1_record *r, const char *base, struct v1_view *ret)
{
    const struct v1_run *run = r->run;
    const struct order *o = run->order;
    *ret = (struct v1_view){
        .id = r->name.id,
        .base = base,
        .said = run->said ? (const char *)run->said->data : NULL,
        .said_size = run->said ? run->said->size : 0,
        .model = o->model,
        .version = o->version,
        .input = o->input,
        .input_size = o->input_size,
        .created_ms = r->created_ms,
        .status = run->said ? status_word(run->status) : NULL,
        .own_stream = run->stream_url || !run->said,
    };
    if (run->at == V1_OVER && !run->ended) {
        bool canceled = run->err.code == ERR_CLIENT_GONE;
        ret->status = canceled ? "canceled" : "failed";
        ret->error = canceled ? NULL : words_of(&run->err);
        ret->ended_ms = run->ended_ms;
    }
    if (r->left_ms) {
        ret->status = "canceled";
        ret->ended_ms = r->left_ms;
    }
}

static void answer_json(struct exchange *x, int status, struct buf *document, const char *cache)
{
    BLOB_ON_EXIT struct blob *body = buf_take_blob(document);
    struct reply *r = reply_new(status);
    reply_body(r, body, "application/json");
    reply_header(r, "Cache-Control", "no-store");
    if (cache)
        reply_header(r, "Cache-Status", "limner; %s", cache);
    exchange_answer_suspended(x, r);
}

void v1_answer_error(struct exchange *x, const struct error *e)
{
    exchange_answer_suspended(x, reply_error(x, NULL, e));
}

static void answer_unreadable(struct exchange *x)
{
    struct error e;
    error_set(&e, ERR_UPSTREAM, "Replicate sent an answer that cannot be read");
    v1_answer_error(x, &e);
}

void v1_answer_record(struct exchange *x, const char *base, struct v1_record *r, int status,
                      const char *cache)
{
    struct v1_view v;
    BUF_ON_EXIT struct buf document;
    buf_init(&document, DOCUMENT_MAX);
    v1_record_name(r);
    view(r, base, &v);
    if (v1_document(&v, &document) < 0)
        answer_unreadable(x);
    else
        answer_json(x, status, &document, cache);
}

/* ---- a create that came to nothing ---- */

static bool is_callers(int status)
{
    static const int theirs[] = {400, 404, 409, 413, 415, 422};
    for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
        if (theirs[i] == status)
            return true;
    return false;
}

/* A caller's mistake in Replicate's own words; what is the operator's matter in ours. */
static void answer_refusal(struct exchange *x, const struct v1_run *run)
{
    const struct blob *said = run->work->raw.said;
    const char *token = run->v1->config.opt->replicate_token;
    bool is_object = said && said->size > 0 && said->data[0] == '{';
    bool clean = is_object && (!*token || !memmem(said->data, said->size, token, strlen(token)));
    if (clean && is_callers(run->work->raw.status)) {
        struct reply *r = reply_new(run->work->raw.status);
        reply_body(r, run->work->raw.said, "application/json");
        reply_header(r, "Cache-Control", "no-store");
        exchange_answer_suspended(x, r);
        return;
    }
    struct error e = run->err;
    if (run->work->raw.status == 429)
        e.code = ERR_RATE_LIMIT; /* which clients try again */
    if (e.code == ERR_CLIENT_GONE)
        error_set(&e, ERR_UPSTREAM, "The prediction was canceled");
    v1_answer_error(x, &e);
}

/* ---- waiters ---- */

static void answer_waiter(struct v1_waiter *w)
{
    struct v1_record *r = w->record;
    struct v1_run *run = r->run;
    struct exchange *x = w->x;
    timer_disarm(run->v1->config.loop, &w->limit);
    list_remove(&w->node);
    bool unfinished = !run->ended && !run->ready && w->wants == WANTS_END;
    if (w->wants == WANTS_STREAM)
        v1_answer_stream(x, r);
    else if (w->creates && run->at == V1_OVER && !run->said && !r->name.id[0])
        answer_refusal(x, run);
    else if (w->creates)
        v1_answer_record(x, w->base, r, unfinished ? 202 : 201,
                         w->joined ? "fwd=miss; collapsed" : "fwd=miss");
    else
        v1_answer_record(x, w->base, r, 200, NULL);
    free(w->base);
    free(w);
}

static void time_is_up(struct timer *t)
{
    answer_waiter(CONTAINER_OF(t, struct v1_waiter, limit));
}

void v1_wait(struct v1_call *c, struct v1_record *r, enum v1_wants wants, uint64_t for_ms)
{
    struct v1_run *run = r->run;
    struct loop *loop = run->v1->config.loop;
    struct v1_waiter *w = NEW(struct v1_waiter);
    w->record = r;
    w->x = TAKE(c->x);
    w->base = TAKE(c->base);
    w->wants = wants;
    w->creates = c->what == V1_CREATE;
    w->joined = w->creates && run->records.next != &r->of_run;
    w->until_ns = v1_now_ns(run->v1) + for_ms * NS_PER_MS;
    list_push_back(&run->waiters, &w->node);
    uint64_t grace_ms = wants == WANTS_END && !w->joined ? GRACE_MS : 0;
    timer_arm(loop, &w->limit, w->until_ns + grace_ms * NS_PER_MS, time_is_up);
}

static bool is_due(const struct v1_waiter *w, const struct v1_run *run)
{
    if (run->at == V1_OVER)
        return true;
    switch (w->wants) {
    case WANTS_FIRST:
    case WANTS_NEWS:
        return true;
    case WANTS_END:
        return run->ended || run->ready || v1_now_ns(run->v1) + SLACK_MS * NS_PER_MS >= w->until_ns;
    case WANTS_STREAM:
        return run->ended || run->stream_url;
    case WANTS_CANCEL:
        return run->ended;
    }
    return false;
}

/* A create that was refused leaves no record: nobody has heard of it. */
static void drop_nameless(struct v1_run *run)
{
    LIST_FOREACH_SAFE (node, &run->records) {
        struct v1_record *r = CONTAINER_OF(node, struct v1_record, of_run);
        if (!r->name.id[0])
            v1_record_free(r);
    }
}

void v1_wake(struct v1_run *run)
{
    LIST_FOREACH_SAFE (node, &run->waiters) {
        struct v1_waiter *w = CONTAINER_OF(node, struct v1_waiter, node);
        if (is_due(w, run))
            answer_waiter(w);
    }
    if (run->settling)
        drop_nameless(run);
}

/* ---- the list ---- */

/* Behind the record that the last page ended with; NULL: there is none of that name any more. */
static struct list *first_of_page(const struct v1_call *c)
{
    if (!c->id[0])
        return c->v1->records.prev;
    struct v1_record *last = v1_record_find(c->v1, c->id);
    return last ? last->by_age.prev : NULL;
}

static bool is_listed(const struct v1_record *r, const struct v1_call *c)
{
    return v1_record_belongs(r, c->tenant) && r->name.id[0];
}

void v1_answer_list(const struct v1_call *c)
{
    const char *last = NULL, *next = NULL;
    BUF_ON_EXIT struct buf page;
    buf_init(&page, DOCUMENT_MAX);
    buf_puts(&page, "{\"previous\":null,\"results\":[");
    unsigned n = 0;
    struct list *node = first_of_page(c);
    for (; node && node != &c->v1->records; node = node->prev) {
        struct v1_record *r = CONTAINER_OF(node, struct v1_record, by_age);
        struct v1_view v;
        if (!is_listed(r, c))
            continue;
        next = n == PAGE || page.len > PAGE_BYTES ? last : NULL;
        if (next)
            break;
        view(r, c->base, &v);
        buf_puts(&page, n++ ? "," : "");
        if (v1_document(&v, &page) < 0)
            buf_puts(&page, "null");
        last = r->name.id;
    }
    buf_puts(&page, "],\"next\":");
    if (next)
        buf_printf(&page, "\"%s/v1/predictions?cursor=%s\"}", c->base, next);
    else
        buf_puts(&page, "null}");
    answer_json(c->x, 200, &page, NULL);
}
