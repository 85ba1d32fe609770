/* Happy path: somebody wants a slot: Redis is told how many slots are used here and how many are wanted, in
 * one script, and the answer lets so many in; somebody is done: the same, with one less. If there are none,
 * the gateway has a place in Redis's queue; it is told on a channel when its turn has come, and looks by
 * itself once a second. Failure modes: Redis is switched off, or refuses: the limiters open, and each gateway
 * uses all their slots; it is back: what is used here by then is made known first, and nobody gets more until
 * the sum is below the limit. A message is lost: the next look finds what it said. An answer is lost: what it
 * gave is taken back by the next script, which says how many are really used. A gateway hangs longer than its
 * lease: others take its slots, and when it goes on its own are counted again. Redis forgets: the next
 * prolonging tells it. Invariants: one script at a time is under way for a limiter, so that what it says and
 * what it gives cannot cross; a slot is granted here only by an answer, or while the limiter is open; nothing
 * is kept here when it is not used, so that a waiter that goes leaves nothing behind; the timer is armed
 * while nothing is under way and slots are held or wanted. */
#include "limiter/shared_slots.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "limiter/scripts.h"

enum { LOOK_MS = 1000, RENEWALS = 3, NODE_HEX = 16 };
#define UNKNOWN SIZE_MAX

struct share {
    struct limiter_behind behind;
    struct shared_slots *all;
    struct limiter *limiter;
    char *leases, *counts, *waiting; /* names in Redis */
    char *turn;                      /* the message that it is ours */
    struct redis_call call;
    struct timer timer;
    size_t said, wanted; /* by the script that is under way */
    size_t known;        /* Redis knows that so many are used here */
    bool waits;          /* we have a place in its queue */
    bool called;         /* it may be our turn */
};

struct shared_slots {
    struct shared_slots_config config;
    struct loop *loop;
    char node[NODE_HEX + 1];
    char *channel;
    struct share share[SHARED_SLOTS_LIMITERS_MAX];
    unsigned count, closed; /* limiters; those that are not on their own */
    atomic_bool together;
};

static void look(struct timer *t);

/* ---- alone, and together ---- */

static void tell(struct shared_slots *s, const char *why)
{
    bool together = s->closed == s->count;
    if (together == shared_slots_together(s))
        return;
    atomic_store(&s->together, together);
    if (s->config.notice)
        s->config.notice(s->config.ctx, together, why);
}

static void go_alone(struct share *h, const char *why)
{
    h->known = UNKNOWN;
    h->waits = h->called = false;
    if (!h->limiter->closed)
        return;
    h->all->closed--;
    limiter_open(h->limiter);
    tell(h->all, why);
}

static void come_together(struct share *h)
{
    if (h->limiter->closed)
        return;
    h->all->closed++;
    limiter_close(h->limiter);
    tell(h->all, "");
}

/* ---- the script ---- */

static size_t wanted(const struct share *h)
{
    const struct limiter *l = h->limiter;
    return l->closed ? MIN(l->waiting, l->slots - l->running) : 0;
}

static void answered(struct op *op);

static void ask(struct share *h)
{
    const struct shared_slots_config *config = &h->all->config;
    struct redis_command c = redis_command("EVAL");
    h->said = h->limiter->running;
    h->wanted = wanted(h);
    h->called = false;
    timer_disarm(h->all->loop, &h->timer);
    redis_add(&c, script_slots);
    redis_add(&c, "3");
    redis_add(&c, h->leases);
    redis_add(&c, h->counts);
    redis_add(&c, h->waiting);
    redis_add(&c, h->all->node);
    redis_add_int(&c, (int64_t)h->said);
    redis_add_int(&c, (int64_t)h->wanted);
    redis_add_int(&c, (int64_t)h->limiter->slots);
    redis_add_int(&c, (int64_t)config->lease_ms);
    redis_add(&c, h->all->channel);
    redis_add(&c, h->limiter->name);
    redis_call_start(config->redis, &h->call, &c, answered);
}

static void look_in(struct share *h, uint64_t ms)
{
    timer_arm(h->all->loop, &h->timer, loop_now_ns(h->all->loop) + ms * NS_PER_MS, look);
}

static void rest(struct share *h)
{
    uint64_t third_ms = h->all->config.lease_ms / RENEWALS;
    if (h->waits || !h->limiter->closed)
        look_in(h, MIN(third_ms, (uint64_t)LOOK_MS));
    else if (h->limiter->running > 0)
        look_in(h, third_ms);
}

/* What has changed since Redis was told, or what it said. */
static void follow(struct share *h)
{
    if (h->call.op.state != OP_IDLE || !h->limiter->closed || !redis_is_up(h->all->config.redis))
        return;
    bool news = h->known != h->limiter->running || (wanted(h) > 0) != h->waits;
    if (news || (h->waits && h->called))
        ask(h);
    else if (h->timer.slot == 0)
        rest(h);
}

