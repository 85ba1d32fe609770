/* request_json.h: what a request asks for, as text that outlives it: its fields, its pictures by their
 * digests or addresses, and its wishes. The pictures themselves lie elsewhere. Any thread that owns the
 * request. */
#pragma once

#include "base/buf.h"
#include "base/macros.h"
#include "request/request.h"

enum { REQUEST_JSON_MAX = 64 << 10 };

/* After 020. 0, or -EMSGSIZE: it does not fit into ret. */
int request_to_json(const struct request *req, struct buf *ret) MUST_CHECK;
/* Into a new request of the same feature. 0 or INTERNAL: it cannot be read. */
int request_from_json(struct request *req, const char *text, struct error *e) MUST_CHECK;
