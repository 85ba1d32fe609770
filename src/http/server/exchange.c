/* Exchanges.
 *
 * Happy path: libmicrohttpd calls with the headers, then with each piece of body, then once more; the answer
 * is queued in that last call, because one queued earlier ends the connection. A suspended exchange is called
 * once more after its resume, with the answer waiting in `answer`.
 *
 * Refusals before the body is complete. With Expect: 100-continue the answer is queued at once and no body is
 * asked for. Else a small rest of the body is read, thrown away, and then answered, and the connection lives
 * on. A larger rest, or one of unknown length, is answered at once by our own hand (libmicrohttpd writes
 * nothing while a body comes in), so that clients which look stop sending; what they send all the same is
 * read and thrown away within DISCARD_MAX_BYTES and DISCARD_TIMEOUT_MS, because closing on unread bytes
 * makes a client lose the answer.
 *
 * Failure modes: the peer goes away at any point, also while suspended; libmicrohttpd then reports completion
 * without another call, and the answer is freed there. The sweeper cuts the connection: conn_enter says so.
 *
 * Invariants: `answer` is set once; on_close follows on_request exactly once; all on the front thread but
 * exchange_answer_suspended, which sets `answer` (release) before the resume and touches x no more. */
#include "http/server/exchange.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/rng.h"
#include "http/server/head.h"
#include "http/server/reply.h"

enum {
    REQUEST_ID_MAX = 128,
    QUIET_DISCARD_BYTES = 256 << 10, /* a refused body up to this size keeps its connection */
    DISCARD_SLACK_BYTES = 64 << 10,  /* form headers around an upload of just the bound */
};

struct exchange {
    struct conn *conn;
    struct MHD_Connection *mhd;
    struct http *http;
    const char *method; /* these live until completion */
    const char *path;
    const char *origin;
    void *state;
    uint64_t begun_ns;
    uint64_t streamed_ns; /* when a stream's first bytes went out; 0: it is none */
    int status;           /* of the answer; 0: none has gone out */
    unsigned tag;
    struct reply *_Atomic answer; /* NULL: not answered yet, or already queued */
    int64_t content_length;       /* -1: chunked */
    uint64_t arrived;             /* bytes of body */
    uint64_t reply_bytes;         /* likewise */
    uint64_t discarded;
    bool http11;   /* or later */
    bool expects;  /* waits for 100 Continue */
    bool close;    /* this connection must end with this reply */
    bool told;     /* the handler knows of this exchange */
    bool complete; /* the body is there */
    bool answered; /* on the front thread */
    bool suspended;
    bool said; /* answered by our own hand; nothing more is sent */
    char id[REQUEST_ID_MAX + 1];
};

/* ---- what was asked ---- */

const char *exchange_method(const struct exchange *x)
{
    return x->method;
}

const char *exchange_path(const struct exchange *x)
{
    return x->path;
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, name);
}

const char *exchange_query(const struct exchange *x, const char *name)
{
    const char *value = NULL;
    size_t size;
    if (MHD_lookup_connection_value_n(x->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &size) !=
        MHD_YES)
        return NULL;
    return value ? value : "";
}

struct each_value {
    void (*each)(void *ctx, const char *name, const char *value);
    void *ctx;
};

static enum MHD_Result each_value(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const struct each_value *e = cls;
    e->each(e->ctx, name, value ? value : "");
    return MHD_YES;
}

void exchange_each_query(const struct exchange *x,
                         void (*each)(void *ctx, const char *name, const char *value), void *ctx)
{
    struct each_value e = {each, ctx};
    MHD_get_connection_values(x->mhd, MHD_GET_ARGUMENT_KIND, each_value, &e);
}

void exchange_each_header(const struct exchange *x,
                          void (*each)(void *ctx, const char *name, const char *value), void *ctx)
{
    struct each_value e = {each, ctx};
    MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, each_value, &e);
}

const char *exchange_request_id(const struct exchange *x)
{
    return x->id;
}

