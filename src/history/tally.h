/* tally.h: what has been counted since the last batch. Adding is lock-free, from any thread, and costs a few
 * atomic additions; one thread drains.
 *
 * A request that is added while it is drained is in this batch or in the next one, as a whole but for its
 * share in the sums of times and money. What is counted is never lost and never in two. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/macros.h"
#include "history/history.h"

struct tally;

/* providers: static texts; others are counted as "other". */
struct tally *tally_new(const char *const *providers, unsigned count) MUST_CHECK;
void tally_free(struct tally *t); /* accepts NULL */
void tally_add(struct tally *t, const struct history_sample *s);
/* Puts a row for all that was counted (batch.h) and begins at zero; false: there was nothing. */
bool tally_drain(struct tally *t, struct buf *out);
