/* fetch.h: the bytes behind an address that somebody else named: a caller's picture, a model's result.
 *
 * Order: fill the input half of a zeroed struct fetch, fetch_start, wait for its op, take the bytes,
 * fetch_release. Always guarded (client.h); without any header of ours but Accept, so no token can leave.
 * What fails on the way or with 408, 429 or 5xx is tried again (patience.h), a few times or, if `paid` is
 * set, for as long as there is time. What is paid for may also come late: then 404 and 410 are tried again as
 * well, a few times. Core thread.
 *
 * How it ends: 0: status is 2xx and bytes holds everything. UPSTREAM: the server answered something else
 * (status says what), or broke off; PAYLOAD_TOO_LARGE, DEADLINE, PROVIDER_UNAVAILABLE, VALIDATION,
 * CLIENT_GONE as in client.h. err names the host at most. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"
#include "base/rng.h"
#include "http/client/client.h"
#include "http/client/patience.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "tables/error.h"

struct fetch {
    struct op op;
    /* in */
    const char *url; /* the caller's, until complete */
    uint64_t max_bytes;
    uint64_t
        *bytes_left;     /* of all fetches that point at it; NULL: no such bound (answers_left in client.h) */
    uint32_t timeout_ms; /* of all tries together */
    unsigned retries;    /* the few times */
    bool paid;           /* it is not given up while there is time */
    unsigned redirects_max;
    /* out */
    struct blob *bytes; /* released by fetch_release */
    int status;         /* of the last answer; 0: none came */
    struct error err;
    /* its own */
    struct http_client_pool *pool;
    struct loop *loop;
    struct http_call call;
    struct timer pause;
    struct patience patience;
    unsigned absent; /* how often it was not there */
    bool cancelled;
    struct rng rng;
};

void fetch_start(struct http_client_pool *pool, struct loop *loop, struct fetch *f, op_done_fn *on_done);
void fetch_release(struct fetch *f); /* accepts a zeroed or released one */
