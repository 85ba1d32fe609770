/* http.h: the HTTP side of limner, over libmicrohttpd. Bytes in, replies out; it knows no feature.
 *
 * Order: http_start, exchanges come and go, http_drain (refuse new work), http_stop. An acceptor thread deals
 * sockets to front threads; all callbacks of one exchange run on its one front thread:
 *
 *   on_request   headers are complete. Decide: answer now (a refusal: the body is then not asked for, or is
 *                thrown away within the discard bounds, the answer being sent at once when much of it is to
 *                come, so that the client sees it either way), or take it.
 *   on_body      bytes of the body, in order; not called once answered. size > 0.
 *   on_complete  the body is complete; not called once answered. Must answer or suspend.
 *   on_close     exactly once, last: the reply was sent or the connection died. Frees the handler's state.
 *
 * An exchange is answered exactly once: by exchange_answer on its front thread inside a callback, or, after
 * exchange_suspend, by exchange_answer_suspended from any one thread. The reply may be a stream (stream.h),
 * or an upgrade (websocket.h): then on_close comes as soon as the other protocol begins. A suspended exchange
 * stays valid until it is answered, even if its client leaves (libmicrohttpd does not notice; watch
 * exchange_fd).
 *
 * Every reply gets x-request-id, CORS and security headers here. Ambiguous requests (no Host, Content-Length
 * with Transfer-Encoding, …) and CORS preflights are answered here; the handler never sees them. Malformed
 * ones that libmicrohttpd answers itself (431 and 414 for huge headers, 413 for an absurd Content-Length, 400
 * and 505 for garbage) keep its words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/blob.h"
#include "base/macros.h"
#include "tables/error.h"
#include "tables/options.h"

struct arena;
struct http;
struct exchange;

/* ---- replies: built by anyone, owned by the builder until handed to exchange_answer*() ---- */

struct reply;

struct reply *reply_new(int status) MUST_CHECK;
void reply_free(struct reply *r); /* accepts NULL */
/* name: static text. A value with a control character is left out. */
void reply_header(struct reply *r, const char *name, const char *fmt, ...) PRINTF(3, 4);
void reply_body(struct reply *r, struct blob *body,
                const char *content_type); /* takes a reference of its own */
void reply_text(struct reply *r, const char *text, const char *content_type); /* copies */
/* One with a JSON document that is nobody's to keep (no-store); takes a reference of its own. */
struct reply *reply_json(int status, struct blob *document) MUST_CHECK;
/* Sends length bytes of fd from offset (sendfile); the reply owns and closes fd. */
void reply_file(struct reply *r, int fd, uint64_t offset, uint64_t length, const char *content_type);
int reply_status(const struct reply *r);

/* An error in the shape of the contract: {"request_id","status":"error","error":{message,code,details?}}, or
 * RFC 9457 problem+json when the exchange's Accept asks for it, or its address lies below /v1/, where
 * Replicate's errors have that shape; Retry-After when e has one, and with every
 * 429 and 503; WWW-Authenticate with 401. x may be NULL (then request_id is taken from the argument and JSON
 * is used). */
struct reply *reply_error(const struct exchange *x, const char *request_id, const struct error *e) MUST_CHECK;

/* ---- exchanges: on the front thread; while suspended, reading is for the one who will answer ---- */

const char *exchange_method(const struct exchange *x);
const char *exchange_path(const struct exchange *x);                     /* without the query, decoded once */
const char *exchange_header(const struct exchange *x, const char *name); /* NULL: not there */
const char *exchange_query(const struct exchange *x,
                           const char *name); /* NULL: not there; "" without value */
/* The token of an Authorization header, after Bearer or, as clients of Replicate's once said, Token; NULL:
 * there is none. authorization may be NULL. */
const char *http_bearer(const char *authorization);
void exchange_each_query(const struct exchange *x,
                         void (*each)(void *ctx, const char *name, const char *value), void *ctx);
/* In the order they came, as often as they came. The texts live as long as the exchange. */
void exchange_each_header(const struct exchange *x,
                          void (*each)(void *ctx, const char *name, const char *value), void *ctx);
