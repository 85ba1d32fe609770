#include "web/web.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "web/pages.h"

enum { DOCUMENT_MAX = 4 << 20, SNAPSHOT_NS = 100000000 };

const struct route routes[ROUTE_COUNT] = {
#define ROUTE(id, method, path, about) [ROUTE_##id] = {method, path, about},
#include "tables/routes.def"
#undef ROUTE
};

/* /metrics is asked often and costs as much as several hits to render: one rendering serves 100 ms. */
struct web_snapshot {
    pthread_mutex_t mutex;
    struct blob *document;
    uint64_t made_ns;
};

void web_init(struct web *w)
{
    w->snapshot = NEW(struct web_snapshot);
    pthread_mutex_init(&w->snapshot->mutex, NULL);
}

void web_release(struct web *w)
{
    if (!w->snapshot)
        return;
    blob_unref(w->snapshot->document);
    pthread_mutex_destroy(&w->snapshot->mutex);
    free(TAKE(w->snapshot));
}

static bool path_matches(const char *pattern, const char *path)
{
    size_t len = strlen(pattern);
    if (pattern[len - 1] == '*')
        return strncmp(pattern, path, len - 1) == 0;
    return strcmp(pattern, path) == 0;
}

enum route_id web_find(const char *method, const char *path, bool *ret_method_ok)
{
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        if (!path_matches(routes[i].path, path))
            continue;
        *ret_method_ok = strcmp(routes[i].method, method) == 0;
        return (enum route_id)i;
    }
    return ROUTE_COUNT;
}

static void answer_json(struct exchange *x, int status, struct blob *document)
{
    struct reply *r = reply_new(status);
    reply_body(r, document, "application/json; charset=utf-8");
    reply_header(r, "Cache-Control", "no-store");
    if (status == 503)
        reply_header(r, "Retry-After", "5");
    exchange_answer(x, r);
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

static void answer_status(struct web *w, struct exchange *x)
{
    struct buf document;
    buf_init(&document, DOCUMENT_MAX);
    w->status(w->app, &document);
    answer_buf(x, 200, &document);
}

static struct blob *render_metrics(struct web *w, uint64_t now_ns)
{
    struct metrics_cache cache = {
        .size = cache_size(w->cache, now_ns),
        .max_size = cache_max_size(w->cache),
        .ttl_ms = cache_ttl_ms(w->cache),
    };
    struct buf document;
    buf_init(&document, DOCUMENT_MAX);
    metrics_json(w->metrics, now_ns, &cache, &document);
    return buf_take_blob(&document);
}

static void answer_metrics(struct web *w, struct exchange *x)
{
    struct web_snapshot *s = w->snapshot;
    uint64_t now = clock_mono_ns();
    pthread_mutex_lock(&s->mutex);
    if (!s->document || now - s->made_ns > SNAPSHOT_NS) {
        blob_unref(s->document);
        s->document = render_metrics(w, now);
        s->made_ns = now;
    }
    struct blob *document = blob_ref(s->document);
    pthread_mutex_unlock(&s->mutex);
    answer_json(x, 200, document);
    blob_unref(document);
}

void web_answer(struct web *w, enum route_id route, struct exchange *x)
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
    case ROUTE_STATUS:
        answer_status(w, x);
        break;
    case ROUTE_FILES:
        page_file(w, x);
        break;
    case ROUTE_COUNT:
        break;
    }
}
