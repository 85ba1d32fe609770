#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/words.h"
#include "tables/features.h"
#include "web/manifest.h"
#include "web/openapi.h"
#include "web/pages.h"

enum { DOCUMENT_MAX = 4 << 20, ETAG_BYTES = 16 };

const struct route routes[ROUTE_COUNT] = {
#define ROUTE(id, method, path, rate, about) [ROUTE_##id] = {method, path, rate, about},
#include "tables/routes.def"
#undef ROUTE
};

void web_init(struct web *w)
{
    w->metrics_page = metrics_page_new();
    w->openapi = openapi_render(w->opt);
    uint8_t sum[DIGEST_BYTES];
    digest_of(w->openapi->data, w->openapi->size, sum);
    char hex[2 * ETAG_BYTES + 1];
    hex_encode(sum, ETAG_BYTES, hex);
    snprintf(w->openapi_etag, sizeof(w->openapi_etag), "\"%s\"", hex);
    w->manifest = manifest_new(&(struct manifest_config){
        .opt = w->opt,
        .store = w->store,
        .loop = w->loop,
        .lane = w->lane,
        .warn = w->warn,
        .ctx = w->app,
    });
}

void web_stop(struct web *w)
{
    manifest_stop(w->manifest);
}

bool web_busy(const struct web *w)
{
    return manifest_busy(w->manifest);
}

void web_release(struct web *w)
{
    if (!w->metrics_page)
        return;
    manifest_free(TAKE(w->manifest));
    metrics_page_free(TAKE(w->metrics_page));
    blob_unref(TAKE(w->openapi));
}

static bool path_matches(const char *pattern, const char *path)
{
    size_t len = strlen(pattern);
    if (pattern[len - 1] == '*')
        return strncmp(pattern, path, len - 1) == 0;
    return route_is(pattern, path);
}

static bool takes_method(const char *methods, const char *method)
{
    const char *end = methods + strlen(methods);
    while (methods < end) {
        struct word w = word_next(&methods, end, '|');
        if (word_is(&w, method))
            return true;
    }
    return false;
}

enum route_id web_find(const char *method, const char *path, bool *ret_method_ok)
{
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    enum route_id found = ROUTE_COUNT;
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        if (!path_matches(routes[i].path, path))
            continue;
        *ret_method_ok = takes_method(routes[i].method, method);
        if (*ret_method_ok)
            return (enum route_id)i;
        found = found == ROUTE_COUNT ? (enum route_id)i : found;
    }
    return found;
}

static bool ends_in(const char *path, const char *end)
{
    size_t len = strlen(path), n = strlen(end);
    return len > n && strcmp(path + len - n, end) == 0;
}

/* As in routes.def; what lies below a job differs by its end. */
static const char *methods_of(enum route_id route, const char *path)
{
    bool of_jobs = route == ROUTE_JOB_GET || route == ROUTE_JOB_POST;
    if (!of_jobs)
        return routes[route].method;
    return ends_in(path, "/callback") ? "GET|POST" : ends_in(path, "/cancel") ? "POST" : "GET";
}

void web_allow(enum route_id route, const char *path, char ret[static WEB_ALLOW_MAX])
{
    size_t n = 0;
    for (const char *at = methods_of(route, path); *at; at += strspn(at, "|")) {
        size_t len = strcspn(at, "|");
        bool get = strncmp(at, "GET", len) == 0;
        n += (size_t)snprintf(ret + n, WEB_ALLOW_MAX - n, "%s%.*s%s", n ? ", " : "", (int)len, at,
                              get ? ", HEAD" : "");
        CHECK(n < WEB_ALLOW_MAX);
        at += len;
    }
}

bool web_is_v1(enum route_id route)
{
    return strncmp(routes[route].path, "/v1/", 4) == 0;
}

static struct reply *json_reply(int status, struct blob *document)
{
    struct reply *r = reply_json(status, document);
    if (status == 503)
        reply_header(r, "Retry-After", "5");
    return r;
}

static void answer_json(struct exchange *x, int status, struct blob *document)
{
    exchange_answer(x, json_reply(status, document));
}

