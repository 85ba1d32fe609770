/* when.h: points of time as people write them in a query. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* RFC 3339 (2026-11-23T10:00:00Z, fractions of seconds are cut off), seconds since 1970, "now", or how long
 * ago: -90s, -30m, -1h, -7d, -4w. false: none of these. now and *ret are seconds since 1970. */
bool when_parse(const char *text, int64_t now, int64_t *ret);
