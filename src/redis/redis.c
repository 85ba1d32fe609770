/* Happy path: a command is formatted into the link's buffer and its call waits in `pending`, which is in the
 * order of sending; each reply belongs to the oldest. Failure modes: the oldest command has no answer in
 * time: what has come is read once more, in case this thread was late, then the link is closed, which fails
 * all that is pending; a call that is cancelled leaves its place behind, as its reply will come.
 * Invariants: pending and the replies to come are in step, as both end with the connection; the timer is
 * armed exactly while something is pending; up is true exactly while the link for commands is. */
#include "redis/redis.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "redis/channels.h"
#include "redis/link.h"

enum { LOOKUPS_MAX = 4, LISTENERS_MAX = 4 };

struct redis_pending {
    struct list node;
    struct redis_call *call; /* NULL: nobody waits any more */
    uint64_t deadline_ns;
};

struct listeners {
    unsigned count;
    struct {
        void (*hear)(void *ctx);
        void *ctx;
    } one[LISTENERS_MAX];
};

struct redis {
    struct redis_config config;
    struct redis_address address;
    char *place;
    struct loop *loop;
    struct lane *lane;
    struct link link;
    struct channels channels;
    struct list pending; /* of struct redis_pending, oldest first */
    uint32_t pending_count;
    struct timer timer; /* the oldest's deadline */
    struct listeners down, up_again;
    atomic_bool up;
    bool started, told; /* told: the operator knows that it is off */
};

/* ---- calls ---- */

static void settle(struct redis_call *call, int result)
{
    call->pending = NULL;
    op_complete(&call->op, result);
}

static void fail_call(struct redis_call *call, enum err code, const char *why)
{
    settle(call, error_set(&call->err, code, "Redis: %s", why));
}

static struct redis_call *pop(struct redis *r)
{
    struct redis_pending *p = CONTAINER_OF(list_pop_front(&r->pending), struct redis_pending, node);
    struct redis_call *call = p->call;
    r->pending_count--;
    free(p);
    return call;
}

static void fail_all(struct redis *r, const char *why)
{
    timer_disarm(r->loop, &r->timer);
    while (!list_empty(&r->pending)) {
        struct redis_call *call = pop(r);
        if (call)
            fail_call(call, ERR_PROVIDER_UNAVAILABLE, why);
    }
}

static void watch_oldest(struct redis *r);

static void too_slow(struct timer *t)
{
    struct redis *r = CONTAINER_OF(t, struct redis, timer);
    if (!link_read(&r->link) || list_empty(&r->pending))
        return;
    const struct redis_pending *oldest = CONTAINER_OF(r->pending.next, struct redis_pending, node);
    if (oldest->deadline_ns > loop_now_ns(r->loop)) {
        watch_oldest(r);
        return;
    }
    char why[64];
    snprintf(why, sizeof(why), "no answer within %u ms", r->config.timeout_ms);
    link_fail(&r->link, why);
}

static void watch_oldest(struct redis *r)
{
    if (list_empty(&r->pending)) {
        timer_disarm(r->loop, &r->timer);
        return;
    }
    const struct redis_pending *oldest = CONTAINER_OF(r->pending.next, struct redis_pending, node);
    if (r->timer.slot == 0 || r->timer.at_ns != oldest->deadline_ns)
        timer_arm(r->loop, &r->timer, oldest->deadline_ns, too_slow);
}

static int put(struct redis *r, struct redis_call *call, const struct redis_command *c, const char **ret_why)
{
    if (!redis_is_up(r)) {
        *ret_why = "it is switched off, as it did not answer";
        return -ERR_PROVIDER_UNAVAILABLE;
    }
    *ret_why = "too many commands are under way";
    if (r->pending_count >= r->config.pipeline_max)
        return -ERR_QUEUE_FULL;
    int error = link_send(&r->link, c->argc, c->argv, c->len);
    if (error < 0)
        return error;
    struct redis_pending *p = NEW(struct redis_pending);
    p->call = call;
    p->deadline_ns = loop_now_ns(r->loop) + r->config.timeout_ms * NS_PER_MS;
    list_push_back(&r->pending, &p->node);
    r->pending_count++;
    if (call)
        call->pending = p;
    watch_oldest(r);
    return 0;
}

static void cancel_call(struct op *op)
{
    struct redis_call *call = CONTAINER_OF(op, struct redis_call, op);
    call->pending->call = NULL;
    fail_call(call, ERR_CLIENT_GONE, "the command was cancelled");
}

void redis_call_start(struct redis *r, struct redis_call *call, const struct redis_command *c,
                      op_done_fn *on_done)
{
    const char *why;
    call->reply = NULL;
    call->pending = NULL;
    call->err = (struct error){0};
    op_begin(&call->op, r->loop, on_done, cancel_call);
    int error = put(r, call, c, &why);
    if (error < 0)
        fail_call(call, (enum err) - error, why);
}

void redis_call_release(struct redis_call *call)
{
    CHECK(!call->pending);
    if (call->reply)
        freeReplyObject(TAKE(call->reply));
}

void redis_send(struct redis *r, const struct redis_command *c)
{
    const char *why;
    int error = put(r, NULL, c, &why);
    (void)error; /* nobody waits for it */
}

bool redis_busy(const struct redis *r)
{
    return r->pending_count > 0;
}

