/* Happy path: the first gateway finds neither result nor lease and takes the lease, in one script; the others
 * find it held, wait, are told that it is over, look again and find the result. Failure modes: the holder
 * fails: it tells so, and one of the others gets the lease, or all fail like it; the holder dies: its lease
 * lapses, and the first to look gets the next one; Redis goes: whoever asks for the first time is on his own
 * at once, whoever waits already when it does not come back soon, whoever leads goes on; Redis comes back:
 * the holder's next prolonging takes a lease that was lost with it. Invariants: a claim is asking (its get
 * runs), waiting (in the list, with its timer), leading (claims is set, with its timer) or none of them; a
 * request that is cancelled while it asks gives up a lease that it may just have got: that command comes
 * after its own on the same connection. */
#include "cache/claim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

enum { LOOK_MS = 1000, GRACE_LOOK_MS = 50, RENEWALS = 3 };

struct claims {
    struct shared *shared;
    struct loop *loop;
    uint64_t lease_ms, grace_ms;
    struct list waiting; /* of struct claim */
    unsigned waiting_count, leading_count;
    uint64_t node, tokens; /* both make a token */
};

static void ask(struct claim *claim);

/* ---- waiting ---- */

static void leave(struct claim *claim)
{
    struct claims *c = claim->asking;
    list_remove(&claim->node);
    timer_disarm(c->loop, &claim->timer);
    c->waiting_count--;
}

static void look_again(struct timer *t);

static void look_in(struct claim *claim, uint64_t ms)
{
    struct loop *loop = claim->asking->loop;
    timer_arm(loop, &claim->timer, loop_now_ns(loop) + ms * NS_PER_MS, look_again);
}

static void wait(struct claim *claim, uint64_t ms)
{
    struct claims *c = claim->asking;
    list_push_back(&c->waiting, &claim->node);
    c->waiting_count++;
    look_in(claim, ms);
}

static void end(struct claim *claim, enum claim_end how, int result)
{
    claim->end = how;
    claim->asking = NULL;
    op_complete(&claim->op, result);
}

/* Redis does not answer. Most often it only stumbled, and the other's run goes on: waiting costs less. */
static bool may_wait(struct claim *claim)
{
    const struct claims *c = claim->asking;
    uint64_t now = loop_now_ns(c->loop);
    if (claim->grace_ns == 0)
        claim->grace_ns = now + c->grace_ms * NS_PER_MS;
    return now < claim->grace_ns;
}

static void look_again(struct timer *t)
{
    struct claim *claim = CONTAINER_OF(t, struct claim, timer);
    bool up = shared_is_up(claim->asking->shared);
    if (!up && may_wait(claim)) {
        look_in(claim, GRACE_LOOK_MS);
        return;
    }
    leave(claim);
    if (up)
        ask(claim);
    else
        end(claim, CLAIM_ALONE, 0);
}

/* Asking again moves nobody back into the list before the answer comes. */
static void on_message(void *ctx, const char *message)
{
    struct claims *c = ctx;
    uint8_t key[DIGEST_BYTES];
    if (message && hex_decode(message, key, sizeof(key)) < 0)
        return;
    LIST_FOREACH_SAFE (node, &c->waiting) {
        struct claim *claim = CONTAINER_OF(node, struct claim, node);
        if (message && memcmp(claim->get.key, key, DIGEST_BYTES) != 0)
            continue;
        leave(claim);
        ask(claim);
    }
}

static void on_down(void *ctx)
{
    struct claims *c = ctx;
    LIST_FOREACH (node, &c->waiting) {
        look_in(CONTAINER_OF(node, struct claim, node), 0);
    }
}

/* ---- leading ---- */

static void prolong(struct timer *t)
{
    struct claim *claim = CONTAINER_OF(t, struct claim, timer);
    struct claims *c = claim->claims;
    shared_renew(c->shared, claim->get.key, claim->token, claim->get.fence, c->lease_ms);
    timer_arm(c->loop, t, loop_now_ns(c->loop) + c->lease_ms * NS_PER_MS / RENEWALS, prolong);
}

static void lead(struct claim *claim)
{
    struct claims *c = claim->asking;
    claim->claims = c;
    c->leading_count++;
    timer_arm(c->loop, &claim->timer, loop_now_ns(c->loop) + c->lease_ms * NS_PER_MS / RENEWALS, prolong);
    end(claim, CLAIM_LEADS, 0);
}