static void look(struct timer *t)
{
    struct share *h = CONTAINER_OF(t, struct share, timer);
    if (redis_is_up(h->all->config.redis))
        ask(h);
}

static size_t number_at(const redisReply *reply, size_t i)
{
    return (size_t)MAX(reply->element[i]->integer, 0);
}

static void take(struct share *h, const redisReply *reply)
{
    struct limiter *l = h->limiter;
    size_t got = MIN(number_at(reply, 0), h->wanted), waiting = number_at(reply, 1);
    h->known = h->said + got;
    h->waits = got < h->wanted;
    come_together(h);
    l->sharers = (unsigned)MAX(waiting, (size_t)1);
    l->full = number_at(reply, 2) <= waiting;
    limiter_let_in(
        l, MIN(got, l->slots - l->running)); /* those that have no taker any more are given back by follow */
}

static bool is_whole(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_INTEGER)
            return false;
    return true;
}

static void answered(struct op *op)
{
    struct share *h = CONTAINER_OF(op, struct share, call.op);
    /* It may have gone down since: then all slots have been given out already. */
    bool ok = op->result == 0 && redis_is_up(h->all->config.redis) && is_whole(h->call.reply);
    if (ok)
        take(h, h->call.reply);
    else
        go_alone(h, op->result < 0 ? h->call.err.reason : "Redis: a strange answer");
    redis_call_release(&h->call);
    if (ok)
        follow(h);
    else
        rest(h);
}

/* ---- what happens ---- */

static void changed(struct limiter_behind *b)
{
    follow(CONTAINER_OF(b, struct share, behind));
}

static void on_message(void *ctx, const char *message)
{
    struct shared_slots *s = ctx;
    for (unsigned i = 0; i < s->count; i++) {
        struct share *h = &s->share[i];
        if (message && strcmp(message, h->turn) != 0)
            continue;
        h->called = true;
        follow(h);
    }
}

static void on_down(void *ctx)
{
    struct shared_slots *s = ctx;
    for (unsigned i = 0; i < s->count; i++)
        go_alone(&s->share[i], "Redis does not answer");
}

static void on_up(void *ctx)
{
    struct shared_slots *s = ctx;
    for (unsigned i = 0; i < s->count; i++)
        if (s->share[i].call.op.state == OP_IDLE)
            ask(&s->share[i]);
}

/* ---- life ---- */

struct shared_slots *shared_slots_new(const struct shared_slots_config *config)
{
    struct shared_slots *s = NEW(struct shared_slots);
    uint64_t node;
    rng_bytes(&node, sizeof(node));
    s->config = *config;
    s->loop = redis_loop(config->redis);
    snprintf(s->node, sizeof(s->node), "%016" PRIx64, node);
    s->config.prefix = mem_strdup(config->prefix);
    s->channel = mem_printf("%s:limits:free", config->prefix);
    redis_listen(config->redis, s->channel, on_message, s);
    redis_on_down(config->redis, on_down, s);
    redis_on_up(config->redis, on_up, s);
    return s;
}

void shared_slots_add(struct shared_slots *s, struct limiter *l)
{
    CHECK(s->count < SHARED_SLOTS_LIMITERS_MAX && !l->behind);
    struct share *h = &s->share[s->count++];
    *h = (struct share){.behind.changed = changed, .all = s, .limiter = l, .known = UNKNOWN};
    h->leases = mem_printf("%s:limits:%s:leases", s->config.prefix, l->name);
    h->counts = mem_printf("%s:limits:%s:slots", s->config.prefix, l->name);
    h->waiting = mem_printf("%s:limits:%s:waiting", s->config.prefix, l->name);
    h->turn = mem_printf("%s %s", l->name, s->node);
    l->behind = &h->behind;
}

bool shared_slots_together(const struct shared_slots *s)
{
    return atomic_load_explicit(&s->together, memory_order_relaxed);
}

bool shared_slots_busy(const struct shared_slots *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->share[i].call.op.state != OP_IDLE)
            return true;
    return false;
}

static void share_release(struct share *h)
{
    CHECK(h->call.op.state == OP_IDLE);
    timer_disarm(h->all->loop, &h->timer);
    h->limiter->behind = NULL;
    limiter_open(h->limiter);
    free(h->leases);
    free(h->counts);
    free(h->waiting);
    free(h->turn);
}

void shared_slots_free(struct shared_slots *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->count; i++)
        share_release(&s->share[i]);
    free((char *)s->config.prefix);
    free(s->channel);
    free(s);
}
