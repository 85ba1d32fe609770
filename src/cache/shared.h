/* shared.h: the tier of the result cache that several gateways share, in Redis.
 *
 * Values are small: a result as JSON (result_json.h), never image bytes. They live ttl_ms at most, from the
 * time of the put. Order: shared_new; for each look-up fill key of a zeroed struct shared_get,
 * shared_get_start, wait for its op, read result; shared_free. A put or a removal is sent, and nobody waits
 * for it. A server that is gone, slow or full is a miss (redis.h). Names begin with prefix and space: who
 * keeps results elsewhere has another space, as nobody could open the links. Core thread. */
#pragma once

#include "cache/cache.h"
#include "redis/redis.h"

struct shared;

struct shared_config {
    struct redis *redis;
    const char *prefix; /* of all names; copied, as is space */
    const char *space;  /* of this store */
    uint64_t ttl_ms;    /* 0: remembers nothing */
};

struct shared *shared_new(const struct shared_config *config) MUST_CHECK;
void shared_free(struct shared *s);        /* accepts NULL; before its redis */
bool shared_is_up(const struct shared *s); /* it is worth asking; any thread; accepts NULL: no */

/* What to do on a miss, if a lease was asked for (claim.h). */
enum shared_lease {
    LEASE_NONE,   /* none was asked for, or there is a result */
    LEASE_TAKEN,  /* it is ours, with this fence */
    LEASE_HELD,   /* somebody else's, with that fence, for ttl_ms more */
    LEASE_FAILED, /* whoever had the fence we waited for has failed with err, and all may fail like that */
};

struct shared_get {
    struct op op; /* 0: whether or not it is there; CLIENT_GONE: op_cancel; else it could not be asked */
    /* in */
    uint8_t key[DIGEST_BYTES];
    const char *token; /* takes a lease on a miss, under this name; NULL: does not */
    uint64_t lease_ms;
    uint64_t waited_for; /* the fence of the lease that was waited for; 0: none */
    /* out */
    struct result *result; /* NULL: a miss; the owner's */
    uint64_t ttl_ms;       /* how long the result will be there, or the other's lease */
    enum shared_lease lease;
    uint64_t fence;
    struct error err; /* of LEASE_FAILED */
    /* private */
    struct shared *shared;
    struct redis_call call;
};

void shared_get_start(struct shared *s, struct shared_get *g, op_done_fn *on_done);
/* ttl_ms: as the tier's at most; 0: it is not put. */
void shared_put(struct shared *s, const uint8_t key[static DIGEST_BYTES], const struct result *r,
                uint64_t ttl_ms);
void shared_remove(struct shared *s, const uint8_t key[static DIGEST_BYTES]); /* accepts NULL for s */

/* ---- for leases (claim.h): each is one script, sent, and nobody waits for it ---- */

/* Puts, ends the lease and tells those who listen; does nothing if the lease is another's by now, or if it
 * has lapsed and there is a result. */
void shared_settle(struct shared *s, const uint8_t key[static DIGEST_BYTES], const char *token,
                   const struct result *r, uint64_t ttl_ms);
/* Ends the lease without a result. e: all who waited for this fence are to fail like this; NULL: one of them
 * may try. */
void shared_give_up(struct shared *s, const uint8_t key[static DIGEST_BYTES], const char *token,
                    uint64_t fence, const struct error *e);
/* Prolongs the lease, or takes it again if it has lapsed and nobody has done anything since. */
void shared_renew(struct shared *s, const uint8_t key[static DIGEST_BYTES], const char *token, uint64_t fence,
                  uint64_t lease_ms);
/* The channel on which settling and giving up are told: the key in hex. */
const char *shared_channel(const struct shared *s);
struct redis *shared_redis(const struct shared *s);
