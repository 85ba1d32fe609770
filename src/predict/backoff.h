/* backoff.h: how long to wait before something is tried again: full jitter, so that those who failed together
 * do not come back together. No I/O; the owner of the generator's thread. */
#pragma once

#include <stdint.h>

#include "base/rng.h"

enum { BACKOFF_MAX_MS = 60000 };

/* Anything from 0 to base_ms × factor^attempt (attempt from 0), at most BACKOFF_MAX_MS. */
uint64_t backoff_ns(struct rng *rng, int64_t base_ms, double factor, unsigned attempt);

/* wait_ns give or take a tenth. */
uint64_t backoff_around_ns(struct rng *rng, uint64_t wait_ns);
