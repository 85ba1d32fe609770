/* transfer.h: one http_call on one libcurl easy handle: its options, what comes back, redirects, and what a
 * failure means. Private to src/http/client.
 *
 * Order: transfer_new; transfer_aim at the first URL; transfer_prepare an easy handle and run it;
 * transfer_conclude; when that says TRANSFER_AGAIN, prepare and run once more; transfer_free. Core thread. */
#pragma once

#include <curl/curl.h>

#include "base/list.h"
#include "http/client/client.h"
#include "http/client/target.h"

struct side;

struct transfer_config {
    char *user_agent;
    char *ca_file; /* NULL: the system's */
    bool allow_private;
};

struct transfer {
    struct list node; /* in the pool's list of running ones */
    struct http_call *call;
    struct side *side; /* of the pool: guarded calls and the others do not mix */
    const struct transfer_config *config;
    CURL *easy;
    struct curl_slist *headers; /* of the hop */
    char *url;                  /* of the hop */
    struct target target;       /* of the hop */
    const char *method;         /* of the hop: a redirect may turn POST into GET */
    struct blob *body;          /* of the hop; the call's reference */
    uint64_t written;           /* of a body in parts, to libcurl */
    unsigned redirects;         /* followed so far */
    bool guarded;
    bool left_origin; /* a redirect has led elsewhere: secrets are not sent any more */
    bool asked;       /* from here on the peer of this hop may have seen the request */
    bool answered;    /* an earlier hop has answered with a redirect */
    bool untouched;   /* the peer said of the request just sent that it has not looked at it */
    bool repeated;    /* libcurl wanted to send a request again that must not be */
    bool refused;     /* by the guard */
    bool too_long;    /* the answer */
    bool enough;      /* the caller wants no more of the answer */
    bool in_body;
    size_t header_bytes; /* of the hop's answer */
    uint64_t received_bytes;
    uint64_t begun_ns;
    struct timer tick;              /* for the limits of time */
    uint64_t moved_bytes, moved_ns; /* at the last look at which bytes had moved, and when */
};

enum { TRANSFER_AGAIN = 1 };

struct transfer *transfer_new(struct http_call *call, const struct transfer_config *config) MUST_CHECK;
void transfer_free(struct transfer *t); /* not the easy handle */

int transfer_aim(struct transfer *t, const char *url) MUST_CHECK; /* 0, or negative: call->err is filled */
void transfer_prepare(struct transfer *t, CURL *easy, CURLSH *share);
/* 0 or a negative ERR_ (the call's outputs are filled): it is over; TRANSFER_AGAIN: on to the next hop. */
int transfer_conclude(struct transfer *t, CURLcode code) MUST_CHECK;
int transfer_give_up(struct transfer *t, enum err err, const char *fmt, ...) PRINTF(3, 4) MUST_CHECK;
uint64_t transfer_moved_bytes(const struct transfer *t); /* either way */
