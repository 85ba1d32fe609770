/* patience.h: how long to go on with what failed for a passing reason, and when to try again.
 *
 * Order: patience_begin at the first try; patience_next_ns after each that failed. Pauses are random, so that
 * those who failed together do not come back together, and grow to a few seconds; none is shorter than
 * Retry-After asks, within reason. Where the time is bounded a last try is made shortly before its end,
 * however long was asked for: what is paid for is not given up while it might still be had. No I/O; any
 * thread. */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/rng.h"

#define PATIENCE_TRIES_ANY UINT_MAX /* the time alone counts */

struct patience {
    unsigned tries_left, tries; /* tries: again, so far */
    uint64_t last_ns, until_ns; /* no try begins, and none ends, later; UINT64_MAX: whenever */
};

/* limit_ms: of all tries together; 0: the number of tries alone counts. */
void patience_begin(struct patience *p, unsigned tries, uint64_t now_ns, uint32_t limit_ms);
/* When to try again, on the clock of now_ns; 0: not any more. retry_after: the header's value; "" if none. */
uint64_t patience_next_ns(struct patience *p, struct rng *rng, uint64_t now_ns,
                          const char *retry_after) MUST_CHECK;
/* How long one try may take: most_ms, or what is left. */
uint32_t patience_left_ms(const struct patience *p, uint64_t now_ns, uint32_t most_ms);
