/* document.h: a prediction as its caller is to see it: as the server tells it, but with addresses that lead
 * here, the id that the caller knows it by, and an end that every client knows. Also errors in Replicate's
 * shape. No I/O; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "tables/error.h"

struct reply;

struct v1_view {
    const char *id;
    const char *base; /* where this server is, without a slash at its end */
    /* What the server said last, NULL: nothing yet; then the next four stand for it. */
    const char *said;
    size_t said_size;
    const char *model, *version;
    const char *input; /* JSON text */
    size_t input_size;
    int64_t created_ms; /* since 1970 */
    const char *status; /* NULL: as it was said */
    const char *error;  /* NULL: as it was said */
    int64_t ended_ms;   /* 0: as it was said */
    bool own_stream;    /* its events come from here */
};

/* Appends it. 0; -EINVAL: what the server said is no object; -EMSGSIZE. */
int v1_document(const struct v1_view *v, struct buf *ret) MUST_CHECK;

/* "2026-01-02T03:04:05.678Z", quoted. */
void v1_put_time(struct buf *b, int64_t ms);

/* A page or an object whose "next" and "previous" are to lead here where they led to the API. */
int v1_pages(const char *said, size_t size, const char *api, const char *base, struct buf *ret) MUST_CHECK;