/* All headers of this name with commas between; NULL: there is none. As long as x or a lives. */
const char *exchange_header_list(const struct exchange *x, const char *name, struct arena *a);
const char *
exchange_request_id(const struct exchange *x); /* the caller's (≤ 128 visible ASCII) or a new uuid */
const struct sockaddr *exchange_peer(const struct exchange *x);
int64_t exchange_content_length(const struct exchange *x); /* -1: chunked; 0: no body */
bool exchange_http11(const struct exchange *x);            /* or later */
int exchange_fd(const struct exchange *x); /* for watching only; do not read, write or close */

void exchange_set_state(struct exchange *x, void *state); /* the handler's own */
void *exchange_state(const struct exchange *x);

/* The handler's own number for what was asked; 0 until it is set. It comes back in the figures. */
void exchange_set_tag(struct exchange *x, unsigned tag);

void exchange_answer(struct exchange *x, struct reply *r); /* takes r */
void exchange_suspend(struct exchange *x);
void exchange_answer_suspended(struct exchange *x,
                               struct reply *r); /* any thread; takes r; x is gone for you */

/* ---- form bodies: multipart/form-data and application/x-www-form-urlencoded ---- */

struct form;

/* Bytes of one field, in order; offset 0 begins a new field. filename and content_type may be NULL. Return
 * false to stop the parse (the caller has already noted why); form_feed then fails. */
typedef bool form_part_fn(void *ctx, const char *name, const char *filename, const char *content_type,
                          const void *data, size_t offset, size_t size);

/* NULL when the exchange's Content-Type is neither kind, or has no boundary. */
struct form *form_new(struct exchange *x, form_part_fn *part, void *ctx) MUST_CHECK;
int form_feed(struct form *f, const void *data,
              size_t size) MUST_CHECK;      /* 0, or -ERR_VALIDATION: malformed */
int form_finish(struct form *f) MUST_CHECK; /* 0, or -ERR_VALIDATION: the last boundary is missing */
void form_free(struct form *f);             /* accepts NULL */

/* ---- the server ---- */

/* What an exchange was, once it is over. */
struct http_figures {
    unsigned tag;
    const char *method;
    const char *request_id;
    int status;  /* of the answer; 0: the client left before there was one */
    uint64_t ns; /* from its headers to the last byte of the answer; of a stream or upgrade, to the first */
    uint64_t now_ns;                        /* when that was, by clock_mono_ns */
    uint64_t request_bytes, response_bytes; /* of the bodies: what arrived of one, and all of the other */
};

struct http_handler {
    void (*on_request)(void *ctx, struct exchange *x);
    void (*on_body)(void *ctx, struct exchange *x, const void *data, size_t size);
    void (*on_complete)(void *ctx, struct exchange *x);
    void (*on_close)(void *ctx, struct exchange *x);
    /* Of every exchange, those too that the handler never sees; on its front thread. NULL: nobody counts. */
    void (*on_figures)(void *ctx, const struct http_figures *f);
};

struct http_config {
    int listen_fd; /* bound and listening; the caller's */
    const struct options *opt;
    const struct http_handler *handler;
    void *ctx;
    bool wait; /* accepting begins with http_accept */
};

int http_listen(const char *host, int port, int *ret_fd, struct error *e) MUST_CHECK;
int http_port_of(int listen_fd);

int http_start(const struct http_config *config, struct http **ret, struct error *e) MUST_CHECK;
unsigned http_connections_max(const struct http *h); /* computed from RLIMIT_NOFILE unless set */
unsigned http_connections(const struct http *h);     /* open now */
unsigned http_answering(const struct http *h);       /* with the handler, or a reply on its way out */
void http_accept(struct http *h);                    /* again: does nothing */
void http_drain(struct http *h); /* from now on replies say Connection: close; accepting goes on */
/* Ends all streams (stream.h) in the middle, and those to come at once. Their makers hear of it soon, and so
 * can still do what they do then: after http_stop it may be too late for a message to the core. */
void http_cut_streams(struct http *h);
/* Somebody else accepts from now on. What is on open connections is served, and told Connection: close; one
 * on which nothing comes for idle_ms is closed. It is over when http_connections is 0. Draining as well. Once
 * more: with another idle_ms. */
void http_leave(struct http *h, uint64_t idle_ms);
bool http_has_left(const struct http *h); /* a while after http_leave: the listening socket may be closed */
/* Stops accepting, closes every connection, joins the threads. Streams are cut. Every suspended exchange must
 * have been answered before, and every WebSocket closed (websockets_cut). */
void http_stop(struct http *h);
