/* Happy path: a cell for each feature, provider and outcome, made when it is first used; adding finds it and
 * adds to its buckets and sums; draining takes each out with an exchange.
 * Invariants: a cell, once made, stays where it is; requests are never counted but by their bucket, so that
 * a drain in the middle of an addition cannot make numbers that do not fit. */
#include "history/tally.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "history/batch.h"
#include "tables/features.h"

enum { PROVIDERS_MAX = 8, PROVIDER_NONE = 0, PROVIDER_OTHER = 1, PROVIDERS_FIRST = 2 };

typedef _Atomic uint32_t bucket_count;

struct cell {
    _Atomic uint64_t latency_ns, provider_ns, cost_nano, saved_nano; /* sums */
    bucket_count latency[HISTOGRAM_BUCKETS];
    bucket_count overhead[HISTOGRAM_BUCKETS]; /* of runs only */
    bucket_count provided[HISTOGRAM_BUCKETS];
};

struct tally {
    unsigned providers;
    const char *provider[PROVIDERS_MAX];
    _Atomic(struct cell *) cell[FEATURE_COUNT][PROVIDERS_MAX][HISTORY_OUTCOMES];
    struct sketch sketch; /* the drain's own */
};

struct tally *tally_new(const char *const *providers, unsigned count)
{
    struct tally *t = NEW(struct tally);
    CHECK(count <= PROVIDERS_MAX - PROVIDERS_FIRST);
    t->provider[PROVIDER_NONE] = "";
    t->provider[PROVIDER_OTHER] = "other";
    for (unsigned i = 0; i < count; i++)
        t->provider[PROVIDERS_FIRST + i] = providers[i];
    t->providers = PROVIDERS_FIRST + count;
    sketch_init(&t->sketch);
    return t;
}

void tally_free(struct tally *t)
{
    if (!t)
        return;
    for (unsigned f = 0; f < FEATURE_COUNT; f++)
        for (unsigned p = 0; p < t->providers; p++)
            for (unsigned o = 0; o < HISTORY_OUTCOMES; o++)
                free(atomic_load(&t->cell[f][p][o]));
    free(t);
}

static unsigned provider_index(const struct tally *t, const char *name)
{
    if (!name || !*name)
        return PROVIDER_NONE;
    for (unsigned i = PROVIDERS_FIRST; i < t->providers; i++)
        if (strcmp(t->provider[i], name) == 0)
            return i;
    return PROVIDER_OTHER;
}

/* Two may make it at once: one of theirs is taken. */
static struct cell *make_cell(_Atomic(struct cell *) *place)
{
    struct cell *made = NEW(struct cell), *there = NULL;
    if (atomic_compare_exchange_strong(place, &there, made))
        return made;
    free(made);
    return there;
}

static void add(_Atomic uint64_t *sum, uint64_t n)
{
    atomic_fetch_add_explicit(sum, n, memory_order_relaxed);
}

static void count(bucket_count *buckets, uint64_t ns)
{
    atomic_fetch_add_explicit(&buckets[histogram_bucket(ns)], 1, memory_order_relaxed);
}

void tally_add(struct tally *t, const struct history_sample *s)
{
    _Atomic(struct cell *) *place = &t->cell[s->feature->id][provider_index(t, s->provider)][s->outcome];
    struct cell *c = atomic_load_explicit(place, memory_order_acquire);
    if (!c)
        c = make_cell(place);
    count(c->latency, s->total_ns);
    if (s->outcome == HISTORY_RUN) {
        count(c->overhead, s->total_ns > s->provider_ns ? s->total_ns - s->provider_ns : 0);
        count(c->provided, s->provider_ns);
        add(&c->provider_ns, s->provider_ns);
    }
    if (s->cost_nano)
        add(&c->cost_nano, s->cost_nano);
    if (s->saved_nano)
        add(&c->saved_nano, s->saved_nano);
    /* Last, and never 0: it tells the drain that there is something. */
    atomic_fetch_add_explicit(&c->latency_ns, MAX(s->total_ns, 1), memory_order_release);
}

/* Appends the coded buckets, which are then zero; returns how many requests were in them. */
static uint64_t take_buckets(struct sketch *s, bucket_count *buckets, struct buf *out)
{
    sketch_clear(s);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (atomic_load_explicit(&buckets[i], memory_order_relaxed))
            sketch_put(s, i, atomic_exchange_explicit(&buckets[i], 0, memory_order_relaxed));
    sketch_encode(s, out);
    return s->total;
}

static const uint8_t *bytes_of(const struct buf *b)
{
    return (const uint8_t *)buf_text(b);
}

static bool drain_cell(struct tally *t, struct cell *c, struct batch_row *row, struct buf *out)
{
    uint64_t latency_ns = atomic_exchange_explicit(&c->latency_ns, 0, memory_order_acquire);
    if (latency_ns == 0)
        return false;
    BUF_ON_EXIT struct buf latency, overhead, provided;
    buf_init(&latency, BATCH_MAX);
    buf_init(&overhead, BATCH_MAX);
    buf_init(&provided, BATCH_MAX);
    row->requests = take_buckets(&t->sketch, c->latency, &latency);
    take_buckets(&t->sketch, c->overhead, &overhead);
    take_buckets(&t->sketch, c->provided, &provided);
    row->latency_us = latency_ns / 1000;
    row->provider_us = atomic_exchange_explicit(&c->provider_ns, 0, memory_order_relaxed) / 1000;
    row->cost_nano = atomic_exchange_explicit(&c->cost_nano, 0, memory_order_relaxed);
    row->saved_nano = atomic_exchange_explicit(&c->saved_nano, 0, memory_order_relaxed);
    row->latency = bytes_of(&latency);
    row->latency_size = latency.len;
    row->overhead = bytes_of(&overhead);
    row->overhead_size = overhead.len;
    row->provided = bytes_of(&provided);
    row->provided_size = provided.len;
    batch_put(out, row);
    return true;
}

static void name_row(struct batch_row *row, const char *feature, const char *provider, const char *outcome)
{
    snprintf(row->feature, sizeof(row->feature), "%s", feature);
    snprintf(row->provider, sizeof(row->provider), "%s", provider);
    snprintf(row->outcome, sizeof(row->outcome), "%s", outcome);
}

bool tally_drain(struct tally *t, struct buf *out)
{
    bool any = false;
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        for (unsigned p = 0; p < t->providers; p++) {
            for (unsigned o = 0; o < HISTORY_OUTCOMES; o++) {
                struct cell *c = atomic_load_explicit(&t->cell[f][p][o], memory_order_acquire);
                if (!c)
                    continue;
                struct batch_row row;
                name_row(&row, features[f].name, t->provider[p], history_outcomes[o]);
                any |= drain_cell(t, c, &row, out);
            }
        }
    }
    return any;
}
