#include "limiter/rate.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum { SETS = 16384, WAYS = 4, WINDOW_S = 60 };

struct slot {
    uint64_t caller;
    uint64_t full_ns; /* when the whole allowance is back; the past: it is */
};

struct rate {
    pthread_mutex_t mutex;
    struct slot slot[SETS][WAYS];
};

struct rate *rate_new(void)
{
    struct rate *r = NEW(struct rate);
    pthread_mutex_init(&r->mutex, NULL);
    return r;
}

void rate_free(struct rate *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

/* The caller's slot, or the one of its set whose allowance was (or will be) back first. */
static struct slot *slot_of(struct rate *r, uint64_t caller)
{
    struct slot *set = r->slot[caller % SETS];
    struct slot *oldest = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].caller == caller)
            return &set[i];
        if (set[i].full_ns < oldest->full_ns)
            oldest = &set[i];
    }
    *oldest = (struct slot){.caller = caller};
    return oldest;
}

static unsigned seconds_up(uint64_t ns)
{
    return (unsigned)((ns + NS_PER_S - 1) / NS_PER_S);
}

bool rate_take(struct rate *r, uint64_t caller, unsigned per_minute, uint64_t now_ns, struct rate_state *ret)
{
    CHECK(per_minute > 0);
    const uint64_t window = WINDOW_S * NS_PER_S;
    const uint64_t each = window / per_minute;
    pthread_mutex_lock(&r->mutex);
    struct slot *slot = slot_of(r, caller);
    uint64_t debt = slot->full_ns > now_ns ? slot->full_ns - now_ns : 0;
    bool pass = debt + each <= window;
    if (pass) {
        debt += each;
        slot->full_ns = now_ns + debt;
    }
    pthread_mutex_unlock(&r->mutex);
    *ret = (struct rate_state){
        .limit = per_minute,
        .remaining = (unsigned)((window - MIN(debt, window)) / each),
        .reset_s = seconds_up(debt),
        .retry_s = pass ? 0 : seconds_up(debt + each - window),
    };
    return pass;
}
