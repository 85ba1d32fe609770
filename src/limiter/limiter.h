/* limiter.h: how many predictions run at once, and who waits for the next place.
 *
 * Order: limiter_new; limiter_acquire for each prediction (its op completes when the slot is yours: result
 * 0); limiter_release once for each slot got; limiter_free when nobody waits. First come, first served. A
 * queue that is full refuses at once. Cancelling a wait frees its place; a slot that was granted before the
 * cancel was seen is the owner's and must be released. Core thread only.
 *
 * Somebody may stand behind a limiter who gives out its slots, as several gateways have them together
 * (shared_slots.h). While it is closed, nobody gets a free slot by himself: all wait, whoever stands behind
 * is told of each change, and lets some through. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "loop/op.h"

struct limiter_behind {
    void (*changed)(struct limiter_behind *b); /* running or waiting has; it may call limiter_let_in */
};

struct limiter {
    const char *name; /* "light" */
    struct loop *loop;
    size_t slots;     /* at once */
    size_t queue_max; /* waiting */
    size_t running;
    size_t waiting;
    size_t peak_running;           /* highest ever, for tests and metrics */
    struct list queue;             /* of struct slot_wait, oldest first */
    struct limiter_behind *behind; /* NULL: nobody */
    bool closed;                   /* free slots are given by who stands behind */
    bool full;                     /* so he says: a newcomer will have to wait */
    unsigned sharers;              /* gateways that wait for the same slots, if he knows; at least 1 */
};

struct slot_wait {
    struct op op; /* result 0: the slot is yours; negative: it is not */
    struct list node;
    struct limiter *limiter;
};

struct limiter *limiter_new(const char *name, size_t slots, size_t queue_max, struct loop *loop) MUST_CHECK;
void limiter_free(struct limiter *l); /* accepts NULL */

/* 0, or -ERR_QUEUE_FULL (nothing was started). */
int limiter_acquire(struct limiter *l, struct slot_wait *w, op_done_fn *on_done) MUST_CHECK;
void limiter_release(struct limiter *l);
size_t limiter_position(const struct slot_wait *w); /* 1: next; 0: not waiting */
bool limiter_is_busy(const struct limiter *l);      /* a newcomer has to wait until somebody is done */

/* Seconds until a newcomer would find a place: what is ahead × typical run ÷ slots, at least 1. Of slots that
 * several gateways wait for, each gets its share. */
unsigned limiter_retry_after_s(const struct limiter *l, uint64_t typical_ns);

/* ---- for who stands behind ---- */

void limiter_close(struct limiter *l);
void limiter_open(struct limiter *l); /* and whoever waits gets what is free */
/* The oldest waiters get a slot, at most so many; how many did. */
size_t limiter_let_in(struct limiter *l, size_t most);
