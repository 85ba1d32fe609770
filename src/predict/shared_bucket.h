/* shared_bucket.h: the account's bucket (bucket.h), one for all gateways with the same token, in Redis.
 *
 * Order: shared_bucket_new, before redis_start; for each run that wants to begin shared_bucket_take with a
 * zeroed struct bucket_ask, wait for its op, come back when its place is due (bucket_is_due, on the local
 * bucket); tell the others of pauses and of low credit after the local bucket has been told;
 * shared_bucket_free, when redis is stopped. The local bucket follows what Redis says, and serves while Redis
 * does not answer. Who has the same token is told from a digest; the token does not leave this process. Core
 * thread. */
#pragma once

#include "predict/bucket.h"
#include "redis/redis.h"

struct shared_bucket;

struct shared_bucket *shared_bucket_new(struct redis *redis, const char *prefix, const char *token,
                                        struct bucket *local) MUST_CHECK;
void shared_bucket_free(struct shared_bucket *s); /* accepts NULL; nothing is asked any more */

struct bucket_ask {
    struct op op;              /* 0: place; PROVIDER_UNAVAILABLE: there is none before the deadline */
    struct bucket_place place; /* out */
    uint64_t next_ns;          /* out: when the next one is, if there is none in time */
    uint64_t deadline_ns;      /* private from here on */
    struct shared_bucket *shared;
    struct redis_call call;
};

/* At once, from the local bucket: the result that the op would have. */
int bucket_ask_locally(struct bucket_ask *a, struct bucket *b, uint64_t now_ns,
                       uint64_t deadline_ns) MUST_CHECK;
void shared_bucket_take(struct shared_bucket *s, struct bucket_ask *a, uint64_t deadline_ns,
                        op_done_fn *on_done);

/* Each accepts NULL. */
void shared_bucket_pause(struct shared_bucket *s, uint64_t until_ns, bool slow_down);
void shared_bucket_full_speed(struct shared_bucket *s); /* the account has credit again */
