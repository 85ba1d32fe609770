/* result_json.h: a result as text, for the shared tier. The form has a version; gateways of two versions may
 * share a server while one is being upgraded, so what cannot be read, or is of another version, is as good
 * as not there. Any thread. */
#pragma once

#include "base/buf.h"
#include "cache/cache.h"

enum { RESULT_JSON_MAX = 96 << 10 };

/* 0, or -EMSGSIZE: it does not fit into ret. */
int result_to_json(const struct result *r, struct buf *ret) MUST_CHECK;
/* A new reference; NULL: it cannot be read. */
struct result *result_from_json(const char *text, size_t size) MUST_CHECK;
