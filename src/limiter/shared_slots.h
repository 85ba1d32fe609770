/* shared_slots.h: the slots of limiters that several gateways have together, leased in Redis.
 *
 * Order: shared_slots_new; shared_slots_add for each limiter; redis_start; redis_stop; shared_slots_free,
 * before the limiters' end. It stands behind the limiters: what they hold here is made known in Redis, under
 * this gateway's name and with a lease that is prolonged every third of lease_ms; what they want more is
 * asked for there. A slot that comes free goes to the gateway that has waited longest, whichever it was used
 * by, and a gateway that got one goes to the end of that queue: so each gateway that wants slots gets as many
 * as the others, whether one waits in it or a thousand. A gateway that dies holds its slots for lease_ms
 * more.
 *
 * Without Redis, and while it does not answer, each gateway goes on alone with all slots of its limiters.
 * Gateways with the same prefix belong together; all of them should have the same number of slots. Core
 * thread, but for shared_slots_together. */
#pragma once

#include "limiter/limiter.h"
#include "redis/redis.h"

struct shared_slots;

enum { SHARED_SLOTS_LIMITERS_MAX = 8 };

struct shared_slots_config {
    struct redis *redis;
    const char *prefix; /* of all names; copied */
    uint64_t lease_ms;
    /* Whether the limits are shared, each time that it changes. why: static text or Redis's words. NULL:
     * nobody listens. */
    void (*notice)(void *ctx, bool together, const char *why);
    void *ctx;
};

struct shared_slots *shared_slots_new(const struct shared_slots_config *config) MUST_CHECK;
/* Borrows it until the end; names it by its name. Before redis_start. */
void shared_slots_add(struct shared_slots *s, struct limiter *l);
bool shared_slots_together(const struct shared_slots *s); /* false: each gateway is alone; any thread */
bool shared_slots_busy(const struct shared_slots *s);     /* Redis has not heard of everything yet */
void shared_slots_free(struct shared_slots *s);           /* accepts NULL; its redis is stopped */
