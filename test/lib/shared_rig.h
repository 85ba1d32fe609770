/* shared_rig.h: the shared tier over a real redis-server, each look-up run to its end, for tests. The server
 * is started once and shared by all; order: shared_rig_new, use, shared_rig_free; at the very end
 * shared_rig_stop. */
#pragma once

#include "cache/shared.h"
#include "redis_rig.h"
#include "redis_server.h"

struct shared_rig {
    struct redis_rig rig;
    struct shared *shared;
};

bool shared_rig_there(void); /* starts the server; false: tools/deps --dev has not brought it */
struct redis_server *shared_rig_server(void);
struct shared_rig *shared_rig_new(uint64_t ttl_ms); /* of an empty server */
void shared_rig_free(struct shared_rig *r);
void shared_rig_stop(void);

struct result *shared_rig_get(struct shared_rig *r, const uint8_t *key, uint64_t *ret_ttl_ms);
void shared_rig_settle(struct shared_rig *r); /* until all that was sent is answered */
uint64_t shared_rig_size(struct shared_rig *r);
