/* names.h: looks up a host's addresses on a lane thread, as getaddrinfo blocks. Private to src/redis.
 *
 * Order: names_init, names_start, wait for its op, read list and count; again any number of times. Addresses
 * written as numbers and unix sockets need no thread, but complete in the same way. Before its memory goes,
 * the op must be over: cancel it, free the lane, give the loop a turn. Core thread. */
#pragma once

#include <sys/socket.h>

#include "loop/lane.h"
#include "redis/address.h"

enum { NAMES_MAX = 8 };

struct name {
    struct sockaddr_storage address;
    socklen_t size;
};

struct names {
    struct op op; /* 0, or PROVIDER_UNAVAILABLE with why */
    struct lane_job job;
    struct lane *lane;
    struct loop *loop;
    const struct redis_address *address;
    const char *why; /* static text */
    unsigned count;
    struct name list[NAMES_MAX];
    struct { /* the lane thread's */
        const char *why;
        unsigned count;
        struct name list[NAMES_MAX];
    } found;
};

void names_init(struct names *n, struct lane *lane, struct loop *loop, const struct redis_address *address);
void names_start(struct names *n, op_done_fn *on_done);
