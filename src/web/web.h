/* web.h: the addresses that are not features: health, metrics, files, and what is going on right now.
 *
 * Order: app.c fills a struct web; web_find tells whether an address is one of these (rows in
 * tables/routes.def), web_answer answers it. Front threads; nothing here waits. What lies above this folder
 * (readiness, live requests) comes through the two calls app.c sets. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "cache/cache.h"
#include "http/server/http.h"
#include "metrics/metrics.h"
#include "store/store.h"
#include "tables/options.h"

struct web_snapshot; /* a rendered /metrics document, kept for a moment */

struct web {
    const struct options *opt;
    struct metrics *metrics;
    struct cache *cache;
    struct store *store;
    struct signer *signer;
    void *app;
    /* Appends {"status":…,"checks":{…}} to out and returns whether new work is taken. Any thread. */
    bool (*ready)(void *app, struct buf *out);
    /* Appends {"requests":[…],…}: what is running. Any thread. */
    void (*status)(void *app, struct buf *out);
    struct web_snapshot *snapshot;
};

enum route_id {
#define ROUTE(id, method, path, about) ROUTE_##id,
#include "tables/routes.def"
#undef ROUTE
    ROUTE_COUNT
};

struct route {
    const char *method;
    const char *path; /* a final * stands for the rest */
    const char *about;
};

extern const struct route routes[ROUTE_COUNT];

void web_init(struct web *w);
void web_release(struct web *w);

/* The route of an address; ROUTE_COUNT: none. *ret_method_ok: whether it takes the method (HEAD as GET). */
enum route_id web_find(const char *method, const char *path, bool *ret_method_ok);
void web_answer(struct web *w, enum route_id route, struct exchange *x); /* answers before it returns */
