/* json.h: what all who read JSON with Jansson have in common. Any thread. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/macros.h"

static inline void cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define JSON_ON_EXIT CLEANUP(cleanup_json)

/* s is at a backslash inside of a NUL-terminated text. What Jansson would refuse (a NUL, half of a surrogate
 * pair) becomes U+FFFD in its place. Returns the bytes to pass over. */
size_t json_mend_escape(char *s);
