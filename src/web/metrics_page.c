/* GET /metrics.
 *
 * Happy path: the format is chosen, and the document of the last 100 ms is sent; who finds an older one
 * renders a new one meanwhile, and the others wait for it (some 100 µs). Failure modes: a format that there
 * is not, a wrong token. Invariants: a document is changed only under the mutex, and never once it is made.
 */
#include "web/metrics_page.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "history/history.h"
#include "money/budgets.h"
#include "web/pages.h"

enum { DOCUMENT_MAX = 8 << 20, SNAPSHOT_NS = 100000000, RANGE_MAX = 256 };

static const char *const types[METRICS_FORMATS] = {
    [METRICS_JSON] = "application/json; charset=utf-8",
    [METRICS_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8",
    [METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

struct metrics_page {
    pthread_mutex_t mutex;
    struct {
        struct blob *document;
        uint64_t made_ns;
    } last[METRICS_FORMATS];
};

struct metrics_page *metrics_page_new(void)
{
    struct metrics_page *p = NEW(struct metrics_page);
    pthread_mutex_init(&p->mutex, NULL);
    return p;
}

void metrics_page_free(struct metrics_page *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < METRICS_FORMATS; i++)
        blob_unref(p->last[i].document);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

/* ---- which format ---- */

/* One media range: adds what it says to the weights. A version that we do not speak is no offer. */
static void weigh(char *range, double weight[static METRICS_FORMATS])
{
    const char *version = NULL;
    double q = 1;
    char *rest = NULL, *type = strtok_r(range, "; \t", &rest);
    for (char *p = strtok_r(NULL, "; \t", &rest); p; p = strtok_r(NULL, "; \t", &rest)) {
        if (strncasecmp(p, "q=", 2) == 0)
            q = strtod(p + 2, NULL);
        else if (strncasecmp(p, "version=", 8) == 0)
            version = p + 8;
    }
    if (!type)
        return;
    if (strcasecmp(type, "application/json") == 0 || strcasecmp(type, "*/*") == 0 ||
        strcasecmp(type, "application/*") == 0)
        weight[METRICS_JSON] = MAX(weight[METRICS_JSON], q);
    else if (strcasecmp(type, "text/plain") == 0 && (!version || strcmp(version, "0.0.4") == 0))
        weight[METRICS_PROMETHEUS] = MAX(weight[METRICS_PROMETHEUS], q);
    else if (strcasecmp(type, "application/openmetrics-text") == 0 &&
             (!version || strcmp(version, "1.0.0") == 0 || strcmp(version, "0.0.1") == 0))
        weight[METRICS_OPENMETRICS] = MAX(weight[METRICS_OPENMETRICS], q);
}

enum metrics_format metrics_format_accepted(const char *accept)
{
    static const enum metrics_format order[] = {METRICS_JSON, METRICS_OPENMETRICS, METRICS_PROMETHEUS};
    double weight[METRICS_FORMATS] = {0};
    for (const char *at = accept; at && *at;) {
        size_t len = strcspn(at, ",");
        char range[RANGE_MAX];
        if (len < sizeof(range)) {
            memcpy(range, at, len);
            range[len] = '\0';
            weigh(range, weight);
        }
        at += len + (at[len] == ',');
    }
    enum metrics_format best = METRICS_JSON;
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (weight[order[i]] > weight[best])
            best = order[i];
    return best;
}

static int format_of(const struct exchange *x, enum metrics_format *ret, struct error *e)
{
    static const char *const names[METRICS_FORMATS] = {"json", "prometheus", "openmetrics"};
    const char *asked = exchange_query(x, "format");
    if (!asked) {
        *ret = metrics_format_accepted(exchange_header(x, "Accept"));
        return 0;
    }
    for (unsigned i = 0; i < METRICS_FORMATS; i++)
        if (strcmp(names[i], asked) == 0) {
            *ret = (enum metrics_format)i;
            return 0;
        }
    return error_set_field(e, ERR_VALIDATION, "format",
                           "One of json, prometheus and openmetrics is expected here");
}

/* ---- the documents ---- */

static void past_of(struct web *w, struct metrics_past *ret)
{
    struct history_totals totals;
    history_totals(w->history, &totals);
    *ret = (struct metrics_past){.known = totals.known, .since_s = totals.since_s};
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        const uint64_t *n = totals.feature[f].requests;
        ret->feature[f].cached = n[HISTORY_HIT];
        ret->feature[f].success = n[HISTORY_RUN] + n[HISTORY_HIT] + n[HISTORY_TWIN];
        ret->feature[f].error = n[HISTORY_REFUSED] + n[HISTORY_FAILED];
    }
}

static void render_json(struct web *w, uint64_t now_ns, struct buf *document)
{
    struct metrics_cache cache = {
        .size = cache_size(w->cache, now_ns),
        .max_size = cache_max_size(w->cache),
        .ttl_ms = cache_ttl_ms(w->cache),
    };
    struct metrics_past past;
    if (w->history) {
        past_of(w, &past);
        cache.past = &past;
    }
    cache.shared = *w->opt->redis_url;
    BUF_ON_EXIT struct buf budgets;
    buf_init(&budgets, DOCUMENT_MAX);
    if (w->budgets) {
        budgets_json(w->budgets, &budgets);
        cache.budgets = buf_text(&budgets);
    }
    metrics_json(w->metrics, now_ns, &cache, document);
}

static void render_text(struct web *w, uint64_t now_ns, enum exposition format, struct buf *document)
{
    struct cells *c = metrics_cells(w->metrics);
    struct cache_stats cache;
    cache_stats(w->cache, now_ns, &cache);
    cells_set(c, M_CACHE_ENTRIES, V_TIER_MEMORY, cache.entries);
    cells_set(c, M_CACHE_BYTES, V_TIER_MEMORY, cache.bytes);
    cells_set(c, M_CACHE_EVICTIONS, V_TIER_MEMORY, cache.evictions);
    cells_set(c, M_CACHE_ENTRIES_MAX, V_TIER_MEMORY, cache_max_size(w->cache));
    if (w->sample)
        w->sample(w->app);
    metrics_text(w->metrics, format, document);
}

static struct blob *render(struct web *w, enum metrics_format format, uint64_t now_ns)
{
    struct buf document;
    buf_init(&document, DOCUMENT_MAX);
    if (format == METRICS_JSON)
        render_json(w, now_ns, &document);
    else
        render_text(w, now_ns, format == METRICS_PROMETHEUS ? EXPOSITION_PROMETHEUS : EXPOSITION_OPENMETRICS,
                    &document);
    return buf_take_blob(&document);
}

/* It is asked often and costs as much as several hits to render: one rendering serves 100 ms. */
static struct blob *document_of(struct web *w, enum metrics_format format)
{
    struct metrics_page *p = w->metrics_page;
    uint64_t now = clock_mono_ns();
    pthread_mutex_lock(&p->mutex);
    if (!p->last[format].document || now - p->last[format].made_ns > SNAPSHOT_NS) {
        blob_unref(p->last[format].document);
        p->last[format].document = render(w, format, now);
        p->last[format].made_ns = now;
    }
    struct blob *document = blob_ref(p->last[format].document);
    pthread_mutex_unlock(&p->mutex);
    return document;
}

/* Digests are compared: neither length nor time tells anything of the token. */
int page_metrics_token(const struct web *w, const struct exchange *x, struct error *e)
{
    const char *token = w->opt->metrics_token, *given = http_bearer(exchange_header(x, "Authorization"));
    uint8_t expected[DIGEST_BYTES], got[DIGEST_BYTES];
    if (!*token)
        return 0;
    if (!given)
        return error_set(e, ERR_UNAUTHORIZED, "Send the token for metrics as Authorization: Bearer");
    digest_of(token, strlen(token), expected);
    digest_of(given, strlen(given), got);
    if (CRYPTO_memcmp(expected, got, DIGEST_BYTES) != 0)
        return error_set(e, ERR_UNAUTHORIZED, "This is not the token for metrics");
    return 0;
}

static void refuse(struct exchange *x, const struct error *e)
{
    struct reply *r = reply_error(x, NULL, e);
    if (e->code == ERR_UNAUTHORIZED)
        reply_header(r, "WWW-Authenticate", "Bearer realm=\"metrics\"");
    exchange_answer(x, r);
}

void page_metrics(struct web *w, struct exchange *x)
{
    enum metrics_format format = METRICS_JSON;
    struct error e;
    if (page_metrics_token(w, x, &e) < 0 || format_of(x, &format, &e) < 0) {
        refuse(x, &e);
        return;
    }
    BLOB_ON_EXIT struct blob *document = document_of(w, format);
    struct reply *r = reply_new(200);
    reply_body(r, document, types[format]);
    reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "Vary", "Accept");
    exchange_answer(x, r);
}
