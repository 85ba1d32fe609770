/* Happy path: a run asks Redis for a place, in one script, which says when it is; a pause is told to Redis,
 * which tells the other gateways, and all places that were given become void.
 * Failure modes: Redis does not answer, or refuses: the place is the local bucket's, which knows what Redis
 * said last; the account's rate may then be used by each gateway. Redis is back, perhaps with nothing: the
 * first question tells it what this gateway knows. A message is lost: the places given before it are used;
 * the next question learns of the pause. A run that is cancelled while it asks loses its place, so
 * the rate is missed, never passed. Invariant: what Redis says reaches the local bucket before anybody sees
 * the place, so that a place is void exactly if a pause came after it. */
#include "predict/shared_bucket.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/rng.h"
#include "predict/scripts.h"

enum { ACCOUNT_BYTES = 16, NODE_HEX = 16, ANSWER = 5, NEWS_MS = 100 };

struct shared_bucket {
    struct redis *redis;
    struct loop *loop;
    struct bucket *local;
    char account[ACCOUNT_BYTES * 2 + 1], node[NODE_HEX + 1];
    char *key, *channel;
    bool owes; /* Redis may not know what this gateway does */
};

/* ---- a place ---- */

int bucket_ask_locally(struct bucket_ask *a, struct bucket *b, uint64_t now_ns, uint64_t deadline_ns)
{
    a->next_ns = bucket_next_ns(b, now_ns);
    if (a->next_ns >= deadline_ns)
        return -ERR_PROVIDER_UNAVAILABLE;
    a->place = bucket_take(b, now_ns);
    return 0;
}

static bool is_whole(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != ANSWER)
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_INTEGER || reply->element[i]->integer < 0)
            return false;
    return true;
}

static uint64_t ns_at(const redisReply *reply, size_t i)
{
    return (uint64_t)reply->element[i]->integer * NS_PER_US;
}

/* A pause or low credit that it had not heard of; answers take a moment, so small differences are none. */
static void mirror(struct bucket *b, uint64_t now, const redisReply *reply)
{
    uint64_t pause = ns_at(reply, 3), slow = ns_at(reply, 4);
    if (pause > 0 && now + pause > b->paused_until_ns + NEWS_MS * NS_PER_MS)
        bucket_pause(b, now, now + pause);
    if (slow > 0 && !b->slow)
        bucket_slow_down(b, now);
    else if (slow == 0)
        bucket_full_speed(b);
    if (slow > 0)
        b->slow_until_ns = now + slow;
    b->full_ns = now + ns_at(reply, 2);
}

static int judge(struct bucket_ask *a, const redisReply *reply)
{
    struct bucket *b = a->shared->local;
    uint64_t now = loop_now_ns(a->shared->loop);
    mirror(b, now, reply);
    a->next_ns = now + ns_at(reply, 1);
    a->place = (struct bucket_place){a->next_ns, b->pauses};
    return reply->element[0]->integer == 1 ? 0 : -ERR_PROVIDER_UNAVAILABLE;
}

static void answered(struct op *op)
{
    struct bucket_ask *a = CONTAINER_OF(op, struct bucket_ask, call.op);
    int result = op->result;
    if (result == 0 && is_whole(a->call.reply))
        result = judge(a, a->call.reply);
    else if (result != -ERR_CLIENT_GONE)
        result = bucket_ask_locally(a, a->shared->local, loop_now_ns(a->shared->loop), a->deadline_ns);
    redis_call_release(&a->call);
    op_complete(&a->op, result);
}

static void cancel(struct op *op)
{
    op_cancel(&CONTAINER_OF(op, struct bucket_ask, op)->call.op);
}

/* In us, from now on. */
static int64_t left(const struct shared_bucket *s, uint64_t at_ns)
{
    uint64_t now = loop_now_ns(s->loop);
    return at_ns > now ? (int64_t)((at_ns - now) / NS_PER_US) : 0;
}

