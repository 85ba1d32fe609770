/* replicate_json.h: reads what a model's server sent, within bounds.
 *
 * A paid result should not be lost to a stray byte in its logs: bytes that are no UTF-8, raw control
 * characters in strings, NUL escapes and lone surrogates are replaced, not refused. Size, depth and the
 * number of values are capped before anything is built. Of duplicate keys the last one counts. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/blob.h"
#include "base/json.h"
#include "base/macros.h"

enum {
    REPLICATE_JSON_BYTES_MAX = 160 << 20, /* 100 MB of pictures inline, and 20 MB of logs */
    REPLICATE_JSON_DEPTH_MAX = 64,
    REPLICATE_JSON_VALUES_MAX = 200000
};

/* Is it small enough, by these bounds, to be taken apart? Whether it is JSON is another question. */
bool replicate_json_bounded(const void *data, size_t size);

/* The text, with what would make it no JSON replaced in its place; NULL: beyond the bounds. */
struct blob *replicate_json_mended(const void *data, size_t size) MUST_CHECK;

/* Any JSON value, owned by the caller; NULL: not JSON, or beyond the bounds. All numbers come as reals. */
json_t *replicate_json_read(const void *data, size_t size) MUST_CHECK;

const char *replicate_json_text(const json_t *object, const char *key); /* "" if it has no such string */
