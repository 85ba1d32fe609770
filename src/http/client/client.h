/* client.h: outgoing HTTP, over libcurl's multi interface on the core loop.
 *
 * Order: http_client_start once on the core thread's loop; for each call fill the input half of a zeroed
 * struct http_call and http_call_start it; its op completes when the whole answer is here or the call has
 * failed; http_call_release; http_client_stop when no call runs. One connection pool for all, HTTP/2 where
 * the peer speaks it, keep-alive. Core thread only; nothing blocks (names are resolved by libcurl's own
 * threads).
 *
 * Redirects are not followed unless asked for (301, 302 and 303 turn a POST into a GET, 307 and 308 keep it).
 * A header marked secret is not sent any more once a redirect has led to another scheme, host or port. A call
 * result says whether the peer may have seen the request: only what was provably not sent may be repeated
 * when repeating costs money. The client itself sends nothing twice unless the method or `repeatable` allows
 * it.
 *
 * With guard set (every address that a caller or a provider named) the target must be http or https on a
 * public address (guard.h): each address is checked as its socket is opened, so what was checked is what is
 * connected to, and each redirect is checked again. Guarded calls share no connection with the others.
 *
 * How a failed call ends; its err names the host, but neither addresses nor the rest of the URL:
 *   - VALIDATION: the URL (or a redirect) cannot be used, or the guard refuses it
 *   - PROVIDER_UNAVAILABLE: nothing was sent: no such name, no connection, no TLS
 *   - DEADLINE: connecting, the whole call or a stall took too long
 *   - PAYLOAD_TOO_LARGE: the answer is longer than answer_max_bytes, or than what is left of answers_left
 *   - UPSTREAM: the connection broke, the answer was not HTTP, or there were too many redirects
 *   - CLIENT_GONE: op_cancel; an HTTP/1 peer sees the connection close, an HTTP/2 peer its stream reset
 *   - INTERNAL: a header of ours holds a line break
 *
 * The program must ignore SIGPIPE. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/macros.h"
#include "loop/loop_uv.h"
#include "loop/op.h"
#include "tables/error.h"

struct http_client_pool;

struct http_client_config {
    struct loop_uv *uv;
    const char *user_agent;
    const char *ca_file;       /* PEM; "" or NULL: the system's */
    long connections_per_host; /* most; further calls wait */
    bool allow_private;        /* tests and private networks: the guard lets everything pass */
};

enum { HTTP_CALL_HEADERS_MAX = 16 };

struct http_header {
    const char *name, *value;
    bool secret; /* dropped when a redirect leaves the origin */
};

enum http_sent {
    SENT_NOTHING, /* provably unsent: the name, the connection or TLS failed */
    SENT_MAYBE,   /* some of it went out and no whole answer came back */
    SENT_ANSWERED /* a whole answer came back */
};

struct http_call {
    struct op op; /* 0: status and body are valid, whatever the status; negative ERR_: err is filled */
    /* in: the caller's, unchanged until the op is done */
    const char *method;
    const char *url;
    struct http_header header[HTTP_CALL_HEADERS_MAX];
    unsigned header_count;
    struct blob *body;                  /* NULL: none; sent without a copy; the caller's reference */
    struct blob *body_head, *body_tail; /* what goes before and behind it, likewise; only beside a body */
    uint64_t answer_max_bytes;          /* a longer answer fails the call */
    uint64_t *answers_left; /* what all calls that point at it may still take together, counted down as bytes
                               come; more fails the call. NULL: no such bound */
    uint32_t connect_timeout_ms; /* name, connection and TLS; 0: libcurl's (5 min) */
    uint32_t timeout_ms;         /* whole call, the wait for a connection too; 0: none */
    uint32_t stall_timeout_ms; /* no byte either way for this long fails the call, also while the peer thinks
                                  about its answer; 0: none */
    unsigned redirects_max;    /* 0: none are followed */
    /* Bytes of a 2xx answer as they come, instead of gathering them in `answer`, where no bound counts them;
     * false: enough, and the call is done. NULL: they are gathered. */
    bool (*take)(struct http_call *call, const char *bytes, size_t size);
    bool guard;
    bool decode; /* offers gzip and undoes it; the cap counts what comes out. Otherwise bytes stay as sent */
    bool repeatable; /* sending it twice costs nothing; GET, HEAD, PUT, DELETE and OPTIONS always are */
    /* out; header values as they came, "" if absent or too long for the field */
    int status;        /* 0: none came */
    struct buf answer; /* the body; released by http_call_release */
    char content_type[128];
    char location[2048]; /* may be relative */
    char retry_after[64];
    char etag[128];
    char last_modified[64];
    char date[64];           /* the server's clock */
    char content_length[24]; /* as announced; of a HEAD too */
    char cache_status[256];
    char idempotent_replayed[8]; /* "true": what an earlier request with the same Idempotency-Key began */
    enum http_sent sent;         /* never NOTHING once a redirect was followed */
    struct error err;
    uint64_t duration_ns;
    void *driver; /* the pool's own, while running */
};

int http_client_start(const struct http_client_config *config, struct http_client_pool **ret,
                      struct error *e) MUST_CHECK;
void http_client_stop(struct http_client_pool *p); /* accepts NULL; no call may be running */

void http_call_start(struct http_client_pool *p, struct http_call *call, op_done_fn *on_done);
void http_call_release(
    struct http_call *call); /* the answer's memory; what was not taken is left to others */

/* Seconds a Retry-After value asks for: digits or an HTTP date; -1: neither. */
int64_t http_retry_after_s(const char *value, int64_t now_s);
int64_t http_date_s(const char *value); /* since 1970; -1: it is no HTTP date */