static void answer_buf(struct exchange *x, int status, struct buf *document)
{
    BLOB_ON_EXIT struct blob *blob = buf_take_blob(document);
    answer_json(x, status, blob);
}

static void answer_alive(struct exchange *x)
{
    BLOB_ON_EXIT struct blob *blob = blob_static("{\"ok\":true}", 11);
    answer_json(x, 200, blob);
}

static void answer_ready(struct web *w, struct exchange *x)
{
    struct buf document;
    buf_init(&document, DOCUMENT_MAX);
    bool ready = w->ready(w->app, &document);
    answer_buf(x, ready ? 200 : 503, &document);
}

struct status_call {
    struct status_question question;
    struct exchange *x;
};

static void status_told(struct status_question *q, struct blob *document)
{
    struct status_call *c = CONTAINER_OF(q, struct status_call, question);
    exchange_answer_suspended(c->x, json_reply(200, document));
    free(c);
}

/* Told by the core, as only it knows. */
static void answer_status(struct web *w, struct exchange *x)
{
    struct status_call *c = NEW(struct status_call);
    c->question.told = status_told;
    c->x = x;
    exchange_suspend(x);
    w->status(w->app, &c->question);
}

static void answer_elsewhere(struct exchange *x)
{
    struct error e;
    error_set(&e, ERR_NOT_FOUND, "Metrics have an address of their own here");
    exchange_answer(x, reply_error(x, NULL, &e));
}

static void answer_metrics(struct web *w, struct exchange *x)
{
    if (*w->opt->metrics_addr)
        answer_elsewhere(x);
    else
        page_metrics(w, x);
}

static void answer_history(struct web *w, struct exchange *x, const struct rate_state *rate)
{
    if (*w->opt->metrics_addr)
        answer_elsewhere(x);
    else
        page_history(w, x, rate);
}

void page_openapi(struct web *w, struct exchange *x)
{
    bool unchanged = page_unchanged(x, w->openapi_etag);
    struct reply *r = reply_new(unchanged ? 304 : 200);
    if (!unchanged)
        reply_body(r, w->openapi, "application/json; charset=utf-8");
    reply_header(r, "ETag", "%s", w->openapi_etag);
    reply_header(r, "Cache-Control", "public, max-age=300");
    exchange_answer(x, r);
}

void page_rate_headers(struct reply *r, const struct rate_state *rate)
{
    if (rate->limit == 0)
        return;
    reply_header(r, "RateLimit-Policy", "%u;w=60", rate->limit);
    reply_header(r, "RateLimit-Limit", "%u", rate->limit);
    reply_header(r, "RateLimit-Remaining", "%u", rate->remaining);
    reply_header(r, "RateLimit-Reset", "%u", rate->reset_s);
}

static void answer_jobs(struct web *w, enum route_id route, struct exchange *x, struct blob *body,
                        const char *who)
{
    struct error e;
    if (w->jobs) {
        w->jobs(w->jobs_ctx, route, x, body, who);
        return;
    }
    error_set(&e, ERR_NOT_FOUND, "There are no jobs here");
    exchange_answer(x, reply_error(x, NULL, &e));
}

void web_answer_archive(struct web *w, struct exchange *x, struct body *archive,
                        const struct web_caller *caller)
{
    if (w->archive)
        w->archive(w->jobs_ctx, x, archive, caller->who);
    else
        answer_jobs(w, ROUTE_BATCH, x, NULL, caller->who); /* which says that there are none */
}

static void answer_ws(struct web *w, struct exchange *x, const char *who)
{
    struct error e;
    if (w->ws) {
        w->ws(w->jobs_ctx, x, who);
        return;
    }
    error_set(&e, ERR_NOT_FOUND, "There are no jobs here");
    exchange_answer(x, reply_error(x, NULL, &e));
}

