/* replicate_pass.h: a call to Replicate's API that costs nothing, for somebody else: it goes out with the
 * account's token, and what comes back is handed on.
 *
 * Order: fill the input half of a zeroed struct replicate_pass, replicate_pass_start, wait for its op,
 * replicate_pass_release. What comes to nothing on the way, and 408, 429 and 5xx, are tried again
 * (patience.h). Core thread.
 *
 * How it ends: 0: the server has answered, with whatever status; PROVIDER_UNAVAILABLE, UPSTREAM, DEADLINE,
 * PAYLOAD_TOO_LARGE as in client.h; CLIENT_GONE: cancelled. */
#pragma once

#include "base/rng.h"
#include "http/client/client.h"
#include "http/client/patience.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "predict/predict.h"

struct replicate;

struct replicate_pass {
    struct op op;
    /* in: the owner's, until complete */
    const char *method;
    const char *path;         /* below the base URL, with its query */
    struct blob *body;        /* NULL: none */
    const char *content_type; /* of the body */
    uint64_t answer_max_bytes;
    uint32_t timeout_ms; /* of all tries together */
    unsigned retries;
    /* out: of call, status, answer, content_type and retry_after */
    struct http_call call;
    struct error err;
    /* its own */
    struct replicate *self;
    char *url;
    struct timer pause;
    struct patience patience;
    struct rng rng;
    bool cancelled;
};

/* provider: Replicate's. */
void replicate_pass_start(struct provider *provider, struct replicate_pass *pass, op_done_fn *on_done);
void replicate_pass_release(struct replicate_pass *pass); /* accepts a zeroed or released one */

/* Where the API is, without a slash at its end. */
const char *replicate_base_url(const struct provider *provider);
