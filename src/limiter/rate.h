/* rate.h: how many requests a caller may make a minute.
 *
 * The generic cell rate algorithm: one time stamp a caller; a full minute's allowance may come at once, then
 * it refills evenly. The table has a fixed size and forgets the callers that were away longest, so a flood of
 * addresses costs no memory; what it forgets has its whole allowance again. Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct rate;

struct rate_state {
    unsigned limit;     /* a minute */
    unsigned remaining; /* that could come right now */
    unsigned reset_s;   /* until the whole allowance is back */
    unsigned retry_s;   /* until one more is taken; 0: now */
};

struct rate *rate_new(void) MUST_CHECK;
void rate_free(struct rate *r); /* accepts NULL */

/* Counts one request of the caller with this hash (route included): true when it may pass. */
bool rate_take(struct rate *r, uint64_t caller, unsigned per_minute, uint64_t now_ns,
               struct rate_state *ret) MUST_CHECK;
