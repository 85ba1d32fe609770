/* stream.h: a reply that goes on: events (SSE) sent piece by piece for as long as somebody listens.
 *
 * Order: on the front thread, or for a suspended exchange from the one who answers, stream_new, then
 * exchange_answer[_suspended] with stream_reply's reply; stream_send as often as one likes; stream_end. From
 * then on, or once `closed` was called, the stream must not be used; stream_unref lets go of it. Ownership:
 * ref counted: one reference is the maker's, one the connection's. Any thread may send; `closed` is called
 * once, on a front thread, when the connection is over for whatever reason, also if the reply never went out
 * (post to the core from there). A HEAD request gets the headers, and is over with them. Answer once the
 * request is complete: while much of a body is still to come, a reply goes out without its stream.
 *
 * Bounds: what is sent and not yet taken by the socket is at most max_bytes, a piece counting a little more
 * than it is long: beyond that stream_send returns -ERR_OVERLOADED, takes nothing, and the caller ends the
 * stream with a reason (a last piece always fits). A reader that does not take a piece of at most some 20 kB
 * within stall_ms is dropped; one that takes it is never cut. A stream that is silent is kept alive by its
 * maker's pings; that its reader has left is noticed within about a second, without any. When the server
 * drains the streams are ended by their makers; http_cut_streams and http_stop cut them. */
#pragma once

#include <stddef.h>

#include "base/blob.h"
#include "base/macros.h"
#include "http/server/http.h"

struct stream;

struct stream_config {
    size_t max_bytes;
    unsigned stall_ms; /* 0: as for any other reply, from BODY_MIN_RATE */
    void (*closed)(
        void *ctx); /* front thread, once; stream_end does not call it by itself. NULL: nobody asks */
    void *ctx;
};

struct stream *stream_new(const struct stream_config *config) MUST_CHECK;
struct stream *stream_ref(struct stream *s);
void stream_unref(struct stream *s); /* accepts NULL */

/* A 200 whose body is what will be sent. Headers may be added. Once. */
struct reply *stream_reply(struct stream *s, const char *content_type) MUST_CHECK;

/* 0: it will go out; OVERLOADED: the reader is too slow; CLIENT_GONE: the connection is over. Takes a
 * reference of its own; an immutable blob may go to many streams. */
int stream_send(struct stream *s, struct blob *piece) MUST_CHECK;
void stream_end(struct stream *s, struct blob *last); /* last: NULL, or a final piece */
