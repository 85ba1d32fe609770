/* replicate_stream.h: what the events of a prediction's stream mean (urls.stream of models that stream).
 *
 * Order: replicate_stream_init; replicate_stream_event for each event, comments too, until it says that this
 * was the last; replicate_stream_release. The stream may end without a last event, or lie behind: whether
 * and how the prediction ended is what a GET of it says, and `text` is for those who cannot wait that long.
 * No I/O; one owner. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/sse.h"
#include "tables/error.h"

enum replicate_stream_end {
    REPLICATE_STREAM_OPEN,
    REPLICATE_STREAM_DONE,
    REPLICATE_STREAM_CANCELED,
    REPLICATE_STREAM_FAILED
};

struct replicate_stream {
    struct buf text; /* of a model that writes: its pieces so far; of others: addresses or data URLs */
    unsigned pieces; /* how many */
    bool cut;        /* the text was longer than its bound */
    enum replicate_stream_end end;
    struct error err; /* of the last error event; code ERR_NONE: there was none */
};

void replicate_stream_init(struct replicate_stream *s, size_t text_max);
bool replicate_stream_event(struct replicate_stream *s, const struct sse_event *event); /* true: the last */
void replicate_stream_release(struct replicate_stream *s);
