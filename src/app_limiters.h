/* app_limiters.h: makes the limiters of the classes and of what else has slots, and knows the keys' shares.
 * Part of app.c's start and tear-down. */
#pragma once

#include "base/macros.h"
#include "request/access.h"
#include "request/request.h"

void app_make_limiters(struct services *svc); /* options and loop are there */
void app_limiters_free(struct services *svc); /* and the shares */

/* Fills svc->weights. VALIDATION: KEY_WEIGHTS cannot be read, or names a key that API_KEYS does not have. */
int app_make_weights(struct services *svc, const struct access *access, struct error *e) MUST_CHECK;
