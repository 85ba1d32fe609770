/* Rows are asked for in slices of time, so that neither they nor a wait to stop grow with the question. */
#include "history/read.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "history/series.h"
#include "history/spans.h"

enum { SLICE_SPANS = 240, SERIES_MAX = 64 };

struct reading {
    const struct history_query *query;
    int64_t step_at; /* of the step the rows are in */
    unsigned count;
    char feature[HISTORY_NAME_MAX + 1], provider[HISTORY_NAME_MAX + 1]; /* the last ones that were plain */
    struct series *series[SERIES_MAX];                                  /* in the order of their names */
};

static const struct span *span_of(const struct history_query *q)
{
    unsigned i = SPAN_COUNT - 1;
    while (i > 0 && spans[i].seconds > q->step_s)
        i--;
    return &spans[i];
}

/* Words go into JSON as they are. Ours are plain; what somebody else has put there is left out. */
static bool is_plain(char last[static HISTORY_NAME_MAX + 1], const char *word)
{
    if (strcmp(last, word) == 0) /* mostly */
        return true;
    size_t len = strlen(word);
    bool plain = len <= HISTORY_NAME_MAX &&
                 strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == len;
    if (plain)
        memcpy(last, word, len + 1);
    return plain;
}

static struct series *series_of(struct reading *r, const char *feature)
{
    unsigned i = 0;
    while (i < r->count && strcmp(series_feature(r->series[i]), feature) < 0)
        i++;
    if (i < r->count && strcmp(series_feature(r->series[i]), feature) == 0)
        return r->series[i];
    if (r->count == SERIES_MAX)
        return NULL;
    memmove(&r->series[i + 1], &r->series[i], (r->count - i) * sizeof(r->series[0]));
    r->count++;
    r->series[i] = series_new(r->query, feature);
    return r->series[i];
}

static void end_step(struct reading *r)
{
    for (unsigned i = 0; i < r->count; i++)
        series_point(r->series[i], r->step_at);
}

static int outcome_of(const char *word)
{
    for (int i = 0; i < HISTORY_OUTCOMES; i++)
        if (strcmp(word, history_outcomes[i]) == 0)
            return i;
    return -1;
}

static bool take_row(void *ctx, const struct db_value *c, unsigned count)
{
    struct reading *r = ctx;
    int64_t step_at = c[0].num - c[0].num % r->query->step_s;
    const char *feature = c[1].data, *provider = c[2].data;
    int outcome = outcome_of(c[3].data);
    CHECK(count == 12);
    if (step_at != r->step_at)
        end_step(r);
    r->step_at = step_at;
    if (outcome < 0 || !is_plain(r->feature, feature) || !is_plain(r->provider, provider))
        return true;
    struct series *s = series_of(r, feature);
    if (s)
        series_row(s, &(struct series_row){.provider = provider,
                                           .outcome = (enum history_outcome)outcome,
                                           .requests = (uint64_t)c[4].num,
                                           .latency_us = (uint64_t)c[5].num,
                                           .provider_us = (uint64_t)c[6].num,
                                           .latency = {c[7].data, c[7].size},
                                           .overhead = {c[8].data, c[8].size},
                                           .provided = {c[9].data, c[9].size},
                                           .cost_nano = c[10].num,
                                           .saved_nano = c[11].num});
    return true;
}

static int read_rows(struct db *db, struct reading *r, const atomic_bool *stop, struct error *e)
{
    const struct history_query *q = r->query;
    const struct span *span = span_of(q);
    int64_t slice = (int64_t)SLICE_SPANS * span->seconds;
    for (int64_t from = q->from; from < q->to; from += slice) {
        int64_t to = MIN(from + slice, q->to);
        if (atomic_load(stop))
            return error_set(e, ERR_CLIENT_GONE, "The question was given up");
        int64_t n = *q->feature ? db_run(db, span->read_feature,
                                         DB_ARGS(DB_I(from), DB_I(to), DB_T(q->feature)), take_row, r, e)
                                : db_run(db, span->read, DB_ARGS(DB_I(from), DB_I(to)), take_row, r, e);
        if (n < 0)
            return (int)n;
    }
    end_step(r);
    return 0;
}

int history_read(struct db *db, const struct history_query *q, const atomic_bool *stop, struct buf *out,
                 struct error *e)
{
    struct reading r = {.query = q, .step_at = INT64_MIN};
    int result = read_rows(db, &r, stop, e);
    buf_printf(out, "{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"step_s\":%u,\"series\":[", q->from, q->to,
               q->step_s);
    for (unsigned i = 0; i < r.count; i++) {
        buf_puts(out, i ? "," : "");
        series_put(r.series[i], out);
        series_free(r.series[i]);
    }
    buf_puts(out, "]}");
    if (result == 0 && out->failed)
        return error_set_field(e, ERR_VALIDATION, "step", "The answer is too large; ask for longer steps");
    return result;
}
