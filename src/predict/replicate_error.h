/* replicate_error.h: what an answer that is not 2xx means, and what to do about it.
 *
 * Bodies come as problem JSON, as Cog's shapes, as HTML or not at all. Nothing of billing or authentication
 * reaches a caller's message. Neither message nor excerpt holds the token. No I/O; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/error.h"

enum { REPLICATE_WAIT_MAX_S = 120 };

enum replicate_call { REPLICATE_CALL_CREATE, REPLICATE_CALL_GET, REPLICATE_CALL_OTHER };

struct replicate_reply {
    enum replicate_call call;
    int status;       /* HTTP */
    const void *body; /* size bytes; NULL if size is 0 */
    size_t size;
    const char *retry_after; /* the header; "" or NULL: none */
    const char *token;       /* to be masked; "" or NULL: only what looks like one is */
    int64_t now_s;           /* since 1970 */
};

enum replicate_advice {
    REPLICATE_STOP, /* the same request would fail again */
    REPLICATE_WAIT, /* all of the account: wait retry_after_s (0: as the backoff says), then send it again */
    REPLICATE_RESOLVE, /* forget the cached version, look the model up, create once more */
    REPLICATE_USE_URL, /* too large inline: send the picture by URL, once */
    REPLICATE_BREAK,   /* the operator must act: open the breaker, send nothing for minutes */
    REPLICATE_AGAIN,   /* costs nothing: repeat with backoff */
    REPLICATE_LOOK_UP  /* it may have been created: look for it before anything is paid twice */
};

/* What a model has against its input. err is VALIDATION then, with the model's words, if any;
 * replicate_input_blame says whose fault it is. */
enum replicate_refusal {
    REPLICATE_REFUSAL_NONE,  /* it is about something else */
    REPLICATE_REFUSAL_VALUE, /* err.field is its key: the value does not suit it */
    REPLICATE_REFUSAL_SHAPE, /* a key is missing or unknown, or it does not say */
    REPLICATE_REFUSAL_RUN    /* it looked at what it got, and said no */
};

struct replicate_problem {
    enum replicate_advice advice;
    enum replicate_refusal refusal;
    bool low_credit;   /* the account is down to 6 creates a minute */
    char excerpt[200]; /* for the log: status line aside, what was said; never for callers */
    struct error err;  /* for the caller; retry_after_s filled where it is known */
};

void replicate_error_read(const struct replicate_reply *reply, struct replicate_problem *ret);

/* The first size - 1 bytes of text, as clean UTF-8, tokens replaced by stars. token: may be NULL. */
void replicate_excerpt(const char *text, size_t len, const char *token, char *ret, size_t size);
