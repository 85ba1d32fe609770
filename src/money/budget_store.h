/* budget_store.h: what was spent, in the database, so that a restart does not forget it. Private to this
 * folder; core thread, but for its job on the db lane.
 *
 * Order: budget_store_new (reads; at start, the only call that waits), budget_store_add for each change,
 * which is written soon, together with what comes meanwhile; budget_store_try once a second; when it is not
 * busy budget_store_free. A database that is away is tried again; what was read late is told by `loaded`
 * then. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loop/lane.h"
#include "money/plan.h"
#include "tables/options.h"

struct budget_store;

struct budget_store_config {
    const struct options *opt;
    struct lane *lane; /* db: one thread */
    const struct budget_plan *plan;
    /* Once for each budget that is there; inside of budget_store_new or later. */
    void (*loaded)(void *ctx, unsigned i, int64_t start_s, int64_t used, int told);
    void *ctx;
    void (*tell)(void *ctx, bool bad, const char *what); /* NULL: nobody */
    void *tell_ctx;
};

int budget_store_new(const struct budget_store_config *config, struct budget_store **ret,
                     struct error *e) MUST_CHECK;
void budget_store_add(struct budget_store *s, unsigned i, int64_t start_s, int64_t nano, int told);
void budget_store_try(struct budget_store *s);
bool budget_store_busy(const struct budget_store *s);
void budget_store_free(struct budget_store *s); /* accepts NULL */
