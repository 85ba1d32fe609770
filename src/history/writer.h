/* writer.h: puts batches into the database, once each, and clears what is old. Private to this folder; on the
 * db lane, and before it has work on the main thread. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "db/db.h"
#include "history/history.h"
#include "history/sketch.h"
#include "history/spill.h"

struct writer {
    const struct options *opt;
    struct db *db;
    struct spill *spill;
    struct sketch *sketch;     /* working space */
    int64_t cleared_at;        /* when old rows were looked for last */
    const char *source;        /* whose batches are our own; NULL: nobody's */
    struct history_totals own; /* what of those is in the database */
};

/* Applies what waits in the spill, oldest first, until nothing does, budget_ms have passed, or *stop. 1: it
 * is all there; 0: more waits. e is filled when the database cannot take it. */
int writer_apply(struct writer *w, unsigned budget_ms, const atomic_bool *stop, struct error *e) MUST_CHECK;

/* Old rows, some at a time. now: seconds since 1970. */
int writer_clear_old(struct writer *w, int64_t now, struct error *e) MUST_CHECK;

/* Without our own. Only right while nothing waits: a batch of ours may be in the database and in the spill.
 */
int writer_totals(struct writer *w, struct history_totals *ret, struct error *e) MUST_CHECK;
