#include "predict/backoff.h"

#include "base/clock.h"
#include "base/macros.h"

uint64_t backoff_ns(struct rng *rng, int64_t base_ms, double factor, unsigned attempt)
{
    double most_ms = MIN((double)base_ms, (double)BACKOFF_MAX_MS);
    for (unsigned i = 0; i < attempt && most_ms < BACKOFF_MAX_MS && factor > 1; i++)
        most_ms = MIN(most_ms * factor, (double)BACKOFF_MAX_MS);
    return rng_below(rng, (uint64_t)(most_ms * NS_PER_MS) + 1);
}

uint64_t backoff_around_ns(struct rng *rng, uint64_t wait_ns)
{
    return wait_ns - wait_ns / 10 + rng_below(rng, wait_ns / 5 + 1);
}
