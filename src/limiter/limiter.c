/* A limiter: slots, and a fair queue of each priority before them.
 *
 * Happy path: acquire finds a slot and completes in the same turn; or waits, and release hands the slot
 * straight to who is next, so `running` never dips and nobody can overtake. Failure modes: a full queue
 * refuses, or drives out who has more than his share; a cancelled wait leaves the queue at once. Invariants:
 * running ≤ slots; somebody waits only while running == slots or it is closed; a wait is in a queue exactly
 * while its op is running; waiting - promised ≤ queue_max, but for those that only ask while it is closed;
 * behind is told last, when all else is in order. */
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
    *l = (struct limiter){.name = name,
                          .loop = loop,
                          .slots = slots,
                          .queue_max = queue_max,
                          .low_every = LOW_EVERY,
                          .sharers = 1};
    for (unsigned p = 0; p < SLOT_PRIORITIES; p++)
        fair_init(&l->queue[p]);
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

/* ---- the queue ---- */

static unsigned weight_of(const struct slot_asker *who)
{
    return MAX(who->weight, 1u);
}

static struct fair_queue *queue_of(const struct slot_wait *w)
{
    return &w->limiter->queue[w->asker.priority];
}

static void enter_queue(struct slot_wait *w)
{
    struct limiter *l = w->limiter;
    fair_add(queue_of(w), &w->turn, w->asker.key, weight_of(&w->asker), !w->asker.promised);
    l->promised += w->asker.promised;
    l->waiting++;
}

/* Its place is free. */
static void forget_place(struct slot_wait *w)
{
    struct limiter *l = w->limiter;
    l->promised -= w->asker.promised;
    l->waiting--;
    if (l->queue[SLOT_LOW].count == 0)
        l->since_low = 0;
}

static void leave_queue(struct slot_wait *w)
{
    fair_remove(queue_of(w), &w->turn);
    forget_place(w);
}

/* Whose turn it is, out of the queue; NULL: nobody waits. */
static struct slot_wait *take_next(struct limiter *l)
{
    bool low_waits = l->queue[SLOT_LOW].count > 0;
    bool low = low_waits && (l->queue[SLOT_NORMAL].count == 0 || l->since_low >= l->low_every);
    struct fair_wait *turn = fair_take(&l->queue[low ? SLOT_LOW : SLOT_NORMAL]);
    if (!turn)
        return NULL;
    l->since_low = low || !low_waits ? 0 : l->since_low + 1;
    struct slot_wait *w = CONTAINER_OF(turn, struct slot_wait, turn);
    forget_place(w);
    return w;
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
    return l->waiting - l->promised >= l->queue_max + (l->closed ? l->slots - l->running : 0);
}

/* A place for who has less than his share of them; false: there is none. */
static bool make_place(struct limiter *l, const struct slot_asker *who)
{
    struct fair_wait *turn =
        fair_longest(&l->queue[SLOT_LOW], who->priority == SLOT_LOW ? &who->key : NULL, weight_of(who));
    if (!turn && who->priority == SLOT_NORMAL)
        turn = fair_longest(&l->queue[SLOT_NORMAL], &who->key, weight_of(who));
    if (!turn)
        return false;
    struct slot_wait *w = CONTAINER_OF(turn, struct slot_wait, turn);
    leave_queue(w);
    op_complete(&w->op, -ERR_QUEUE_FULL);
    return true;
}

int limiter_acquire(struct limiter *l, struct slot_wait *w, op_done_fn *on_done)
{
    bool free_slot = !l->closed && l->running < l->slots;
    if (!free_slot && !w->asker.promised && queue_is_full(l) && !make_place(l, &w->asker))
        return -ERR_QUEUE_FULL;
    w->limiter = l;
    op_begin(&w->op, l->loop, on_done, cancel_wait);
    if (free_slot) {
        grant(l, w);
        return 0;
    }
    enter_queue(w);
    tell_behind(l);
    return 0;
}

size_t limiter_let_in(struct limiter *l, size_t most)
{
    size_t n = 0;
    for (; n < most; n++) {
        struct slot_wait *next = take_next(l);
        if (!next)
            break;
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

/* ---- looking ---- */

/* Of the other priority, so many are served before the one at that place of its own. */
static size_t others_before(const struct limiter *l, enum slot_priority priority, size_t place)
{
    size_t every = l->low_every, lows = l->queue[SLOT_LOW].count, normals = l->queue[SLOT_NORMAL].count;
    if (priority == SLOT_NORMAL)
        return MIN(lows, (place - 1 + l->since_low) / every);
    return MIN(normals, place * every - MIN(l->since_low, place * every));
}

size_t limiter_position(const struct slot_wait *w)
{
    if (!limiter_is_waiting(w))
        return 0;
    size_t place = fair_position(queue_of(w), &w->turn);
    return place + others_before(w->limiter, w->asker.priority, place);
}

static size_t position_of_new(const struct limiter *l, const struct slot_asker *who)
{
    size_t place = fair_position_of_new(&l->queue[who->priority], who->key, weight_of(who));
    return place + others_before(l, who->priority, place);
}

bool limiter_is_waiting(const struct slot_wait *w)
{
    return w->turn.line != NULL;
}

void limiter_lend_turn(struct slot_wait *w, const struct slot_asker *by)
{
    bool promised = w->asker.promised;
    bool same = by->key == w->asker.key && by->priority == w->asker.priority;
    if (!limiter_is_waiting(w) || same || position_of_new(w->limiter, by) >= limiter_position(w))
        return;
    leave_queue(w);
    w->asker = *by;
    w->asker.promised = promised;
    enter_queue(w);
}

unsigned limiter_retry_after_s(const struct limiter *l, const struct slot_asker *who, uint64_t typical_ns)
{
    uint64_t ns = typical_ns * position_of_new(l, who) * l->sharers / l->slots;
    uint64_t s = (ns + NS_PER_S - 1) / NS_PER_S;
    return (unsigned)MIN(MAX(s, 1), 3600);
}
