/* redis_rig.h: a client of a real redis-server on a loop of its own, for tests; the test's thread is the
 * core. Order: redis_rig_init, then runs as wanted, redis_rig_release. */
#pragma once

#include "loop/loop_uv.h"
#include "redis/redis.h"
#include "redis_server.h"

struct redis_rig {
    struct loop_uv *uv;
    struct redis *redis;
    struct timer too_late, look;
    bool (*done)(void *ctx);
    void *ctx;
    unsigned ups, downs; /* notices */
    char why[256];       /* of the last one */
};

/* Does not start it; timeout_ms 0: 200, pipeline_max 0: 1000. */
void redis_rig_init(struct redis_rig *r, const char *url, uint32_t timeout_ms, uint32_t pipeline_max);
/* On a server of this test program, which is started if need be and empty then; skips the test if there is
 * none. */
void redis_rig_init_empty(struct redis_rig *r, struct redis_server *server);
void redis_rig_release(struct redis_rig *r);
void redis_rig_run(struct redis_rig *r, bool (*done)(void *ctx), void *ctx); /* until it is; at most 30 s */
void redis_rig_until_up(struct redis_rig *r);
void redis_rig_ms(struct redis_rig *r, unsigned ms); /* lets it run for so long */
/* Starts it and runs until it is over. words: NULL at the end. */
int redis_rig_ask(struct redis_rig *r, struct redis_call *call, const char *const *words);