const struct sockaddr *exchange_peer(const struct exchange *x)
{
    return MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

int64_t exchange_content_length(const struct exchange *x)
{
    return x->content_length;
}

bool exchange_http11(const struct exchange *x)
{
    return x->http11;
}

int exchange_fd(const struct exchange *x)
{
    return x->conn->fd;
}

void exchange_set_state(struct exchange *x, void *state)
{
    x->state = state;
}

void exchange_set_tag(struct exchange *x, unsigned tag)
{
    x->tag = tag;
}

void *exchange_state(const struct exchange *x)
{
    return x->state;
}

/* ---- answering ---- */

static struct reply_about about(const struct exchange *x)
{
    return (struct reply_about){.conn = x->conn,
                                .mhd = x->mhd,
                                .http11 = x->http11,
                                .request_id = x->id,
                                .cors_origins = x->http->opt->cors_origins,
                                .origin = x->origin,
                                .close = x->close ||
                                         atomic_load_explicit(&x->http->draining, memory_order_relaxed),
                                .head = strcmp(x->method, "HEAD") == 0};
}

void exchange_answer(struct exchange *x, struct reply *r)
{
    CHECK(!x->answered && !x->suspended);
    x->answered = true;
    atomic_store_explicit(&x->answer, r, memory_order_relaxed);
}

void exchange_suspend(struct exchange *x)
{
    CHECK(x->complete && !x->answered && !x->suspended);
    x->suspended = true;
    bool ours = conn_enter(x->conn, CONN_SUSPENDED);
    CHECK(ours); /* nobody cuts what is with the handler */
    MHD_suspend_connection(x->mhd);
}

void exchange_answer_suspended(struct exchange *x, struct reply *r)
{
    struct MHD_Connection *mhd = x->mhd;
    atomic_store_explicit(&x->answer, r, memory_order_release);
    MHD_resume_connection(mhd);
}

static struct reply *take_answer(struct exchange *x)
{
    return atomic_exchange_explicit(&x->answer, NULL, memory_order_acquire);
}

/* Hands the answer to libmicrohttpd. */
static enum MHD_Result queue_answer(struct exchange *x)
{
    struct reply *r = take_answer(x);
    struct reply_about a = about(x);
    x->status = r->status;
    x->reply_bytes = a.head ? 0 : reply_bytes(r);
    x->streamed_ns = r->source ? clock_mono_ns() : 0;
    uint64_t limit = conn_reply_limit_ms(x->reply_bytes, x->http->opt);
    atomic_store_explicit(&x->conn->reply_ms, limit, memory_order_relaxed);
    struct MHD_Response *m = conn_enter(x->conn, CONN_REPLY) ? reply_response(r, &a) : NULL;
    reply_free(r);
    if (!m)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(x->mhd, (unsigned)x->status, m);
    MHD_destroy_response(m);
    return queued;
}

/* Answers by our own hand, in the middle of a body; nothing can follow on this connection. */
static void say_answer(struct exchange *x)
{
    struct reply *r = take_answer(x);
    x->said = true;
    x->close = true;
    x->status = r->status;
    x->reply_bytes = reply_bytes(r);
    struct reply_about a = about(x);
    reply_last_words(x->conn->fd, r, &a);
    reply_free(r);
}

static enum MHD_Result begin_discard(struct exchange *x)
{
    if (!conn_enter(x->conn, CONN_DISCARD))
        return MHD_NO;
    bool small = !x->close && x->content_length >= 0 &&
                 (uint64_t)x->content_length - x->arrived <= QUIET_DISCARD_BYTES;
    if (!small)
        say_answer(x);
    return MHD_YES;
}

static enum MHD_Result discard(struct exchange *x, size_t size)
{
    x->discarded += size;
    return x->discarded <= (uint64_t)x->http->opt->discard_max_bytes + DISCARD_SLACK_BYTES ? MHD_YES : MHD_NO;
}

/* ---- a new one ---- */

static struct conn *conn_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static struct exchange *exchange_new(struct front *f, struct MHD_Connection *c, const char *url,
                                     const char *method, const struct head *h, bool http11)
{
    struct exchange *x = NEW(struct exchange);
    x->conn = conn_of(c);
    x->mhd = c;
    x->http = f->http;
    x->begun_ns = clock_mono_ns();
    x->method = method;
    x->path = head_path(url);
    x->origin = h->origin;
    x->http11 = http11;
    x->content_length = head_length(h);
    x->expects = http11 && x->content_length != 0 && h->expect && strcasecmp(h->expect, "100-continue") == 0;
    if (head_id_ok(h->request_id, REQUEST_ID_MAX))
        memcpy(x->id, h->request_id, strlen(h->request_id) + 1);
    else
        uuid_next(&f->ids, x->id);
    return x;
}

static void answer_fault(struct exchange *x, const char *fault)
{
    struct error e = {0};
    error_set(&e, ERR_VALIDATION, "%s", fault);
    x->close = true; /* where the next request begins is anybody's guess */
    exchange_answer(x, reply_error(x, NULL, &e));
}

static bool is_preflight(const struct exchange *x, const struct head *h)
{
    return h->origin && h->asked_method && strcmp(x->method, "OPTIONS") == 0 &&
           cors_allows(x->http->opt->cors_origins, h->origin);
}

static void answer_preflight(struct exchange *x)
{
    struct reply *r = reply_new(MHD_HTTP_NO_CONTENT);
    const char *headers = exchange_header(x, "Access-Control-Request-Headers");
    reply_header(r, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    if (headers)
        reply_header(r, "Access-Control-Allow-Headers", "%s", headers);
    reply_header(r, "Access-Control-Max-Age", "86400");
    exchange_answer(x, r);
}

/* ---- libmicrohttpd's calls ---- */

static enum MHD_Result begin(struct front *f, struct MHD_Connection *c, const char *url, const char *method,
                             const char *version, void **state)
{
    struct head h;
    head_read(c, &h);
    bool http11 = strcmp(version, "HTTP/1.0") != 0;
    struct exchange *x = exchange_new(f, c, url, method, &h, http11);
    *state = x;
    atomic_store_explicit(&x->conn->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&x->conn->expected, (uint64_t)MAX(x->content_length, INT64_C(0)),
                          memory_order_relaxed);
    if (!conn_enter(x->conn, x->content_length ? CONN_BODY : CONN_HANDLING))
        return MHD_NO;
    const char *fault = head_fault(&h, x->conn, http11);
    if (fault) {
        answer_fault(x, fault);
    } else if (is_preflight(x, &h)) {
        answer_preflight(x);
    } else {
        x->told = true;
        x->http->handler->on_request(x->http->ctx, x);
    }
    if (!x->answered || x->content_length == 0)
        return MHD_YES;
    return x->expects ? queue_answer(x) : begin_discard(x);
}

static enum MHD_Result body(struct exchange *x, const char *data, size_t size)
{
    x->arrived += size;
    atomic_store_explicit(&x->conn->arrived, x->arrived, memory_order_relaxed);
    if (x->answered)
        return discard(x, size);
    x->http->handler->on_body(x->http->ctx, x, data, size);
    return x->answered ? begin_discard(x) : MHD_YES;
}

static enum MHD_Result end(struct exchange *x)
{
    if (x->said)
        return MHD_NO;
    if (!x->answered && !x->suspended) {
        x->complete = true;
        if (x->content_length && !conn_enter(x->conn, CONN_HANDLING))
            return MHD_NO;
        x->http->handler->on_complete(x->http->ctx, x);
        CHECK(x->answered || x->suspended);
        if (x->suspended)
            return MHD_YES;
    }
    return queue_answer(x);
}

enum MHD_Result exchange_access(void *front, struct MHD_Connection *c, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **state)
{
    struct exchange *x = *state;
    if (!x)
        return begin(front, c, url, method, version, state);
    if (*size == 0)
        return end(x);
    size_t n = *size;
    *size = 0;
    return body(x, data, n);
}

static void tell_figures(const struct exchange *x)
{
    const struct http_handler *handler = x->http->handler;
    if (!handler->on_figures)
        return;
    struct http_figures f = {.tag = x->tag, .method = x->method, .request_id = x->id, .status = x->status};
    f.now_ns = clock_mono_ns();
    f.ns = (x->streamed_ns ? x->streamed_ns : f.now_ns) - x->begun_ns;
    f.request_bytes = x->arrived;
    f.response_bytes = x->reply_bytes + x->conn->streamed;
    handler->on_figures(x->http->ctx, &f);
}

static void finish(struct exchange *x)
{
    tell_figures(x);
    if (x->told)
        x->http->handler->on_close(x->http->ctx, x);
    reply_free(take_answer(x));
    free(x);
}

void exchange_completed(void *front, struct MHD_Connection *c, void **state,
                        enum MHD_RequestTerminationCode how)
{
    struct exchange *x = *state;
    struct conn *conn = conn_of(c);
    *state = NULL;
    if (conn->upgraded)
        return; /* it was over when the other protocol began */
    conn_ended(conn);
    if (x) /* else it ended before its headers were complete */
        finish(x);
}

void exchange_upgraded(struct exchange *x)
{
    x->conn->upgraded = true;
    finish(x);
}

void *exchange_request_line(void *front, const char *target, struct MHD_Connection *c)
{
    struct conn *conn = conn_of(c);
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            conn->bad_target = true;
    conn_begun(conn);
    return NULL; /* no exchange before the headers are complete */
}
