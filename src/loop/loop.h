/* loop.h: the core thread's loop: mailbox, timers, ready queue and a clock, over a driver.
 *
 * The driver is libuv in the server (loop_uv.h) and a stepping simulator in test/sim, so the same core runs
 * in one thread under a fake clock. One turn delivers the mail, fires due timers, then resumes what is ready,
 * in that order, until there is nothing left to do now.
 * Thread: everything on the core thread, except loop_post, which any thread may call. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct loop;

/* A message to the core thread, embedded in what it is about; deliver runs once, on the core thread. */
struct message {
    struct message *next;
    void (*deliver)(struct message *m);
};

struct timer {
    uint64_t at_ns;
    size_t slot; /* in the heap, from 1; 0: not armed */
    void (*fire)(struct timer *t);
};

struct loop_driver {
    uint64_t (*now_ns)(struct loop *loop);
    void (*wake)(struct loop *loop); /* any thread: a turn is needed */
    /* NULL, or takes over the delivery of a message (the simulator delays it); it must call m->deliver on the
     * core thread later. */
    void (*post)(struct loop *loop, struct message *m);
};

struct loop {
    const struct loop_driver *driver;
    void *driver_state;
    _Atomic(struct message *) mail; /* newest first */
    struct list ready;              /* of struct op */
    struct timer **heap;            /* heap[1…count], earliest first */
    size_t heap_count, heap_room;
    _Atomic uint64_t thread; /* of the core, once known; 0 before: lanes may post already */
};

void loop_init(struct loop *loop, const struct loop_driver *driver, void *driver_state);
void loop_release(struct loop *loop); /* nothing may be armed, ready or in the mail */
void loop_own(struct loop *loop);     /* by the core thread, before its first turn */
bool loop_is_mine(const struct loop *loop);

uint64_t loop_now_ns(struct loop *loop);
void loop_post(struct loop *loop, struct message *m, void (*deliver)(struct message *m)); /* any thread */

void timer_arm(struct loop *loop, struct timer *t, uint64_t at_ns,
               void (*fire)(struct timer *t));         /* re-arms */
void timer_disarm(struct loop *loop, struct timer *t); /* accepts one that is not armed */

void loop_turn(struct loop *loop);
uint64_t loop_next_timer_ns(const struct loop *loop); /* when the earliest is due; UINT64_MAX: none */
bool loop_idle(const struct loop *loop);              /* no mail, nothing ready */
