/* limiter.h: how many predictions run at once, and who waits for the next place.
 *
 * Order: limiter_new; limiter_acquire for each prediction (its op completes when the slot is yours: result
 * 0); limiter_release once for each slot got; limiter_free when nobody waits. Who waits is served fairly:
 * each key (whoever asks) has turns in proportion to its weight, and its own waits in the order they came
 * (fair_queue.h), so that a caller with a thousand of them holds up another with one by a turn. There are two
 * priorities: low ones get a slot when no normal one waits, but one of them after each `low_every` normal
 * ones, if any waits. Cancelling a wait frees its place; a slot that was granted before the cancel was seen
 * is the owner's and must be released. Core thread only.
 *
 * A full queue refuses at once. But a newcomer whose key has less than its share of the places takes one: of
 * a low wait if it is a normal one, else of the key that has most for its weight, whose newest wait then ends
 * with -ERR_QUEUE_FULL, as if it had come too late. What was promised is neither refused nor driven out.
 *
 * Somebody may stand behind a limiter who gives out its slots, as several gateways have them together
 * (shared_slots.h). While it is closed, nobody gets a free slot by himself: all wait, whoever stands behind
 * is told of each change, and lets some through. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "limiter/fair_queue.h"
#include "loop/loop.h"
#include "loop/op.h"

struct limiter_behind {
    void (*changed)(struct limiter_behind *b); /* running or waiting has; it may call limiter_let_in */
};

enum slot_priority { SLOT_NORMAL, SLOT_LOW, SLOT_PRIORITIES };

struct limiter {
    const char *name; /* "light" */
    struct loop *loop;
    size_t slots;     /* at once */
    size_t queue_max; /* waiting */
    size_t running;
    size_t waiting;
    size_t peak_running; /* highest ever, for tests and metrics */
    struct fair_queue queue[SLOT_PRIORITIES];
    size_t promised;               /* waits that have no place of queue_max */
    size_t low_every;              /* one low wait after so many normal ones */
    size_t since_low;              /* normal ones since then, while low ones waited */
    struct limiter_behind *behind; /* NULL: nobody */
    bool closed;                   /* free slots are given by who stands behind */
    bool full;                     /* so he says: a newcomer will have to wait */
    unsigned sharers;              /* gateways that wait for the same slots, if he knows; at least 1 */
};

/* Who asks for a slot. */
struct slot_asker {
    uint64_t key;    /* the same for all that has to share a share */
    unsigned weight; /* of the key; 0: 1 */
    enum slot_priority priority;
    bool promised; /* it was accepted already: it waits however full the queue is */
};

struct slot_wait {
    struct op op;            /* result 0: the slot is yours; negative: it is not */
    struct slot_asker asker; /* set before limiter_acquire */
    struct fair_wait turn;
    struct limiter *limiter;
};

/* LOW_EVERY unless low_every is set to another number. */
enum { LOW_EVERY = 10 };
struct limiter *limiter_new(const char *name, size_t slots, size_t queue_max, struct loop *loop) MUST_CHECK;
void limiter_free(struct limiter *l); /* accepts NULL */

/* 0, or -ERR_QUEUE_FULL (nothing was started). */
int limiter_acquire(struct limiter *l, struct slot_wait *w, op_done_fn *on_done) MUST_CHECK;
void limiter_release(struct limiter *l);
/* Of those that wait now, how many are served until it is: 1: next; 0: not waiting. Walks the key's own line.
 */
size_t limiter_position(const struct slot_wait *w);
bool limiter_is_waiting(const struct slot_wait *w);
/* Somebody else waits for what w waits for: if his turn would come sooner, w has it. */
void limiter_lend_turn(struct slot_wait *w, const struct slot_asker *by);
bool limiter_is_busy(const struct limiter *l); /* a newcomer has to wait until somebody is done */

/* Seconds until this asker, coming now, would have had its turn: what is ahead × typical run ÷ slots, at
 * least 1. Of slots that several gateways wait for, each gets its share. */
unsigned limiter_retry_after_s(const struct limiter *l, const struct slot_asker *who, uint64_t typical_ns);

/* ---- for who stands behind ---- */

void limiter_close(struct limiter *l);
void limiter_open(struct limiter *l); /* and whoever waits gets what is free */
/* Those whose turn it is get a slot, at most so many; how many did. */
size_t limiter_let_in(struct limiter *l, size_t most);
