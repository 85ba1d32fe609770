/* POST /cache/flush: what is remembered in memory is forgotten; then the most valuable results are loaded
 * again from the database, or with ?warm=off forgotten there too. For operators: it needs METRICS_TOKEN, and
 * where there is none nobody may. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "web/pages.h"

static int read_query(const struct exchange *x, bool *ret_warm, struct error *e)
{
    const char *warm = exchange_query(x, "warm");
    *ret_warm = !warm || strcmp(warm, "on") == 0;
    if (*ret_warm || strcmp(warm, "off") == 0)
        return 0;
    return error_set_field(e, ERR_VALIDATION, "warm", "One of on and off is expected here");
}

static int check(const struct web *w, const struct exchange *x, bool *ret_warm, struct error *e)
{
    if (!*w->opt->metrics_token)
        return error_set(e, ERR_UNAUTHORIZED, "Nobody may, as METRICS_TOKEN is not set here");
    int r = page_metrics_token(w, x, e);
    return r < 0 ? r : read_query(x, ret_warm, e);
}

void page_flush(struct web *w, struct exchange *x)
{
    struct error e;
    bool warm = true;
    if (check(w, x, &warm, &e) < 0) {
        exchange_answer(x, reply_error(x, NULL, &e));
        return;
    }
    bool known = !warm && w->flushed && w->flushed(w->app, false); /* first: a load may be under way */
    uint64_t flushed = cache_flush(w->cache);
    if (warm)
        known = w->flushed && w->flushed(w->app, true);
    json_t *doc =
        json_pack("{s:s,s:s,s:{s:I,s:b}}", "request_id", exchange_request_id(x), "status", "success", "data",
                  "flushed", (json_int_t)flushed, "warming", (int)(known && warm));
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    CHECK(text);
    BLOB_ON_EXIT struct blob *body = blob_take(text, strlen(text), free);
    exchange_answer(x, reply_json(200, body));
}
