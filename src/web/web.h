/* web.h: the addresses that are not features: health, metrics, files, and what is going on right now.
 *
 * Order: app.c fills a struct web and calls web_init; web_find tells whether an address is one of these (rows
 * in tables/routes.def), web_answer answers it; web_stop, and once it is no longer busy web_release. Front
 * threads, but for the last three: core. Only the very first question for the asset packs waits. What lies
 * above this folder (readiness, live requests, the log) comes through the calls app.c sets. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/macros.h"
#include "cache/cache.h"
#include "http/server/http.h"
#include "limiter/rate.h"
#include "metrics/metrics.h"
#include "store/body.h"
#include "store/store.h"
#include "tables/options.h"

struct history;
struct budgets;
struct manifest;
struct metrics_page; /* rendered documents of /metrics, kept for a moment */

enum {
    WEB_ETAG_MAX = 40,
    WEB_HOOK_MAX = 1 << 20,     /* bytes of a webhook; what is longer is polled for */
    WEB_IGNORED_MAX = 64 << 10, /* of a body that nobody reads */
    WEB_BODIES_MAX = 32         /* bodies that are arriving at once */
};

struct webhook_headers;

/* Somebody wants to know what is running. told comes once, with {"requests":[…],…}, whose reference is not
 * the question's; the memory is the caller's again then. */
struct status_question {
    void (*told)(struct status_question *q, struct blob *document);
    struct list node;
};

enum route_id {
#define ROUTE(id, method, path, rate, about) ROUTE_##id,
#include "tables/routes.def"
#undef ROUTE
    ROUTE_COUNT
};

struct web {
    const struct options *opt;
    struct metrics *metrics;
    struct history *history; /* NULL: none is kept */
    struct budgets *budgets; /* NULL: there are none */
    struct cache *cache;
    struct store *store;
    struct signer *signer;
    struct loop *loop;
    struct lane *lane; /* for work on a listing */
    void *app;
    /* Appends {"status":…,"checks":{…}} to out and returns whether new work is taken. Any thread. */
    bool (*ready)(void *app, struct buf *out);
    /* Sets the gauges that nobody else keeps up to date (metrics.def). Any thread; NULL: there are none. */
    void (*sample)(void *app);
    /* Any thread; the answer may come inside the call, or later on the core thread. */
    void (*status)(void *app, struct status_question *q);
    /* The cache has been emptied, and is to be filled again (warm), or what is known of results forgotten.
     * false: nothing is. Any thread; NULL: likewise. */
    bool (*flushed)(void *app, bool warm);
    /* A webhook of Replicate's: 0, UNAUTHORIZED or PROVIDER_UNAVAILABLE. NULL: none is expected. Any thread.
     */
    int (*hook)(void *ctx, const struct webhook_headers *headers, struct blob *body);
    void *hook_ctx;
    /* An address below /v1/, once the request is complete: answers, or suspends it and answers later. who: as
     * in struct web_caller. Front threads. NULL: there is no such API here. */
    void (*v1)(void *ctx, struct exchange *x, struct blob *body, const char *who);
    void *v1_ctx;
    _Atomic unsigned bodies;   /* arriving now (request/route_body.h) */
    _Atomic uint64_t v1_bytes; /* of those below /v1/ */
    /* Something an operator should know, on the core thread. */
    void (*warn)(void *app, const char *what);
    /* The addresses below /api/jobs; the exchange is complete: answers, or suspends it and answers from the
     * core. who: the tenant; NULL: none. Front threads; NULL: there are no jobs. */
    void (*jobs)(void *ctx, enum route_id route, struct exchange *x, struct blob *body, const char *who);
    /* POST /api/batch with an archive, likewise; its reference stays the caller's. */
    void (*archive)(void *ctx, struct exchange *x, struct body *archive, const char *who);
    void (*ws)(void *ctx, struct exchange *x, const char *who); /* GET /ws: answers; likewise */
    void *jobs_ctx;
    struct metrics_page *metrics_page;
    struct blob *openapi; /* made by web_init, as the options never change */
    char openapi_etag[WEB_ETAG_MAX];
    struct manifest *manifest;
};

struct route {
    const char *method; /* words separated by | */
    const char *path;   /* a final * stands for the rest */
    unsigned per_minute;
    const char *about;
};

extern const struct route routes[ROUTE_COUNT];

void web_init(struct web *w);
void web_stop(struct web *w);       /* the loop still runs */
bool web_busy(const struct web *w); /* after that: is there anything to wait for? */
void web_release(struct web *w);

/* The route of an address; ROUTE_COUNT: none. *ret_method_ok: whether it takes the method (HEAD as GET). */
enum route_id web_find(const char *method, const char *path, bool *ret_method_ok);
bool web_is_v1(enum route_id route);

struct web_caller {
    const char *who;        /* the tenant; NULL: none */
    struct rate_state rate; /* limit 0: not limited */
};

/* The methods that it takes, for an Allow header. */
enum { WEB_ALLOW_MAX = 64 };
void web_allow(enum route_id route, const char *path, char ret[static WEB_ALLOW_MAX]);
/* Answers before it returns. */
void web_answer(struct web *w, enum route_id route, struct exchange *x, const struct web_caller *caller);

/* Bytes; 0: the route takes no body and is answered as soon as its headers are here. */
size_t web_body_max(const struct web *w, enum route_id route);
/* The same for the other routes, once the request is complete: answers, or suspends the exchange and answers
 * from the core. */
void web_answer_body(struct web *w, enum route_id route, struct exchange *x, struct blob *body,
                     const struct web_caller *caller);

/* The body is an archive, which may be large: it is to be spooled. Bytes; 0: it is none. */
size_t web_archive_max(const struct web *w, enum route_id route, const struct exchange *x);
void web_answer_archive(struct web *w, struct exchange *x, struct body *archive,
                        const struct web_caller *caller);
