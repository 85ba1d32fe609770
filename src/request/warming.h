/* warming.h: what the cache should remember after a start or a flush, from what its results were worth before
 * (history/worth.h).
 *
 * Order: warming_new, warming_start on the core thread when the loop is about to run; warming_again after a
 * flush, from any thread; warming_stop on the core thread, and when it is no longer busy warming_free. What
 * is used in between is collected from the cache each ten seconds and given to the database in the
 * background: while that is away it is lost, as it is only good for a guess. A start waits for none of it. */
#pragma once

#include "base/macros.h"
#include "cache/cache.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "store/store.h"
#include "tables/options.h"

struct warming;

struct warming_config {
    const struct options *opt;
    struct loop *loop;
    struct cache *cache;
    struct store *store;
    struct history *history;
    struct metrics *metrics;
    const char *space; /* of the store; copied */
};

struct warming *warming_new(const struct warming_config *config) MUST_CHECK;
void warming_free(struct warming *w);  /* accepts NULL */
void warming_start(struct warming *w); /* accepts NULL, as all below */
/* The cache has just been emptied. load: what is worth most is loaded; else what the database knows of
 * results is forgotten too. false: there is no such knowledge here. */
bool warming_again(struct warming *w, bool load);
void warming_stop(struct warming *w); /* what was used is given away; before history_stop */
bool warming_busy(const struct warming *w);
