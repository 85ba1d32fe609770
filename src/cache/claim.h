/* claim.h: which of several gateways works on a key: the one that holds its lease in Redis.
 *
 * Order: claims_new before redis_start; per request claim_start with a zeroed struct claim whose key is
 * filled, wait for its op; who then leads (CLAIM_LEADS) must end that by claim_settle or claim_give_up,
 * exactly once; claims_free when nobody waits or leads. While it leads, its lease is prolonged every third of
 * lease_ms; a gateway that dies loses it after lease_ms, and exactly one of those who wait gets it. Who waits
 * is told on a channel, and looks by itself once a second. Without Redis everybody is on
 * his own (CLAIM_ALONE), at once or, when it goes while he waits, after grace_ms: the same may then run
 * several times, but all are answered. Core thread. */
#pragma once

#include "base/list.h"
#include "cache/shared.h"

struct claims;

/* Borrows shared. grace_ms: how long one who waits already goes on waiting when Redis stops answering. */
struct claims *claims_new(struct shared *shared, uint64_t lease_ms, uint64_t grace_ms) MUST_CHECK;
void claims_free(struct claims *c); /* accepts NULL */
unsigned claims_waiting(const struct claims *c);

enum claim_end {
    CLAIM_ALONE, /* run it; nobody knows */
    CLAIM_LEADS, /* run it; the others wait */
    CLAIM_HIT    /* there is a result */
};

enum { CLAIM_TOKEN = 48 };

struct claim {
    struct op op; /* 0; or the failure of the one that was waited for, with get.err; CLIENT_GONE: op_cancel */
    struct shared_get get; /* in: key. out: result and ttl_ms after HIT; err */
    enum claim_end end;
    struct claims *claims; /* while it leads; else NULL */
    struct list node;      /* private from here on: among those who wait */
    struct timer timer;    /* the next look, or the next prolonging */
    struct claims *asking;
    bool cancelled;
    uint64_t grace_ns; /* until when it waits without Redis; 0: not begun */
    char token[CLAIM_TOKEN];
};

void claim_start(struct claims *c, struct claim *claim, op_done_fn *on_done);
/* A result: put for the others, unless the lease has been lost to one of them. */
void claim_settle(struct claim *claim, const struct result *r, uint64_t ttl_ms);
/* No result. e: it would fail for everybody, or has cost money: all who wait fail with it; NULL: one of them
 * takes over. */
void claim_give_up(struct claim *claim, const struct error *e);
