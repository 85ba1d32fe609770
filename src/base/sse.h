/* sse.h: a reader of event streams (text/event-stream, as the HTML standard defines them).
 *
 * Order: sse_init, sse_read for the bytes as they come, however they are cut; sse_restart before the first
 * bytes of another connection: an event that was not whole is forgotten, what the next connection must be
 * told stays; sse_release. Lines end in LF, CR or CRLF. An event longer than its cap fails the stream. No
 * I/O; one owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

enum { SSE_TYPE_MAX = 64, SSE_ID_MAX = 256 };

struct sse_event {
    const char *type; /* "message" if it named none; "": a comment, and data is its text */
    const char *data; /* NUL-terminated; its lines are joined by \n */
    size_t size;
};
typedef void sse_event_fn(void *ctx, const struct sse_event *event);

struct sse {
    sse_event_fn *on_event;
    void *ctx;
    char last_id[SSE_ID_MAX]; /* of the last whole event: what Last-Event-ID is to say; "": nothing */
    int64_t retry_ms; /* the pause the server would like before the next connection; -1: it said none */
    /* its own */
    struct buf line, data;
    char type[SSE_TYPE_MAX], id[SSE_ID_MAX];
    bool after_cr, begun, has_data;
};

void sse_init(struct sse *s, size_t event_max, sse_event_fn *on_event, void *ctx);
int sse_read(struct sse *s, const void *bytes,
             size_t size) MUST_CHECK; /* 0; -EMSGSIZE: an event is too long */
void sse_restart(struct sse *s);
void sse_release(struct sse *s);
