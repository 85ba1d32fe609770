/* key_weights.h: which share of the slots an API key has (KEY_WEIGHTS).
 *
 * Order: key_weights_new at start, key_weight for each request, key_weights_free. Any thread after the start.
 */
#pragma once

#include "base/macros.h"
#include "tables/error.h"

struct key_weights;

/* text: "mobile=3,web=1", by the names of API_KEYS. VALIDATION: it cannot be read, names a key twice, or a
 * weight is not from 1 to FAIR_WEIGHT_MAX. */
int key_weights_new(const char *text, struct key_weights **ret, struct error *e) MUST_CHECK;
void key_weights_free(struct key_weights *w); /* accepts NULL */

unsigned key_weight(const struct key_weights *w,
                    const char *name); /* 1 if it is not named; both may be NULL */
const char *key_weights_name(const struct key_weights *w, unsigned i); /* in their order; NULL: no more */
