/* manifest.h: keeps the catalogue of asset packs fresh.
 *
 * Order: manifest_new; manifest_now and manifest_wait from front threads; manifest_stop on the core thread,
 * then the loop runs until !manifest_busy; manifest_free. The store is listed at the first question, and then
 * each PACKS_TTL_MS as long as somebody asks; whoever asks gets what there is at once, and only the very
 * first wait, for HTTP_TIMEOUT_MS at most. A listing that fails leaves the old catalogue as it is. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "store/store.h"
#include "tables/options.h"
#include "web/packs.h"

struct manifest;

struct manifest_config {
    const struct options *opt;
    struct store *store;
    struct loop *loop;
    struct lane *lane; /* where a listing becomes a catalogue */
    /* Told on the core thread of a listing that failed, or was cut short; NULL: nobody. */
    void (*warn)(void *ctx, const char *what);
    void *ctx;
};

/* A wait for the first catalogue. ready comes once, on the core thread: packs is a reference for the caller,
 * or NULL with e filled. The memory is the caller's again then. */
struct manifest_wait {
    void (*ready)(struct manifest_wait *w, struct packs *packs, const struct error *e);
    /* the manifest's own */
    struct manifest *manifest;
    struct message mail;
    struct list node;
};

struct manifest *manifest_new(const struct manifest_config *config) MUST_CHECK;
void manifest_stop(struct manifest *m); /* those who wait are told DRAINING; accepts NULL */
bool manifest_busy(const struct manifest *m);
void manifest_free(struct manifest *m); /* accepts NULL */

/* Any thread: a new reference to what is known now; NULL: nothing yet. */
struct packs *manifest_now(struct manifest *m) MUST_CHECK;
bool manifest_stopped(const struct manifest *m); /* then it must not be waited for */
/* Any thread, while the loop runs. */
void manifest_wait(struct manifest *m, struct manifest_wait *w);
