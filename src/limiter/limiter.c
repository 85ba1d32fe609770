/* A limiter: slots, and a first-come-first-served queue before them.
 *
 * Happy path: acquire finds a slot and completes in the same turn; or waits, and release hands the slot
 * straight to the oldest waiter, so `running` never dips and nobody can overtake. Failure modes: a full queue
 * refuses; a cancelled wait leaves the queue at once. Invariants: running ≤ slots; somebody waits only while
 * running == slots or it is closed; a node is in the queue exactly while its op is running; behind is told
 * last, when all else is in order. */
#include "limiter/limiter.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tables/error.h"

struct limiter *limiter_new(const char *name, size_t slots, size_t queue_max, struct loop *loop)
{
    CHECK(slots > 0);
    struct limiter *l = NEW(struct limiter);
    *l = (struct limiter){.name = name, .loop = loop, .slots = slots, .queue_max = queue_max, .sharers = 1};
    list_init(&l->queue);
    return l;
}

void limiter_free(struct limiter *l)
{
    if (!l)
        return;
    CHECK(l->running == 0 && l->waiting == 0);
    free(l);
}

static void grant(struct limiter *l, struct slot_wait *w)
{
    l->running++;
    CHECK(l->running <= l->slots);
    l->peak_running = MAX(l->peak_running, l->running);
    op_complete(&w->op, 0);
}

static void leave_queue(struct slot_wait *w)
{
    list_remove(&w->node);
    w->limiter->waiting--;
}

static void tell_behind(struct limiter *l)
{
    if (l->behind)
        l->behind->changed(l->behind);
}

static void cancel_wait(struct op *op)
{
    struct slot_wait *w = CONTAINER_OF(op, struct slot_wait, op);
    leave_queue(w);
    op_complete(op, -ERR_CLIENT_GONE);
    tell_behind(w->limiter);
}

/* While it is closed, as many as there are free slots are only asking, and take nobody's place. */
static bool queue_is_full(const struct limiter *l)
{
    return l->waiting >= l->queue_max + (l->closed ? l->slots - l->running : 0);
}

int limiter_acquire(struct limiter *l, struct slot_wait *w, op_done_fn *on_done)
{
    bool free_slot = !l->closed && l->running < l->slots;
    if (!free_slot && queue_is_full(l))
        return -ERR_QUEUE_FULL;
    w->limiter = l;
    op_begin(&w->op, l->loop, on_done, cancel_wait);
    if (free_slot) {
        grant(l, w);
        return 0;
    }
    list_push_back(&l->queue, &w->node);
    l->waiting++;
    tell_behind(l);
    return 0;
}

size_t limiter_let_in(struct limiter *l, size_t most)
{
    size_t n = 0;
    for (; n < most && !list_empty(&l->queue); n++) {
        struct slot_wait *next = CONTAINER_OF(l->queue.next, struct slot_wait, node);
        leave_queue(next);
        grant(l, next);
    }
    return n;
}

void limiter_release(struct limiter *l)
{
    CHECK(loop_is_mine(l->loop) && l->running > 0);
    l->running--;
    if (!l->closed)
        limiter_let_in(l, 1);
    tell_behind(l);
}

void limiter_close(struct limiter *l)
{
    l->closed = true;
}

void limiter_open(struct limiter *l)
{
    l->closed = l->full = false;
    l->sharers = 1;
    limiter_let_in(l, l->slots - l->running);
}

bool limiter_is_busy(const struct limiter *l)
{
    return l->full || l->running + (l->closed ? l->waiting : 0) >= l->slots;
}

size_t limiter_position(const struct slot_wait *w)
{
    if (!list_linked(&w->node))
        return 0;
    size_t place = 0;
    LIST_FOREACH (node, &w->limiter->queue) {
        place++;
        if (node == &w->node)
            break;
    }
    return place;
}

unsigned limiter_retry_after_s(const struct limiter *l, uint64_t typical_ns)
{
    uint64_t ahead = l->waiting + 1;
    uint64_t ns = typical_ns * ahead * l->sharers / l->slots;
    uint64_t s = (ns + NS_PER_S - 1) / NS_PER_S;
    return (unsigned)MIN(MAX(s, 1), 3600);
}
