/* The core's loop, without any system call: the driver sleeps, the clock comes from the driver.
 *
 * Happy path: another thread posts a message (a lock-free push) and wakes the driver; the core's next turn
 * takes all mail, oldest first, fires the timers that are due and resumes completed operations. Resuming may
 * complete more, so a turn goes round until all three are empty. Invariants: a message is in the mail at most
 * once; a timer's slot is its place in the heap; only the core thread takes mail and touches heap and ready
 * queue. */
#include "loop/loop.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/op.h"

void loop_init(struct loop *loop, const struct loop_driver *driver, void *driver_state)
{
    *loop = (struct loop){.driver = driver, .driver_state = driver_state};
    atomic_init(&loop->mail, NULL);
    list_init(&loop->ready);
}

void loop_release(struct loop *loop)
{
    CHECK(loop->heap_count == 0 && loop_idle(loop));
    free(loop->heap);
    loop->heap = NULL;
}

void loop_own(struct loop *loop)
{
    atomic_store_explicit(&loop->thread, (uint64_t)pthread_self(), memory_order_relaxed);
}

bool loop_is_mine(const struct loop *loop)
{
    uint64_t thread = atomic_load_explicit(&loop->thread, memory_order_relaxed);
    return thread == 0 || thread == (uint64_t)pthread_self();
}

uint64_t loop_now_ns(struct loop *loop)
{
    return loop->driver->now_ns(loop);
}

void loop_post(struct loop *loop, struct message *m, void (*deliver)(struct message *m))
{
    m->deliver = deliver;
    if (loop->driver->post) {
        loop->driver->post(loop, m);
        return;
    }
    struct message *head = atomic_load_explicit(&loop->mail, memory_order_relaxed);
    do {
        m->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&loop->mail, &head, m, memory_order_release,
                                                    memory_order_relaxed));
    if (!head)
        loop->driver->wake(loop); /* an older message has woken it already */
}

/* ---- timers: a binary heap from index 1 ---- */

static void place(struct loop *loop, size_t slot, struct timer *t)
{
    loop->heap[slot] = t;
    t->slot = slot;
}

static void sift_up(struct loop *loop, size_t slot, struct timer *t)
{
    while (slot > 1 && loop->heap[slot / 2]->at_ns > t->at_ns) {
        place(loop, slot, loop->heap[slot / 2]);
        slot /= 2;
    }
    place(loop, slot, t);
}

static void sift_down(struct loop *loop, size_t slot, struct timer *t)
{
    for (;;) {
        size_t child = slot * 2;
        if (child > loop->heap_count)
            break;
        if (child < loop->heap_count && loop->heap[child + 1]->at_ns < loop->heap[child]->at_ns)
            child++;
        if (loop->heap[child]->at_ns >= t->at_ns)
            break;
        place(loop, slot, loop->heap[child]);
        slot = child;
    }
    place(loop, slot, t);
}

void timer_disarm(struct loop *loop, struct timer *t)
{
    size_t slot = t->slot;
    if (slot == 0)
        return;
    CHECK(loop_is_mine(loop) && loop->heap[slot] == t);
    t->slot = 0;
    struct timer *last = loop->heap[loop->heap_count--];
    if (last == t)
        return;
    if (slot > 1 && loop->heap[slot / 2]->at_ns > last->at_ns)
        sift_up(loop, slot, last);
    else
        sift_down(loop, slot, last);
}

void timer_arm(struct loop *loop, struct timer *t, uint64_t at_ns, void (*fire)(struct timer *t))
{
    CHECK(loop_is_mine(loop));
    timer_disarm(loop, t);
    t->at_ns = at_ns;
    t->fire = fire;
    if (loop->heap_count + 2 > loop->heap_room) {
        loop->heap_room = loop->heap_room ? loop->heap_room * 2 : 64;
        loop->heap = mem_realloc(loop->heap, loop->heap_room * sizeof(struct timer *));
    }
    loop->heap_count++;
    sift_up(loop, loop->heap_count, t);
}

uint64_t loop_next_timer_ns(const struct loop *loop)
{
    return loop->heap_count ? loop->heap[1]->at_ns : UINT64_MAX;
}

/* ---- a turn ---- */

static bool deliver_mail(struct loop *loop)
{
    struct message *m = atomic_exchange_explicit(&loop->mail, NULL, memory_order_acquire);
    struct message *oldest = NULL;
    while (m) { /* newest first → oldest first */
        struct message *next = m->next;
        m->next = oldest;
        oldest = m;
        m = next;
    }
    bool any = oldest != NULL;
    while (oldest) {
        struct message *next = oldest->next; /* deliver may free or post it again */
        oldest->deliver(oldest);
        oldest = next;
    }
    return any;
}

static bool fire_timers(struct loop *loop)
{
    bool any = false;
    uint64_t now = loop_now_ns(loop);
    while (loop->heap_count && loop->heap[1]->at_ns <= now) {
        struct timer *t = loop->heap[1];
        timer_disarm(loop, t);
        t->fire(t);
        any = true;
    }
    return any;
}

static bool resume_ready(struct loop *loop)
{
    bool any = false;
    struct list *node;
    while ((node = list_pop_front(&loop->ready))) {
        struct op *op = CONTAINER_OF(node, struct op, ready);
        op->state = OP_IDLE;
        op->on_done(op);
        any = true;
    }
    return any;
}

void loop_turn(struct loop *loop)
{
    CHECK(loop_is_mine(loop));
    bool more;
    do {
        more = deliver_mail(loop);
        more |= fire_timers(loop);
        more |= resume_ready(loop);
    } while (more);
}

bool loop_idle(const struct loop *loop)
{
    return !atomic_load_explicit(&loop->mail, memory_order_relaxed) && list_empty(&loop->ready);
}

/* ---- operations ---- */

void op_begin(struct op *op, struct loop *loop, op_done_fn *on_done, void (*cancel)(struct op *op))
{
    CHECK(loop_is_mine(loop) && op->state == OP_IDLE);
    op->loop = loop;
    op->on_done = on_done;
    op->cancel = cancel;
    op->state = OP_RUNNING;
}

void op_complete(struct op *op, int result)
{
    CHECK(loop_is_mine(op->loop) && op->state == OP_RUNNING);
    op->state = OP_COMPLETE;
    op->result = result;
    list_push_back(&op->loop->ready, &op->ready);
    op->loop->driver->wake(op->loop);
}

void op_cancel(struct op *op)
{
    if (op->state == OP_RUNNING && op->cancel)
        op->cancel(op);
}
