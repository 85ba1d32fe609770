#include "http/client/patience.h"

#include "base/clock.h"
#include "http/client/client.h"

enum {
    PAUSE_BASE_MS = 250,
    PAUSE_MAX_MS = 5000,
    ASKED_MAX_S = 30,
    LAST_TRY_MS = 2000, /* what the last try has, of a long limit */
    LAST_TRY_PART = 8   /* and of a short one: this part of it */
};

void patience_begin(struct patience *p, unsigned tries, uint64_t now_ns, uint32_t limit_ms)
{
    uint32_t last_ms = limit_ms - MIN(limit_ms / LAST_TRY_PART, (uint32_t)LAST_TRY_MS);
    *p = (struct patience){.tries_left = tries, .last_ns = UINT64_MAX, .until_ns = UINT64_MAX};
    if (limit_ms > 0) {
        p->last_ns = now_ns + last_ms * NS_PER_MS;
        p->until_ns = now_ns + limit_ms * NS_PER_MS;
    }
}

uint32_t patience_left_ms(const struct patience *p, uint64_t now_ns, uint32_t most_ms)
{
    uint64_t left_ms = p->until_ns > now_ns ? (p->until_ns - now_ns) / NS_PER_MS : 0;
    return (uint32_t)MAX(MIN(left_ms, (uint64_t)most_ms), 1u);
}

uint64_t patience_next_ns(struct patience *p, struct rng *rng, uint64_t now_ns, const char *retry_after)
{
    if (p->tries_left == 0 || now_ns >= p->last_ns)
        return 0;
    p->tries_left -= p->tries_left != PATIENCE_TRIES_ANY;
    uint64_t most_ms = MIN((uint64_t)PAUSE_BASE_MS << MIN(p->tries, 10u), (uint64_t)PAUSE_MAX_MS);
    uint64_t wait_ns = rng_below(rng, most_ms * NS_PER_MS) + 1;
    int64_t asked_s = MIN(http_retry_after_s(retry_after, clock_wall_s()), (int64_t)ASKED_MAX_S);
    if (asked_s > 0)
        wait_ns = MAX(wait_ns, (uint64_t)asked_s * NS_PER_S);
    p->tries++;
    return MIN(now_ns + wait_ns, p->last_ns);
}
