/* app_history.h: makes the history of finished requests, the lane of its database, and what else is kept
 * there: what remembered results are worth. */
#pragma once

#include "base/macros.h"
#include "request/request.h"

/* Unless HISTORY is off. Last of all, as it is told the providers' names. Sets svc->history, and *ret_lane
 * even if it fails. */
int app_make_history(const struct options *opt, struct services *svc, struct lane **ret_lane,
                     struct error *e) MUST_CHECK;

void app_history_start(struct services *svc); /* as the loop is about to run */
void app_history_free(struct services *svc);  /* once it has stopped */

bool app_history_ok(const struct services *svc); /* nothing waits for the database, or none is kept */
void app_history_describe(const struct services *svc, struct buf *out); /* for /readyz */
bool app_history_stopped(struct services *svc); /* stops it; whether there is nothing more to wait for */
