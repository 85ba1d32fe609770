/* window.h: how long answers took, of the last while only.
 *
 * Per feature a ring of histograms, each of a tenth of the window; what is read is all of them together, so
 * it covers the window and up to a tenth more. Memory is bounded: 12 × 15 kB a feature, of which the kernel
 * gives only what is touched.
 *
 * Order: window_new; window_add by any thread; window_turn by one thread, as often as it likes, at least once
 * a tenth; window_read by any thread; window_free. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "metrics/histogram.h"
#include "tables/features.h"

struct window;

/* Of everything together, for the rates. */
struct window_totals {
    uint64_t total, success, cached, error;
};

struct window *window_new(uint64_t span_s, uint64_t now_ns) MUST_CHECK;
void window_free(struct window *w); /* accepts NULL */

void window_add(struct window *w, enum feature_id feature, uint64_t ns);
/* now: what has been counted since the start, up to this moment. */
void window_turn(struct window *w, uint64_t now_ns, const struct window_totals *now);

void window_read(struct window *w, enum feature_id feature, struct histogram *ret); /* ret: zeroed */
/* now: likewise. What of it fell into the window. */
void window_totals(struct window *w, const struct window_totals *now, struct window_totals *ret);