/* ---- what the link says ---- */

static void call_all(const struct listeners *all)
{
    for (unsigned i = 0; i < all->count; i++)
        all->one[i].hear(all->one[i].ctx);
}

static void on_up(struct link *l)
{
    struct redis *r = CONTAINER_OF(l, struct redis, link);
    atomic_store(&r->up, true);
    if (r->config.notice)
        r->config.notice(r->config.ctx, true, "");
    r->told = false;
    call_all(&r->up_again);
}

static void tell(struct redis *r, const char *why)
{
    if (r->config.notice && !r->told)
        r->config.notice(r->config.ctx, false, why);
    r->told = true;
}

static void on_reply(struct link *l, redisReply *reply)
{
    struct redis *r = CONTAINER_OF(l, struct redis, link);
    if (list_empty(&r->pending)) { /* it closes connections with words: too many clients, shutting down */
        char why[160];
        snprintf(why, sizeof(why), "the server says: %.140s",
                 reply->type == REDIS_REPLY_ERROR ? reply->str : "something nobody asked for");
        freeReplyObject(reply);
        link_fail(l, why);
        return;
    }
    struct redis_call *call = pop(r);
    watch_oldest(r);
    link_proved(l);
    if (!call) {
        freeReplyObject(reply);
        return;
    }
    call->reply = reply;
    if (reply->type == REDIS_REPLY_ERROR)
        fail_call(call, ERR_UPSTREAM, reply->str);
    else
        settle(call, 0);
}

static void on_failed(struct link *l, const char *why)
{
    tell(CONTAINER_OF(l, struct redis, link), why);
}

static void on_down(struct link *l, const char *why)
{
    struct redis *r = CONTAINER_OF(l, struct redis, link);
    atomic_store(&r->up, false);
    tell(r, why);
    fail_all(r, why);
    call_all(&r->down);
}

static const struct link_ops ops = {.up = on_up, .reply = on_reply, .down = on_down, .failed = on_failed};

/* ---- commands ---- */

void redis_add_bytes(struct redis_command *c, const void *data, size_t size)
{
    CHECK(c->argc < REDIS_ARGS_MAX);
    c->argv[c->argc] = data;
    c->len[c->argc++] = size;
}

void redis_add(struct redis_command *c, const char *text)
{
    redis_add_bytes(c, text, strlen(text));
}

void redis_add_int(struct redis_command *c, int64_t n)
{
    CHECK(c->numbers < REDIS_NUMBERS_MAX);
    char *text = c->number[c->numbers++];
    snprintf(text, sizeof(c->number[0]), "%lld", (long long)n);
    redis_add(c, text);
}

struct redis_command redis_command(const char *name)
{
    struct redis_command c = {0};
    redis_add(&c, name);
    return c;
}

/* ---- life ---- */

int redis_new(const struct redis_config *config, struct redis **ret, struct error *e)
{
    struct redis_address address;
    int error = redis_address_parse(config->option, config->url, &address, e);
    if (error < 0)
        return error;
    struct redis *r = NEW(struct redis);
    r->config = *config;
    r->address = address;
    r->place = redis_address_text(&r->address);
    r->loop = loop_uv_loop(config->uv);
    r->lane = lane_new(&(struct lane_config){"redis-names", 1, LOOKUPS_MAX, NULL}, r->loop);
    list_init(&r->pending);
    link_init(&r->link, &ops, config->uv, r->lane, &r->address, config->timeout_ms);
    channels_init(&r->channels, config->uv, r->lane, &r->address, config->timeout_ms);
    *ret = r;
    return 0;
}

void redis_listen(struct redis *r, const char *channel, redis_message_fn *on_message, void *ctx)
{
    CHECK(!r->started);
    channels_add(&r->channels, channel, on_message, ctx);
}

static void listen_for(struct redis *r, struct listeners *all, void (*hear)(void *ctx), void *ctx)
{
    CHECK(!r->started && all->count < LISTENERS_MAX);
    all->one[all->count].hear = hear;
    all->one[all->count++].ctx = ctx;
}

void redis_on_down(struct redis *r, void (*down)(void *ctx), void *ctx)
{
    listen_for(r, &r->down, down, ctx);
}

void redis_on_up(struct redis *r, void (*up)(void *ctx), void *ctx)
{
    listen_for(r, &r->up_again, up, ctx);
}

void redis_start(struct redis *r)
{
    r->started = true;
    link_start(&r->link);
    channels_start(&r->channels);
}

void redis_stop(struct redis *r)
{
    if (!r || !r->lane)
        return;
    atomic_store(&r->up, false);
    link_stop(&r->link);
    channels_stop(&r->channels);
    fail_all(r, "this gateway is shutting down");
    lane_free(TAKE(r->lane)); /* a name that is being looked up takes as long as it takes */
    loop_turn(r->loop);
}

void redis_free(struct redis *r)
{
    if (!r)
        return;
    CHECK(!r->lane);
    link_release(&r->link);
    channels_release(&r->channels);
    redis_address_release(&r->address);
    free(r->place);
    free(r);
}

bool redis_is_up(const struct redis *r)
{
    return atomic_load_explicit(&r->up, memory_order_relaxed);
}

struct loop *redis_loop(const struct redis *r)
{
    return r->loop;
}

const char *redis_place(const struct redis *r)
{
    return r->place;
}
