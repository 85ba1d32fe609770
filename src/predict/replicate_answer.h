/* replicate_answer.h: a prediction as Replicate or Cog tells it, and what to do next.
 *
 * Order: replicate_answer_read on every 2xx answer of a create, get or cancel (others: replicate_error_read),
 * replicate_answer_next, the output while the answer is held (output_walk.h), replicate_answer_release.
 * Everything is bounded; unknown keys are passed over. No I/O; any thread. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/macros.h"
#include "predict/replicate_error.h"
#include "tables/error.h"

enum replicate_status {
    REPLICATE_UNKNOWN, /* a word we do not know, or none */
    REPLICATE_STARTING,
    REPLICATE_PROCESSING,
    REPLICATE_SUCCEEDED,
    REPLICATE_FAILED,
    REPLICATE_CANCELED,
    REPLICATE_ABORTED /* the deadline came before it had started: not billed */
};

struct replicate_answer {
    char id[65];          /* letters, digits, - and _ only; "" if none such came */
    char get_url[512];    /* "" if absent or not under the base URL: then base/predictions/id */
    char cancel_url[512]; /* likewise, with /cancel */
    enum replicate_status status;
    bool completed;        /* completed_at is there */
    bool data_removed;     /* the hour of retention is over */
    char error[512];       /* "" if none; clean text */
    double predict_time_s; /* -1: not told */
    int percent;           /* 0…100, of the last progress line; -1: none */
    unsigned step, steps;  /* of the same line */
    const json_t *output;  /* borrowed from document; NULL: absent or null */
    json_t *document;
};

/* base_url: without a slash at its end; only what lies below it may be sent the token. 0: *ret is to be
 * released. UNKNOWN_OUTCOME: a create was accepted but its answer cannot be read; UPSTREAM: any other such.
 */
int replicate_answer_read(const struct replicate_reply *reply, const char *base_url,
                          struct replicate_answer *ret, struct error *e) MUST_CHECK;
void replicate_answer_release(struct replicate_answer *a); /* accepts a zeroed or released one */

enum replicate_next { REPLICATE_DONE, REPLICATE_POLL, REPLICATE_FAIL, REPLICATE_RETRY_NEW };

enum replicate_why {
    REPLICATE_WHY_NONE,
    REPLICATE_WHY_MODEL,    /* failed, and would again */
    REPLICATE_WHY_PLATFORM, /* failed by the platform's fault: a new prediction may do */
    REPLICATE_WHY_FILTERED,
    REPLICATE_WHY_CANCELED,
    REPLICATE_WHY_ABORTED,
    REPLICATE_WHY_EMPTY_OUTPUT,
    REPLICATE_WHY_DATA_REMOVED /* it ran, but the result has been deleted since */
};

struct replicate_asked {
    bool prefer;         /* this answer is of a create with Prefer: wait */
    bool iterator;       /* the model's output grows: a part of it is no result */
    bool cancel_after;   /* the create had our deadline in Cancel-After */
    unsigned tries_left; /* new predictions that may still be paid for */
};

struct replicate_verdict {
    enum replicate_next next;
    enum replicate_why why; /* not NONE for FAIL and RETRY_NEW */
    bool billed;            /* this prediction costs, or may yet */
    struct error err;       /* for FAIL and RETRY_NEW */
};

void replicate_answer_next(const struct replicate_answer *a, const struct replicate_asked *asked,
                           struct replicate_verdict *ret);

const char *replicate_why_name(enum replicate_why why); /* "empty_output", for logs */
