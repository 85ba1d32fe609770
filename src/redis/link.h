/* link.h: one connection to a Redis server, kept up for ever. Private to src/redis.
 *
 * Order: link_start; link_send while it is up; link_stop. It connects, authenticates, picks the database and
 * pings; then `up` is called, and `reply` for each whole reply, in order. When it breaks, or link_fail is
 * called, it is closed, `down` is called if it was up, and it is tried again in the background after a pause
 * that doubles up to RETRY_MAX_MS, until link_proved. None of the callbacks runs inside link_send. Core
 * thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rng.h"
#include "loop/loop_uv.h"
#include "redis/address.h"
#include "redis/names.h"

struct redisReply;
struct redisReader;
struct link;

struct link_ops {
    void (*up)(struct link *l);
    void (*reply)(struct link *l, struct redisReply *reply); /* its own now; freeReplyObject */
    void (*down)(struct link *l, const char *why);           /* it was up */
    void (*failed)(struct link *l, const char *why);         /* a try that came to nothing */
};

enum link_state { LINK_STOPPED, LINK_PAUSED, LINK_NAMING, LINK_CONNECTING, LINK_GREETING, LINK_UP };

struct link {
    const struct link_ops *ops;
    struct loop_uv *uv;
    struct loop *loop;
    const struct redis_address *address;
    uint32_t timeout_ms; /* of its first answer */
    enum link_state state;
    uint64_t made; /* counts connections, so that a callback's caller sees that its own has gone */
    struct names names;
    unsigned next_name; /* of the host's addresses */
    int fd;             /* -1: none */
    struct fd_watch *watch;
    bool wants_write; /* what the watch is set to */
    struct buf out;
    size_t out_sent;
    struct redisReader *reader;
    size_t unread_bytes; /* fed since the last whole reply */
    unsigned greetings;  /* answers still to come before it is up */
    struct timer timer;  /* the pause, or the limit of connecting and greeting */
    unsigned failures;   /* in a row */
    struct rng rng;
};

/* lane: where names are looked up; address and lane outlive the link. */
void link_init(struct link *l, const struct link_ops *ops, struct loop_uv *uv, struct lane *lane,
               const struct redis_address *address, uint32_t timeout_ms);
void link_start(struct link *l);
void link_stop(struct link *l); /* closes it; calls nothing back. A name being looked up: see names.h */
void link_release(struct link *l);

/* 0, or QUEUE_FULL: too many bytes wait to be sent. Only while it is up. */
int link_send(struct link *l, unsigned argc, const char *const *argv, const size_t *len) MUST_CHECK;
/* Takes what has come, so that a late look at the clock does not blame the server. False: the link has gone
 * meanwhile. */
bool link_read(struct link *l) MUST_CHECK;
void link_fail(struct link *l, const char *why);
void link_proved(struct link *l); /* it works: the next pause is short again */
