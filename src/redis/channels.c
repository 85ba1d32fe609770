/* Happy path: once up, the link subscribes to all channels; the server confirms each one, and says each
 * message with its channel. Failure modes: a connection that has died in silence is found by a ping every
 * PULSE_MS, which the server answers here too. Invariant: a listener is told of each beginning, so that it
 * looks for itself at what it may have missed. */
#include "redis/channels.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum { PULSE_MS = 2000 };

static void send_to(struct channels *c, const struct redis_command *command)
{
    if (link_send(&c->link, command->argc, command->argv, command->len) < 0)
        CHECK(false); /* a few bytes every two seconds */
}

static void on_pulse(struct timer *t)
{
    struct channels *c = CONTAINER_OF(t, struct channels, pulse);
    if (!link_read(&c->link))
        return;
    if (!c->heard) {
        link_fail(&c->link, "no answer to a ping");
        return;
    }
    c->heard = false;
    struct redis_command ping = redis_command("PING");
    send_to(c, &ping);
    timer_arm(c->link.loop, t, loop_now_ns(c->link.loop) + PULSE_MS * NS_PER_MS, on_pulse);
}

static void on_up(struct link *l)
{
    struct channels *c = CONTAINER_OF(l, struct channels, link);
    struct redis_command subscribe = redis_command("SUBSCRIBE");
    for (unsigned i = 0; i < c->count; i++)
        redis_add(&subscribe, c->channel[i].name);
    send_to(c, &subscribe);
    c->heard = true;
    timer_arm(l->loop, &c->pulse, loop_now_ns(l->loop) + PULSE_MS * NS_PER_MS, on_pulse);
}

static struct channel *find(struct channels *c, const char *name)
{
    for (unsigned i = 0; i < c->count; i++)
        if (strcmp(c->channel[i].name, name) == 0)
            return &c->channel[i];
    return NULL;
}

/* ["message", channel, text], ["subscribe", channel, how many]; the answer to a ping is no concern of ours.
 */
static void on_reply(struct link *l, redisReply *reply)
{
    struct channels *c = CONTAINER_OF(l, struct channels, link);
    c->heard = true;
    link_proved(l);
    bool whole = reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
                 reply->element[0]->type == REDIS_REPLY_STRING &&
                 reply->element[1]->type == REDIS_REPLY_STRING;
    struct channel *channel = whole ? find(c, reply->element[1]->str) : NULL;
    bool message = channel && strcmp(reply->element[0]->str, "message") == 0 &&
                   reply->element[2]->type == REDIS_REPLY_STRING;
    bool begins = channel && strcmp(reply->element[0]->str, "subscribe") == 0;
    if (message || begins)
        channel->on_message(channel->ctx, message ? reply->element[2]->str : NULL);
    freeReplyObject(reply);
}

static void on_down(struct link *l, const char *why)
{
    struct channels *c = CONTAINER_OF(l, struct channels, link);
    timer_disarm(l->loop, &c->pulse);
}

static void on_failed(struct link *l, const char *why)
{
}

static const struct link_ops ops = {.up = on_up, .reply = on_reply, .down = on_down, .failed = on_failed};

void channels_init(struct channels *c, struct loop_uv *uv, struct lane *lane,
                   const struct redis_address *address, uint32_t timeout_ms)
{
    *c = (struct channels){0};
    link_init(&c->link, &ops, uv, lane, address, timeout_ms);
}

void channels_add(struct channels *c, const char *name, redis_message_fn *on_message, void *ctx)
{
    CHECK(c->count < REDIS_CHANNELS_MAX);
    c->channel[c->count++] = (struct channel){mem_strdup(name), on_message, ctx};
}

void channels_start(struct channels *c)
{
    if (c->count > 0)
        link_start(&c->link);
}

void channels_stop(struct channels *c)
{
    link_stop(&c->link);
    timer_disarm(c->link.loop, &c->pulse);
}

void channels_release(struct channels *c)
{
    for (unsigned i = 0; i < c->count; i++)
        free(c->channel[i].name);
    link_release(&c->link);
}
