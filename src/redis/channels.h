/* channels.h: the second connection of a client, on which published messages come. Private to src/redis.
 *
 * Order: init, add for each channel, start (does nothing without any), stop, release. Core thread. */
#pragma once

#include "redis/link.h"
#include "redis/redis.h"

struct channel {
    char *name;
    redis_message_fn *on_message;
    void *ctx;
};

struct channels {
    struct link link;
    struct channel channel[REDIS_CHANNELS_MAX];
    unsigned count;
    struct timer pulse;
    bool heard; /* something came since the last pulse */
};

void channels_init(struct channels *c, struct loop_uv *uv, struct lane *lane,
                   const struct redis_address *address, uint32_t timeout_ms);
void channels_add(struct channels *c, const char *name, redis_message_fn *on_message, void *ctx);
void channels_start(struct channels *c);
void channels_stop(struct channels *c);
void channels_release(struct channels *c);
