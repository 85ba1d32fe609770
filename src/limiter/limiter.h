/* limiter.h: how many predictions run at once, and who waits for the next place.
 *
 * Order: limiter_new; limiter_acquire for each prediction (its op completes when the slot is yours: result
 * 0); limiter_release once for each slot got; limiter_free when nobody waits. First come, first served. A
 * queue that is full refuses at once. Cancelling a wait frees its place; a slot that was granted before the
 * cancel was seen is the owner's and must be released. Core thread only. */
#pragma once

#include <stddef.h>

#include "base/list.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "loop/op.h"

struct limiter {
    const char *name; /* "light" */
    struct loop *loop;
    size_t slots;     /* at once */
    size_t queue_max; /* waiting */
    size_t running;
    size_t waiting;
    size_t peak_running; /* highest ever, for tests and metrics */
    struct list queue;   /* of struct slot_wait, oldest first */
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

/* Seconds until a newcomer would find a place: what is ahead × typical run ÷ slots, at least 1. */
unsigned limiter_retry_after_s(const struct limiter *l, uint64_t typical_ns);
