/* Happy path: answers are added to the current place of the ring; when a tenth of the window is over, the
 * place after it, which nobody reads, is emptied and becomes the current one. Failure modes: turns that come
 * late (the process was stopped) empty as many places as tenths have passed, all of them at most; a thread
 * that was held up inside an addition counts in a place that is no longer current, a moment too early.
 * Invariants: the place after the current one is outside what is read, so emptying it is seen by no reader;
 * the mutex is held for turning and reading, never for adding. */
#include "metrics/window.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { TENTHS = 10, PLACES = TENTHS + 2 }; /* the current one, ten whole ones, and the one that is emptied */

struct place {
    struct histogram answered[FEATURE_COUNT];
    struct window_totals before; /* what had been counted when it began */
};

struct window {
    pthread_mutex_t mutex; /* over the rest but the histograms */
    uint64_t place_ns, turned_ns;
    atomic_uint current;
    struct place place[PLACES];
};

struct window *window_new(uint64_t span_s, uint64_t now_ns)
{
    struct window *w = NEW(struct window);
    pthread_mutex_init(&w->mutex, NULL);
    w->place_ns = span_s * NS_PER_S / TENTHS;
    w->turned_ns = now_ns;
    return w;
}

void window_free(struct window *w)
{
    if (!w)
        return;
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

static unsigned current(const struct window *w)
{
    return atomic_load_explicit(&w->current, memory_order_acquire);
}

void window_add(struct window *w, enum feature_id feature, uint64_t ns)
{
    histogram_add(&w->place[current(w)].answered[feature], ns);
}

static void turn_once(struct window *w, const struct window_totals *now)
{
    unsigned next = (current(w) + 1) % PLACES;
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        histogram_clear(&w->place[next].answered[i]);
    w->place[next].before = *now;
    atomic_store_explicit(&w->current, next, memory_order_release);
}

void window_turn(struct window *w, uint64_t now_ns, const struct window_totals *now)
{
    if (now_ns < w->turned_ns + w->place_ns)
        return;
    uint64_t passed = (now_ns - w->turned_ns) / w->place_ns;
    pthread_mutex_lock(&w->mutex);
    for (uint64_t i = 0; i < MIN(passed, PLACES); i++)
        turn_once(w, now);
    w->turned_ns += passed * w->place_ns;
    pthread_mutex_unlock(&w->mutex);
}

void window_read(struct window *w, enum feature_id feature, struct histogram *ret)
{
    pthread_mutex_lock(&w->mutex);
    unsigned skipped = (current(w) + 1) % PLACES;
    for (unsigned i = 0; i < PLACES; i++)
        if (i != skipped)
            histogram_merge(ret, &w->place[i].answered[feature]);
    pthread_mutex_unlock(&w->mutex);
}

void window_totals(struct window *w, const struct window_totals *now, struct window_totals *ret)
{
    pthread_mutex_lock(&w->mutex);
    /* The oldest that is read; before the ring has gone round it is all zero, as at the start. */
    const struct window_totals before = w->place[(current(w) + 2) % PLACES].before;
    pthread_mutex_unlock(&w->mutex);
    ret->total = now->total - before.total;
    ret->success = now->success - before.success;
    ret->cached = now->cached - before.cached;
    ret->error = now->error - before.error;
}