void shared_bucket_take(struct shared_bucket *s, struct bucket_ask *a, uint64_t deadline_ns,
                        op_done_fn *on_done)
{
    const struct bucket *b = s->local;
    struct bucket fast, slow;
    bucket_init(&fast, b->per_minute);
    bucket_init(&slow, MIN((unsigned)BUCKET_SLOW_PER_MINUTE, b->per_minute));
    struct redis_command c = redis_command("EVAL");
    redis_add(&c, script_take);
    redis_add(&c, "1");
    redis_add(&c, s->key);
    redis_add(&c, s->account);
    redis_add_int(&c, (int64_t)(fast.interval_ns / NS_PER_US));
    redis_add_int(&c, (int64_t)(fast.slack_ns / NS_PER_US));
    redis_add_int(&c, (int64_t)(slow.interval_ns / NS_PER_US));
    redis_add_int(&c, left(s, deadline_ns));
    redis_add_int(&c, s->owes ? left(s, b->full_ns) : 0);
    redis_add_int(&c, s->owes ? left(s, b->paused_until_ns) : 0);
    redis_add_int(&c, s->owes && b->slow ? MAX(left(s, b->slow_until_ns), 1) : 0);
    s->owes = false;
    a->shared = s;
    a->deadline_ns = deadline_ns;
    op_begin(&a->op, s->loop, on_done, cancel);
    redis_call_start(s->redis, &a->call, &c, answered);
}

/* ---- what all must know ---- */

static void tell(struct shared_bucket *s, int64_t pause_us, int64_t credit_us)
{
    struct redis_command c = redis_command("EVAL");
    redis_add(&c, script_tell);
    redis_add(&c, "1");
    redis_add(&c, s->key);
    redis_add(&c, s->account);
    redis_add_int(&c, pause_us);
    redis_add_int(&c, credit_us);
    redis_add_int(&c, (int64_t)(s->local->slack_ns / NS_PER_US));
    redis_add(&c, s->channel);
    redis_add(&c, s->node);
    redis_send(s->redis, &c);
}

void shared_bucket_pause(struct shared_bucket *s, uint64_t until_ns, bool slow_down)
{
    if (s)
        tell(s, left(s, until_ns), slow_down ? BUCKET_SLOW_MS * INT64_C(1000) : 0);
}

void shared_bucket_full_speed(struct shared_bucket *s)
{
    if (s)
        tell(s, 0, -1);
}

/* "account gateway pause credit" */
static void on_message(void *ctx, const char *message)
{
    struct shared_bucket *s = ctx;
    char account[ACCOUNT_BYTES * 2 + 1], node[NODE_HEX + 1];
    int64_t pause, credit;
    if (!message || sscanf(message, "%32s %16s %" SCNd64 " %" SCNd64, account, node, &pause, &credit) != 4 ||
        strcmp(account, s->account) != 0 || strcmp(node, s->node) == 0)
        return;
    uint64_t now = loop_now_ns(s->loop);
    if (pause > 0)
        bucket_pause(s->local, now, now + (uint64_t)pause * NS_PER_US);
    if (credit > 0)
        bucket_slow_down(s->local, now);
    else if (credit < 0)
        bucket_full_speed(s->local);
}

static void on_up(void *ctx)
{
    struct shared_bucket *s = ctx;
    s->owes = true;
}

/* ---- life ---- */

struct shared_bucket *shared_bucket_new(struct redis *redis, const char *prefix, const char *token,
                                        struct bucket *local)
{
    struct shared_bucket *s = NEW(struct shared_bucket);
    FREE_ON_EXIT char *secret = mem_printf("limner account\n%s", token);
    uint8_t digest[DIGEST_BYTES];
    uint64_t node;
    digest_of(secret, strlen(secret), digest);
    explicit_bzero(secret, strlen(secret));
    hex_encode(digest, ACCOUNT_BYTES, s->account);
    rng_bytes(&node, sizeof(node));
    snprintf(s->node, sizeof(s->node), "%016" PRIx64, node);
    s->redis = redis;
    s->loop = redis_loop(redis);
    s->local = local;
    s->key = mem_printf("%s:limits:accounts", prefix);
    s->channel = mem_printf("%s:limits:paused", prefix);
    redis_listen(redis, s->channel, on_message, s);
    redis_on_up(redis, on_up, s);
    return s;
}

void shared_bucket_free(struct shared_bucket *s)
{
    if (!s)
        return;
    free(s->key);
    free(s->channel);
    free(s);
}