static struct claims *stop_leading(struct claim *claim)
{
    struct claims *c = TAKE(claim->claims);
    CHECK(c);
    timer_disarm(c->loop, &claim->timer);
    c->leading_count--;
    return c;
}

void claim_settle(struct claim *claim, const struct result *r, uint64_t ttl_ms)
{
    struct claims *c = stop_leading(claim);
    shared_settle(c->shared, claim->get.key, claim->token, r, ttl_ms);
}

void claim_give_up(struct claim *claim, const struct error *e)
{
    struct claims *c = stop_leading(claim);
    shared_give_up(c->shared, claim->get.key, claim->token, claim->get.fence, e);
}

/* ---- asking ---- */

/* As soon as the lease lapses, if it is not prolonged, and once a second, as a message may be lost. */
static void wait_for_lease(struct claim *claim)
{
    claim->get.waited_for = claim->get.fence;
    claim->grace_ns = 0;
    wait(claim, MIN(claim->get.ttl_ms + 1, (uint64_t)LOOK_MS));
}

static void answered(struct op *op)
{
    struct claim *claim = CONTAINER_OF(op, struct claim, get.op);
    int result = op->result;
    bool unheard = claim->cancelled && claim->get.lease == LEASE_HELD; /* it came with the answer */
    if (result == -ERR_CLIENT_GONE || unheard) {
        shared_give_up(claim->asking->shared, claim->get.key, claim->token, 0, NULL);
        end(claim, CLAIM_ALONE, -ERR_CLIENT_GONE);
    } else if (result < 0 && claim->get.waited_for && !claim->cancelled && may_wait(claim)) {
        wait(claim, GRACE_LOOK_MS);
    } else if (result < 0) {
        end(claim, CLAIM_ALONE, claim->cancelled ? -ERR_CLIENT_GONE : 0);
    } else if (claim->get.result) {
        end(claim, CLAIM_HIT, 0);
    } else if (claim->get.lease == LEASE_TAKEN) {
        lead(claim);
    } else if (claim->get.lease == LEASE_HELD) {
        wait_for_lease(claim);
    } else if (claim->get.lease == LEASE_FAILED) {
        end(claim, CLAIM_ALONE, -(int)claim->get.err.code);
    } else {
        end(claim, CLAIM_ALONE, 0); /* what lies there cannot be read: it is written over */
    }
}

static void ask(struct claim *claim)
{
    shared_get_start(claim->asking->shared, &claim->get, answered);
}

static void cancel(struct op *op)
{
    struct claim *claim = CONTAINER_OF(op, struct claim, op);
    claim->cancelled = true;
    if (list_linked(&claim->node)) {
        leave(claim);
        end(claim, CLAIM_ALONE, -ERR_CLIENT_GONE);
    } else {
        op_cancel(&claim->get.op);
    }
}

void claim_start(struct claims *c, struct claim *claim, op_done_fn *on_done)
{
    op_begin(&claim->op, c->loop, on_done, cancel);
    snprintf(claim->token, sizeof(claim->token), "%016" PRIx64 ".%" PRIu64, c->node, ++c->tokens);
    claim->asking = c;
    claim->get.token = claim->token;
    claim->get.lease_ms = c->lease_ms;
    claim->get.waited_for = 0;
    ask(claim);
}

/* ---- life ---- */

struct claims *claims_new(struct shared *shared, uint64_t lease_ms, uint64_t grace_ms)
{
    struct claims *c = NEW(struct claims);
    struct redis *redis = shared_redis(shared);
    c->shared = shared;
    c->loop = redis_loop(redis);
    c->lease_ms = lease_ms;
    c->grace_ms = grace_ms;
    list_init(&c->waiting);
    rng_bytes(&c->node, sizeof(c->node));
    redis_listen(redis, shared_channel(shared), on_message, c);
    redis_on_down(redis, on_down, c);
    return c;
}

void claims_free(struct claims *c)
{
    if (!c)
        return;
    CHECK(c->waiting_count == 0 && c->leading_count == 0);
    free(c);
}

unsigned claims_waiting(const struct claims *c)
{
    return c->waiting_count;
}
