/* GET /metrics/history: counts and times of finished requests.
 *
 * Happy path: the query is read on the front thread, the exchange is suspended, the db lane answers, and the
 * core resumes it. Failure modes: a database that is away, or too many questions, is an answer like any
 * other. Invariant: a call is its exchange's one answer to come; it is freed when that is given. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "history/history.h"
#include "http/server/http.h"
#include "web/pages.h"
#include "web/when.h"

enum { ANSWER_MAX = 65 << 20, RETRY_AFTER_S = 5 };

struct call {
    struct history_question question;
    struct web *w;
    struct exchange *x;
    struct rate_state rate;
};

/* ---- reading the query ---- */

static int read_feature(const char *name, struct history_query *q, struct error *e)
{
    if (feature_by_name(name)) {
        snprintf(q->feature, sizeof(q->feature), "%s", name);
        return 0;
    }
    return name ? error_set_field(
                      e, ERR_VALIDATION, "feature",
                      "There is no such feature; take its name as in /metrics, improveClarity for one")
                : 0;
}

static int read_time(const char *name, const char *text, int64_t now, int64_t *ret, struct error *e)
{
    if (when_parse(text, now, ret))
        return 0;
    return error_set_field(e, ERR_VALIDATION, name,
                           "A time like 2026-11-23T10:00:00Z, seconds since 1970, now, or -1h is allowed");
}

static int read_step(const char *text, struct history_query *q, struct error *e)
{
    q->step_s = strcmp(text, "auto") == 0 ? 0 : history_step(text);
    if (q->step_s || strcmp(text, "auto") == 0)
        return 0;
    return error_set_field(e, ERR_VALIDATION, "step", "auto or one of %s is allowed", history_step_words);
}

/* One of them; false: it is no percentile, or not greater than the one before. */
static bool read_percentile(const char *text, size_t len, struct history_query *q)
{
    char *end, *name = q->quantile_name[q->quantiles];
    if (len == 0 || len >= HISTORY_QUANTILE_TEXT || strspn(text, "0123456789.") < len ||
        q->quantiles == HISTORY_QUANTILES_MAX)
        return false;
    memcpy(name, text, len);
    name[len] = '\0';
    double percent = strtod(name, &end);
    double last = q->quantiles ? q->quantile[q->quantiles - 1] : 0;
    if (*end || percent <= 0 || percent > 100 || percent / 100 <= last)
        return false;
    q->quantile[q->quantiles++] = percent / 100;
    return true;
}

static int read_percentiles(const char *text, struct history_query *q, struct error *e)
{
    for (const char *at = text;;) {
        size_t len = strcspn(at, ",");
        if (!read_percentile(at, len, q))
            return error_set_field(
                e, ERR_VALIDATION, "percentiles",
                "At most %d numbers above 0 and up to 100 are allowed, rising, like 50,95,99.9",
                HISTORY_QUANTILES_MAX);
        if (!at[len])
            return 0;
        at += len + 1;
    }
}

/* So that a typing error does not go unnoticed. */
static void check_name(void *ctx, const char *name, const char *value)
{
    static const char *const known[] = {"feature", "from", "to", "step", "percentiles"};
    struct error *e = ctx;
    for (unsigned i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(name, known[i]) == 0)
            return;
    if (e->code == ERR_NONE)
        error_set_field(e, ERR_VALIDATION, name,
                        "There is no such field; there are feature, from, to, step and percentiles");
}

static int read_query(const struct web *w, const struct exchange *x, struct history_query *q, struct error *e)
{
    int64_t now = clock_wall_s();
    const char *from = exchange_query(x, "from"), *to = exchange_query(x, "to"),
               *step = exchange_query(x, "step");
    const char *percentiles = exchange_query(x, "percentiles");
    *e = (struct error){0};
    exchange_each_query(x, check_name, e);
    int r = -(int)e->code;
    if (r == 0)
        r = read_feature(exchange_query(x, "feature"), q, e);
    if (r == 0)
        r = read_time("from", from ? from : "-1h", now, &q->from, e);
    if (r == 0)
        r = read_time("to", to ? to : "now", now, &q->to, e);
    if (r == 0)
        r = read_step(step ? step : "auto", q, e);
    if (r == 0)
        r = read_percentiles(percentiles ? percentiles : "50,95,99", q, e);
    return r < 0 ? r : history_plan(w->opt, now, q, e);
}

/* ---- answering ---- */

static struct reply *failure(const struct call *c, const struct error *e)
{
    struct error told = *e;
    int status = err_row(e->code)->status;
    if (e->code == ERR_DATABASE)
        told.reason[0] = '\0'; /* why is the operator's matter, and in the log */
    if ((status == 429 || status == 503) && told.retry_after_s == 0)
        told.retry_after_s = RETRY_AFTER_S;
    return reply_error(c->x, NULL, &told);
}

static struct reply *success(const struct call *c, const struct blob *data)
{
    struct history_state state = history_state(c->w->history);
    json_t *id = json_string(exchange_request_id(c->x));
    char *quoted = json_dumps(id, JSON_ENCODE_ANY);
    json_decref(id);
    BUF_ON_EXIT struct buf document;
    buf_init(&document, ANSWER_MAX);
    buf_printf(&document, "{\"request_id\":%s,\"status\":\"success\",\"data\":", quoted);
    free(quoted);
    buf_append(&document, data->data, data->size);
    buf_printf(&document, ",\"meta\":{\"waiting\":%" PRIu64 ",\"dropped\":%" PRIu64 "}}", state.waiting,
               state.dropped);
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&document);
    return reply_json(200, body);
}

static void answer(struct history_question *q, struct blob *data, const struct error *e)
{
    struct call *c = CONTAINER_OF(q, struct call, question);
    struct reply *r = data ? success(c, data) : failure(c, e);
    page_rate_headers(r, &c->rate);
    exchange_answer_suspended(c->x, r);
    free(c);
}

static void refuse(struct call *c, const struct error *e)
{
    struct reply *r = failure(c, e);
    page_rate_headers(r, &c->rate);
    exchange_answer(c->x, r);
    free(c);
}

void page_history(struct web *w, struct exchange *x, const struct rate_state *rate)
{
    struct call *c = NEW(struct call);
    struct error e;
    c->w = w;
    c->x = x;
    c->rate = *rate;
    c->question.answer = answer;
    if (page_metrics_token(w, x, &e) < 0) {
        refuse(c, &e);
        return;
    }
    if (!w->history) {
        error_set(&e, ERR_NOT_FOUND, "No history is kept here: HISTORY is off");
        refuse(c, &e);
        return;
    }
    if (read_query(w, x, &c->question.query, &e) < 0) {
        refuse(c, &e);
        return;
    }
    exchange_suspend(x);
    history_ask(w->history, &c->question);
}
