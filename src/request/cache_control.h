/* cache_control.h: what a request's Cache-Control header wishes (RFC 9111 §5.2.1). Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* Zeroed: nothing is wished. */
struct cache_wish {
    bool no_cache; /* nothing that was made before: not from the cache, nor by a run that is under way */
    bool no_store; /* nothing of it is kept or shared, neither its picture nor its result */
    bool limited;  /* nothing older than max_age_s */
    uint32_t max_age_s;
};

/* header: the value; of several headers, their values with commas between. Directives that are not known
 * mean nothing. 0; -EINVAL: it is malformed, and *ret stays as it was. */
int cache_control_parse(const char *header, struct cache_wish *ret) MUST_CHECK;
