/* fair_queue.h: who is next, if each key is to have its share: weighted round robin over the keys that wait.
 *
 * Each key has a line of its own, first come, first served. Of the lines, each gets turns in proportion to
 * its weight, spread evenly: however short a piece of the order one looks at, no line is a turn or more ahead
 * of or behind its exact share (earliest eligible virtual deadline first: Stoica and Abdel-Wahab, 1995). What
 * a key did not use is not kept for it, and what it used is not held against it once its line is empty.
 *
 * Memory: a small record for each key that waits, nothing for a wait, which embeds its nodes. Adding,
 * removing and the length of a line cost the same however many wait; fair_next, fair_take and fair_longest
 * look at each key once; fair_position also walks the wait's own line. One thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/macros.h"

struct fair_line;

enum { FAIR_CHAINS = 256, FAIR_WEIGHT_MAX = 1000 };

struct fair_queue {
    struct list lines;                    /* of keys that wait; who had no turn for longest is first */
    struct fair_line *chain[FAIR_CHAINS]; /* the same, by a key's hash */
    size_t count;                         /* of waits */
    uint64_t weight;                      /* of all lines */
    uint64_t now;                         /* virtual: a turn's length at weight 1 is FAIR_TURN */
};

/* Embedded in what waits. In the queue while `line` is set. */
struct fair_wait {
    struct list node, loose;
    struct fair_line *line;
};

void fair_init(struct fair_queue *q);

/* To the end of its key's line. weight: 1 … FAIR_WEIGHT_MAX; the line's is the last one given. loose:
 * fair_longest may find it. */
void fair_add(struct fair_queue *q, struct fair_wait *w, uint64_t key, unsigned weight, bool loose);
void fair_remove(struct fair_queue *q, struct fair_wait *w);  /* it gives up; nobody's share changes */
struct fair_wait *fair_take(struct fair_queue *q) MUST_CHECK; /* the next one, out of the queue; NULL: none */

/* How many turns until it has had its own, if nobody comes or goes: 1: it is next. Exact while all weights
 * are equal; else it may be less, as a line may have a turn sooner than it should at the latest. */
size_t fair_position(const struct fair_queue *q, const struct fair_wait *w);
/* The same for one that would come now. */
size_t fair_position_of_new(const struct fair_queue *q, uint64_t key, unsigned weight);

/* The newest loose wait of the line that has most of them for its weight; NULL: there is none, or no line has
 * more than `key` would have with one more. key NULL: whichever has any. */
struct fair_wait *fair_longest(const struct fair_queue *q, const uint64_t *key, unsigned weight);
