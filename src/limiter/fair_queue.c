/* Virtual time passes by FAIR_TURN / (weight of all lines) with each turn, so that a line of weight w is owed
 * one turn each FAIR_TURN / w. The oldest wait of a line may have its turn from `begin` on and should have
 * had it by begin + FAIR_TURN / w; of those that may, the one that should soonest is next.
 *
 * Happy path: a line begins now; each turn moves its begin on by a turn's length. Failure modes: a wait that
 * is removed leaves its turn to the one behind it; a line that is empty is forgotten. If no line may have a
 * turn yet (lines that were behind have gone), time jumps to the first that may: there is always a next one.
 * Invariants: a line is in the list and in its chain exactly while somebody waits in it; numbers wrap around
 * and are compared by their difference, as all that are alive lie close together. */
#include "limiter/fair_queue.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

/* A multiple of all small weights, so that their turns fall on the same instant. */
#define FAIR_TURN ((uint64_t)720720 << 16)

struct fair_line {
    struct list node;
    struct fair_line *next; /* in its chain */
    uint64_t key;
    uint64_t begin; /* virtual: of the oldest wait's turn */
    unsigned weight;
    size_t waiting, loose_waiting;
    struct list waits; /* of struct fair_wait.node, oldest first */
    struct list loose; /* of struct fair_wait.loose, oldest first */
};

static struct fair_line *line_at(struct list *node)
{
    return CONTAINER_OF(node, struct fair_line, node);
}

static bool is_later(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) > 0;
}

static uint64_t turn_of(const struct fair_line *l)
{
    return FAIR_TURN / l->weight;
}

static struct fair_line **place_of(struct fair_queue *q, uint64_t key)
{
    struct fair_line **at = &q->chain[key % FAIR_CHAINS];
    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static const struct fair_line *line_of(const struct fair_queue *q, uint64_t key)
{
    return *place_of((struct fair_queue *)q, key);
}

void fair_init(struct fair_queue *q)
{
    *q = (struct fair_queue){0};
    list_init(&q->lines);
}

/* ---- coming and going ---- */

static struct fair_line *line_new(struct fair_queue *q, uint64_t key)
{
    struct fair_line *l = NEW(struct fair_line);
    l->key = key;
    l->begin = q->now;
    list_init(&l->waits);
    list_init(&l->loose);
    list_push_back(&q->lines, &l->node);
    *place_of(q, key) = l;
    return l;
}

static void line_free(struct fair_queue *q, struct fair_line *l)
{
    *place_of(q, l->key) = l->next;
    list_remove(&l->node);
    q->weight -= l->weight;
    free(l);
}

void fair_add(struct fair_queue *q, struct fair_wait *w, uint64_t key, unsigned weight, bool loose)
{
    CHECK(!w->line && weight >= 1 && weight <= FAIR_WEIGHT_MAX);
    struct fair_line *l = *place_of(q, key);
    if (!l)
        l = line_new(q, key);
    q->weight += weight;
    q->weight -= l->weight;
    l->weight = weight;
    w->line = l;
    list_push_back(&l->waits, &w->node);
    if (loose)
        list_push_back(&l->loose, &w->loose);
    l->loose_waiting += loose;
    l->waiting++;
    q->count++;
}

void fair_remove(struct fair_queue *q, struct fair_wait *w)
{
    struct fair_line *l = TAKE(w->line);
    l->loose_waiting -= list_linked(&w->loose);
    list_remove(&w->node);
    list_remove(&w->loose);
    l->waiting--;
    q->count--;
    if (l->waiting == 0)
        line_free(q, l);
}

/* ---- turns ---- */

/* The line that should have had its turn soonest, of those that may by `now`; NULL: none may. *ret_first:
 * when the first may. */
static struct fair_line *due_line(const struct fair_queue *q, uint64_t now, uint64_t *ret_first)
{
    struct fair_line *due = NULL;
    *ret_first = now;
    bool any = false;
    LIST_FOREACH (node, &q->lines) {
        struct fair_line *l = line_at(node);
        if (!any || is_later(*ret_first, l->begin))
            *ret_first = l->begin;
        any = true;
        if (!is_later(l->begin, now) && (!due || is_later(due->begin + turn_of(due), l->begin + turn_of(l))))
            due = l;
    }
    return due;
}

struct fair_wait *fair_take(struct fair_queue *q)
{
    uint64_t first;
    if (q->count == 0)
        return NULL;
    struct fair_line *l = due_line(q, q->now, &first);
    if (!l) {
        q->now = first;
        l = due_line(q, q->now, &first);
    }
    struct fair_wait *w = CONTAINER_OF(l->waits.next, struct fair_wait, node);
    q->now += FAIR_TURN / q->weight;
    l->begin += turn_of(l);
    list_remove(&l->node); /* the last of those that are due at the same time */
    list_push_back(&q->lines, &l->node);
    fair_remove(q, w);
    return w;
}

/* ---- looking ---- */

/* So many turns of others come before the nth one of `own`, that should be had by `due`. Of two that should
 * be had at the same time that line's comes first which had its last one, or came, earlier: that had fewer
 * until then, or stands further ahead. own NULL: a line that would be the last. */
static size_t turns_before(const struct fair_queue *q, const struct fair_line *own, size_t nth, uint64_t due)
{
    size_t turns = 0;
    bool ahead = true;
    LIST_FOREACH (node, &q->lines) {
        const struct fair_line *l = line_at(node);
        uint64_t first = l->begin + turn_of(l);
        if (l == own)
            ahead = false;
        if (l == own || is_later(first, due))
            continue;
        size_t n = (size_t)((due - first) / turn_of(l)) + 1;
        bool tied = (due - first) % turn_of(l) == 0;
        if (tied && !(n < nth || (n == nth && ahead)))
            n--;
        turns += MIN(l->waiting, n);
    }
    return turns;
}

size_t fair_position(const struct fair_queue *q, const struct fair_wait *w)
{
    const struct fair_line *l = w->line;
    uint64_t first;
    size_t own = 0;
    LIST_FOREACH (node, &l->waits) {
        own++;
        if (node == &w->node)
            break;
    }
    if (own == 1 && due_line(q, q->now, &first) == l)
        return 1;
    return own + turns_before(q, l, own, l->begin + own * turn_of(l));
}

size_t fair_position_of_new(const struct fair_queue *q, uint64_t key, unsigned weight)
{
    const struct fair_line *l = line_of(q, key);
    size_t own = l ? l->waiting + 1 : 1;
    uint64_t begin = l ? l->begin : q->now;
    return own + turns_before(q, l, own, begin + own * (FAIR_TURN / weight));
}

struct fair_wait *fair_longest(const struct fair_queue *q, const uint64_t *key, unsigned weight)
{
    const struct fair_line *own = key ? line_of(q, *key) : NULL, *longest = NULL;
    size_t most = key ? ((own ? own->loose_waiting : 0) + 1) * (FAIR_TURN / weight) : 0;
    LIST_FOREACH (node, &q->lines) {
        const struct fair_line *l = line_at(node);
        size_t length = l->loose_waiting * turn_of(l);
        if (length <= most)
            continue;
        most = length;
        longest = l;
    }
    return longest ? CONTAINER_OF(longest->loose.prev, struct fair_wait, loose) : NULL;
}