void web_answer(struct web *w, enum route_id route, struct exchange *x, const struct web_caller *caller)
{
    switch (route) {
    case ROUTE_HEALTH:
    case ROUTE_LIVEZ:
        answer_alive(x);
        break;
    case ROUTE_READYZ:
        answer_ready(w, x);
        break;
    case ROUTE_METRICS:
        answer_metrics(w, x);
        break;
    case ROUTE_OPENAPI:
        page_openapi(w, x);
        break;
    case ROUTE_FILES:
        page_file(w, x);
        break;
    case ROUTE_WS:
        answer_ws(w, x, caller->who);
        break;
    case ROUTE_STATUS: /* these may wait, or take a body */
    case ROUTE_MANIFEST:
    case ROUTE_PRESIGN:
    case ROUTE_HISTORY:
    case ROUTE_FLUSH:
    case ROUTE_HOOK_REPLICATE:
    case ROUTE_JOB_GET:
    case ROUTE_JOB_POST:
    case ROUTE_BATCH:
    case ROUTE_V1_PREDICTIONS:
    case ROUTE_V1_PREDICTION:
    case ROUTE_V1_MODELS:
    case ROUTE_V1_DEPLOYMENTS:
    case ROUTE_V1_STREAM:
    case ROUTE_V1_FILES:
    case ROUTE_V1_FILE:
    case ROUTE_V1_REST:
    case ROUTE_COUNT:
        break;
    }
}

size_t web_body_max(const struct web *w, enum route_id route)
{
    switch (route) {
    case ROUTE_HOOK_REPLICATE:
        return WEB_HOOK_MAX;
    case ROUTE_PRESIGN:
    case ROUTE_BATCH:
        return (size_t)w->opt->json_limit;
    case ROUTE_MANIFEST:
    case ROUTE_STATUS:
    case ROUTE_HISTORY:
    case ROUTE_FLUSH:
    case ROUTE_JOB_GET:
    case ROUTE_JOB_POST:
        return WEB_IGNORED_MAX;
    case ROUTE_V1_FILES:
        return (size_t)w->opt->v1_file_max;
    case ROUTE_V1_PREDICTIONS:
    case ROUTE_V1_PREDICTION:
    case ROUTE_V1_MODELS:
    case ROUTE_V1_DEPLOYMENTS:
    case ROUTE_V1_STREAM:
    case ROUTE_V1_FILE:
    case ROUTE_V1_REST:
        return (size_t)w->opt->v1_body_max;
    default:
        return 0;
    }
}

size_t web_archive_max(const struct web *w, enum route_id route, const struct exchange *x)
{
    static const char *const types[] = {"application/zip", "application/x-zip-compressed"};
    const char *type = exchange_header(x, "Content-Type");
    for (size_t i = 0; type && route == ROUTE_BATCH && i < ARRAY_LEN(types); i++) {
        size_t len = strlen(types[i]);
        if (strncasecmp(type, types[i], len) == 0 && strchr("; \t", type[len]))
            return (size_t)w->opt->batch_zip_max;
    }
    return 0;
}

static void answer_v1(struct web *w, struct exchange *x, struct blob *body, const char *who)
{
    struct error e;
    if (w->v1) {
        w->v1(w->v1_ctx, x, body, who);
        return;
    }
    error_set(&e, ERR_NOT_FOUND, "There is no Replicate account here: REPLICATE_API_TOKEN is not set");
    exchange_answer(x, reply_error(x, NULL, &e));
}

void web_answer_body(struct web *w, enum route_id route, struct exchange *x, struct blob *body,
                     const struct web_caller *caller)
{
    const struct rate_state *rate = &caller->rate;
    switch (route) {
    case ROUTE_HOOK_REPLICATE:
        page_hook(w, x, body);
        break;
    case ROUTE_PRESIGN:
        page_presign(w, x, body, rate);
        break;
    case ROUTE_STATUS:
        answer_status(w, x);
        break;
    case ROUTE_HISTORY:
        answer_history(w, x, rate);
        break;
    case ROUTE_FLUSH:
        page_flush(w, x);
        break;
    case ROUTE_JOB_GET:
    case ROUTE_JOB_POST:
    case ROUTE_BATCH:
        answer_jobs(w, route, x, body, caller->who);
        break;
    case ROUTE_MANIFEST:
        page_manifest(w, x, rate);
        break;
    default:
        CHECK(web_is_v1(route));
        answer_v1(w, x, body, caller->who);
    }
}
