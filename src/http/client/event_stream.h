/* event_stream.h: events of a server (text/event-stream), over as many connections as it takes.
 *
 * Order: fill the input half of a zeroed struct event_stream, event_stream_start, take events as they come
 * until on_event says that this was the last, wait for its op, event_stream_release. A connection that ends
 * before the last event is followed by another one, which tells the server the last id it has given, so that
 * it goes on behind it; pauses as in patience.h, or longer if the server asks for it. Guarded (client.h), as
 * the address is another's. Core thread.
 *
 * How it ends: 0: the last event has come. UPSTREAM: the server has refused (status), or the stream has ended
 * without its last event, and has again each time; PAYLOAD_TOO_LARGE: an event was too long; DEADLINE,
 * PROVIDER_UNAVAILABLE, VALIDATION, CLIENT_GONE as in client.h. What the events have told until then stays
 * true; what became of the thing they told about must be asked elsewhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/sse.h"
#include "http/client/client.h"
#include "http/client/patience.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "tables/error.h"

struct event_stream {
    struct op op;
    /* in */
    const char *url;           /* the caller's, until complete */
    const char *authorization; /* NULL: none; never sent to another origin */
    bool (*on_event)(struct event_stream *s, const struct sse_event *event); /* true: that was the last one */
    size_t event_max;
    uint32_t timeout_ms; /* of all connections together */
    uint32_t idle_ms;    /* a connection without any byte for so long is dead; 0: whatever timeout_ms says */
    unsigned retries;    /* connections in a row that bring no event */
    /* out */
    int status; /* of the last answer; 0: none came */
    struct error err;
    /* its own */
    struct http_client_pool *pool;
    struct loop *loop;
    struct http_call call;
    struct sse sse;
    struct timer pause;
    struct patience patience;
    struct rng rng;
    uint64_t until_ns;
    bool over, heard, cancelled, too_long;
};

void event_stream_start(struct http_client_pool *pool, struct loop *loop, struct event_stream *s,
                        op_done_fn *on_done);
void event_stream_release(struct event_stream *s);
