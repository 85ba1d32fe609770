/* sse_out.h: writing an event stream (text/event-stream), as sse.h reads it. Any thread; the buffer is the
 * caller's. */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* Appends one event. id, type: NULL: it has none (a reader takes it for a "message"); neither may hold the
 * end of a line. data may be of any lines, ending in LF, CR or CRLF: to the reader all are LF. 0, or
 * -EMSGSIZE: it does not fit, and the buffer is as it was. */
int sse_write(struct buf *b, const char *id, const char *type, const char *data, size_t size);

/* A comment of one line, which readers ignore: it keeps the connection alive. */
int sse_write_comment(struct buf *b, const char *text);
