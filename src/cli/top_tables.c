/* The tables of `limner top`: each column is a row of its table's array. */
#include <stdio.h>
#include <string.h>

#include "cli/top_parts.h"

enum { WORDS_MAX = 32, TALL_LINES = 40, BAR_COLUMNS = 10 };

#define PLURAL(n) ((n) == 1 ? "" : "s")

/* ---- cells ---- */

static void put_rate(struct cell *ret, double per_s)
{
    char text[NUMBER_MAX];
    if (per_s < 0)
        cell_set(ret, STYLE_FAINT, "-");
    else
        cell_set(ret, per_s > 0 ? STYLE_PLAIN : STYLE_FAINT, "%s", top_rate_text(per_s, text));
}

static void put_time(struct cell *ret, double seconds)
{
    char text[NUMBER_MAX];
    cell_set(ret, seconds > 0 ? STYLE_PLAIN : STYLE_FAINT, "%s",
             seconds > 0 ? top_time_text(seconds, text) : "-");
}

static void put_count(struct cell *ret, enum style style, double n)
{
    char text[NUMBER_MAX];
    cell_set(ret, n > 0 ? style : STYLE_FAINT, "%s", top_count_text(n, text));
}

/* ---- slots ---- */

struct class_row {
    const struct top_view *v;
    char name[NUMBER_MAX], labels[2 * NUMBER_MAX];
    double running, slots, waiting, places;
};

static void read_class(const struct top_view *v, const struct prom_word *w, struct class_row *ret)
{
    const struct prom *m = v->now->prom;
    *ret = (struct class_row){.v = v};
    snprintf(ret->name, sizeof(ret->name), "%.*s", w->length, w->text);
    snprintf(ret->labels, sizeof(ret->labels), "class=\"%s\"", ret->name);
    ret->running = prom_sum(m, "limner_inflight", ret->labels);
    ret->slots = prom_sum(m, "limner_inflight_limit", ret->labels);
    ret->waiting = prom_sum(m, "limner_queue_depth", ret->labels);
    ret->places = prom_sum(m, "limner_queue_limit", ret->labels);
}

static enum style style_of_class(const struct class_row *r)
{
    bool full = r->running >= r->slots;
    return r->running == 0          ? STYLE_FAINT
           : full && r->waiting > 0 ? STYLE_BAD
           : full                   ? STYLE_WARN
                                    : STYLE_GOOD;
}

static void class_name(const void *row, struct cell *ret)
{
    const struct class_row *r = row;
    cell_set(ret, r->running + r->waiting > 0 ? STYLE_STRONG : STYLE_PLAIN, "%s", r->name);
}

static void class_bar(const void *row, struct cell *ret)
{
    const struct class_row *r = row;
    int full = r->slots > 0 ? (int)(MIN(r->running / r->slots, 1) * BAR_COLUMNS + 0.5) : 0;
    full = r->running > 0 ? MAX(full, 1) : 0;
    cell_set(ret, style_of_class(r), "[%.*s%.*s]", full, "##########", BAR_COLUMNS - full, "..........");
}

static void class_running(const void *row, struct cell *ret)
{
    const struct class_row *r = row;
    char a[NUMBER_MAX], b[NUMBER_MAX];
    cell_set(ret, style_of_class(r), "%s/%s", top_count_text(r->running, a), top_count_text(r->slots, b));
}

static void class_waiting(const void *row, struct cell *ret)
{
    const struct class_row *r = row;
    put_count(ret, r->waiting >= r->places ? STYLE_BAD : STYLE_WARN, r->waiting);
}

static void class_places(const void *row, struct cell *ret)
{
    char text[NUMBER_MAX];
    cell_set(ret, STYLE_FAINT, "%s", top_count_text(((const struct class_row *)row)->places, text));
}

static double wait_of(const struct class_row *r, double q)
{
    return prom_quantile(r->v->now->prom, top_prom_of(r->v->long_ago), "limner_queue_wait_seconds", r->labels,
                         q);
}

static void class_p50(const void *row, struct cell *ret)
{
    put_time(ret, wait_of(row, 0.5));
}

static void class_p95(const void *row, struct cell *ret)
{
    put_time(ret, wait_of(row, 0.95));
}

static void class_rate(const void *row, struct cell *ret)
{
    const struct class_row *r = row;
    put_rate(ret, top_rate_of(r->v, "limner_queue_wait_seconds_count", r->labels));
}

static void class_refused(const void *row, struct cell *ret)
{
    const struct class_row *r = row;
    put_count(ret, STYLE_BAD, top_grown(r->v, "limner_admission_rejected_total", r->labels));
}

static const struct column class_columns[] = {
    {"slots", 19, false, 0, class_name},    {"", BAR_COLUMNS + 2, false, 0, class_bar},
    {"running", 8, true, 0, class_running}, {"waiting", 7, true, 0, class_waiting},
    {"of", 6, true, 100, class_places},     {"wait p50", 8, true, 100, class_p50},
    {"wait p95", 8, true, 0, class_p95},    {"began/s", 8, true, 100, class_rate},
    {"refused", 7, true, 0, class_refused},
};

void top_draw_classes(const struct top_view *v, struct page *p)
{
    struct prom_word word[WORDS_MAX];
    unsigned count = prom_words(v->now->prom, "limner_inflight_limit", "class", word, WORDS_MAX);
    bool all = p->lines >= TALL_LINES;
    page_table_head(p, class_columns, ARRAY_LEN(class_columns));
    for (unsigned i = 0; i < count; i++) {
        struct class_row row;
        read_class(v, &word[i], &row);
        bool used = row.running + row.waiting + top_grown(v, "limner_queue_wait_seconds_count", row.labels) +
                        top_grown(v, "limner_admission_rejected_total", row.labels) >
                    0;
        if (all || used || i == 0)
            page_table_row(p, class_columns, ARRAY_LEN(class_columns), &row);
    }
}

/* ---- features ---- */

struct feature_row {
    const struct top_view *v;
    const char *name;
    const json_t *doc;
    char labels[64], hits[96], twins[96], errors[96];
};

static void feature_name(const void *row, struct cell *ret)
{
    cell_set(ret, STYLE_PLAIN, "%s", ((const struct feature_row *)row)->name);
}

static void feature_rate(const void *row, struct cell *ret)
{
    const struct feature_row *r = row;
    put_rate(ret, top_rate_of(r->v, "limner_requests_total", r->labels));
}

static void feature_share(const struct feature_row *r, const char *part, enum style style, struct cell *ret)
{
    double all = top_grown(r->v, "limner_requests_total", r->labels);
    double n = top_grown(r->v, "limner_requests_total", part);
    if (all <= 0)
        cell_set(ret, STYLE_FAINT, "-");
    else
        cell_set(ret, n > 0 ? style : STYLE_FAINT, "%.0f %%", 100 * n / all);
}

static void feature_hits(const void *row, struct cell *ret)
{
    feature_share(row, ((const struct feature_row *)row)->hits, STYLE_GOOD, ret);
}

static void feature_twins(const void *row, struct cell *ret)
{
    feature_share(row, ((const struct feature_row *)row)->twins, STYLE_GOOD, ret);
}

static void feature_errors(const void *row, struct cell *ret)
{
    feature_share(row, ((const struct feature_row *)row)->errors, STYLE_WARN, ret);
}

/* Whole milliseconds, of the last METRICS_WINDOW_S; 0 of what was answered at once, or not at all. */
static void feature_time(const struct feature_row *r, const char *name, struct cell *ret)
{
    double ms = top_number_of(r->doc, name);
    if (ms == 0 && top_grown(r->v, "limner_requests_total", r->labels) > 0)
        cell_set(ret, STYLE_PLAIN, "< 1 ms");
    else
        put_time(ret, ms / 1e3);
}

#define FEATURE_TIME(name)                                                                                   \
    static void feature_##name(const void *row, struct cell *ret)                                            \
    {                                                                                                        \
        feature_time(row, #name, ret);                                                                       \
    }
FEATURE_TIME(avg)
FEATURE_TIME(p50)
FEATURE_TIME(p95)
FEATURE_TIME(p99)
FEATURE_TIME(max)

static void feature_count(const void *row, struct cell *ret)
{
    put_count(ret, STYLE_PLAIN, top_number_of(((const struct feature_row *)row)->doc, "count"));
}

static void feature_failed(const void *row, struct cell *ret)
{
    put_count(ret, STYLE_WARN, top_number_of(((const struct feature_row *)row)->doc, "errors"));
}

static const struct column feature_columns[] = {
    {"features", 19, false, 0, feature_name},   {"req/s", 6, true, 0, feature_rate},
    {"hits", 5, true, 0, feature_hits},         {"twins", 5, true, 100, feature_twins},
    {"avg", 7, true, 120, feature_avg},         {"p50", 7, true, 0, feature_p50},
    {"p95", 7, true, 0, feature_p95},           {"p99", 7, true, 0, feature_p99},
    {"max", 7, true, 120, feature_max},         {"errors", 6, true, 0, feature_errors},
    {"answered", 10, true, 100, feature_count}, {"failed", 10, true, 100, feature_failed},
};

void top_draw_features(const struct top_view *v, struct page *p)
{
    const char *name;
    json_t *doc, *features = json_object_get(v->now->metrics, "features");
    page_table_head(p, feature_columns, ARRAY_LEN(feature_columns));
    json_object_foreach(features, name, doc)
    {
        struct feature_row row = {.v = v, .name = name, .doc = doc};
        snprintf(row.labels, sizeof(row.labels), "feature=\"%.40s\"", name);
        snprintf(row.hits, sizeof(row.hits), "%s,outcome=\"hit\"", row.labels);
        snprintf(row.twins, sizeof(row.twins), "%s,outcome=\"twin\"", row.labels);
        snprintf(row.errors, sizeof(row.errors), "%s,outcome=\"error\"", row.labels);
        page_table_row(p, feature_columns, ARRAY_LEN(feature_columns), &row);
    }
    if (json_object_size(features) > 0)
        return;
    page_put(p, STYLE_FAINT, "nobody has asked for anything yet");
    page_end(p);
}

/* ---- providers ---- */

struct provider_row {
    const struct top_view *v;
    const char *name, *state;
    char labels[64];
};

static void provider_name(const void *row, struct cell *ret)
{
    cell_set(ret, STYLE_PLAIN, "%s", ((const struct provider_row *)row)->name);
}

static void provider_state(const void *row, struct cell *ret)
{
    const struct provider_row *r = row;
    cell_set(ret, top_style_of_state(r->state), "%s", r->state);
}

static void provider_rate(const void *row, struct cell *ret)
{
    const struct provider_row *r = row;
    put_rate(ret, top_rate_of(r->v, "limner_upstream_requests_total", r->labels));
}

static double run_time(const struct provider_row *r, double q)
{
    return prom_quantile(r->v->now->prom, top_prom_of(r->v->long_ago), "limner_upstream_duration_seconds",
                         r->labels, q);
}

static void provider_p50(const void *row, struct cell *ret)
{
    put_time(ret, run_time(row, 0.5));
}

static void provider_p95(const void *row, struct cell *ret)
{
    put_time(ret, run_time(row, 0.95));
}

static double runs_with(const struct provider_row *r, const char *outcome)
{
    double n = 0;
    struct prom_word models[WORDS_MAX];
    const struct prom *m = r->v->now->prom;
    unsigned count = prom_words(m, "limner_upstream_requests_total", "model", models, WORDS_MAX);
    for (unsigned i = 0; i < count; i++) {
        char labels[256];
        snprintf(labels, sizeof(labels), "%s,model=\"%.*s\",outcome=\"%s\"", r->labels, models[i].length,
                 models[i].text, outcome);
        n += top_grown(r->v, "limner_upstream_requests_total", labels);
    }
    return n;
}

static void provider_good(const void *row, struct cell *ret)
{
    put_count(ret, STYLE_PLAIN, runs_with(row, "succeeded"));
}

static void provider_bad(const void *row, struct cell *ret)
{
    put_count(ret, STYLE_BAD,
              runs_with(row, "failed") + runs_with(row, "unavailable") + runs_with(row, "unknown"));
}

static void provider_again(const void *row, struct cell *ret)
{
    const struct provider_row *r = row;
    put_count(ret, STYLE_WARN, top_grown(r->v, "limner_upstream_retries_total", r->labels));
}

/* What is switched off; else when anything last was. */
static void provider_breakers(const void *row, struct cell *ret)
{
    const struct provider_row *r = row;
    struct prom_word models[WORDS_MAX];
    unsigned count = prom_words(r->v->now->prom, "limner_circuit_state", "model", models, WORDS_MAX);
    char text[CELL_MAX] = "";
    size_t used = 0;
    for (unsigned i = 0; i < count && used + 1 < sizeof(text); i++) {
        char labels[192];
        snprintf(labels, sizeof(labels), "%s,model=\"%.*s\"", r->labels, models[i].length, models[i].text);
        double state = prom_sum(r->v->now->prom, "limner_circuit_state", labels);
        if (state > 0)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s %s", used ? ", " : "",
                                     models[i].length, models[i].text, state > 1 ? "off" : "probing");
    }
    double opened = prom_sum(r->v->now->prom, "limner_circuit_opened_total", r->labels);
    if (used)
        cell_set(ret, STYLE_BAD, "%s", text);
    else if (opened > 0)
        cell_set(ret, STYLE_FAINT, "was off %.0f time%s", opened, PLURAL(opened));
}

static const struct column provider_columns[] = {
    {"providers", 19, false, 0, provider_name},
    {"", 11, false, 0, provider_state},
    {"runs/s", 6, true, 0, provider_rate},
    {"p50", 7, true, 0, provider_p50},
    {"p95", 7, true, 0, provider_p95},
    {"good", 7, true, 100, provider_good},
    {"failed", 6, true, 0, provider_bad},
    {"again", 5, true, 100, provider_again},
    {"switched off", 0, false, 0, provider_breakers},
};

void top_draw_providers(const struct top_view *v, struct page *p)
{
    const char *name;
    json_t *value;
    bool any = false;
    json_object_foreach(json_object_get(v->now->ready, "checks"), name, value)
    {
        if (strncmp(name, "provider.", 9) != 0 || !json_is_string(value))
            continue;
        if (!any)
            page_table_head(p, provider_columns, ARRAY_LEN(provider_columns));
        any = true;
        struct provider_row row = {.v = v, .name = name + 9, .state = json_string_value(value)};
        snprintf(row.labels, sizeof(row.labels), "provider=\"%.40s\"", row.name);
        page_table_row(p, provider_columns, ARRAY_LEN(provider_columns), &row);
    }
}

/* ---- requests ---- */

static void request_feature(const void *row, struct cell *ret)
{
    cell_set(ret, STYLE_PLAIN, "%s", top_string_of(row, "feature", ""));
}

static void request_stage(const void *row, struct cell *ret)
{
    const char *stage = top_string_of(row, "stage", "");
    cell_set(ret, strcmp(stage, "queue") == 0 ? STYLE_WARN : STYLE_PLAIN, "%s", stage);
}

static void request_age(const void *row, struct cell *ret)
{
    put_time(ret, top_number_of(row, "age_ms") / 1e3);
}

static void request_progress(const void *row, struct cell *ret)
{
    const json_t *progress = json_object_get(row, "progress");
    if (progress)
        cell_set(ret, STYLE_PLAIN, "%.0f/%.0f", top_number_of(progress, "done"),
                 top_number_of(progress, "total"));
}

static void request_id(const void *row, struct cell *ret)
{
    bool left = json_is_true(json_object_get(row, "client_left"));
    cell_set(ret, STYLE_FAINT, "%s%s", left ? "(client left) " : "", top_string_of(row, "id", ""));
}

static const struct column request_columns[] = {
    {"requests", 19, false, 0, request_feature},
    {"stage", 11, false, 0, request_stage},
    {"age", 7, true, 0, request_age},
    {"done", 7, true, 0, request_progress},
    {"id", 0, false, 0, request_id},
};

void top_draw_open(const struct top_view *v, struct page *p)
{
    json_t *list = json_object_get(v->now->status, "requests");
    size_t count = json_array_size(list), shown = 0;
    double open = top_number_of(v->now->status, "open");
    if (count == 0 || p->lines < 3)
        return;
    page_table_head(p, request_columns, ARRAY_LEN(request_columns));
    while (shown < count && (p->lines > 1 || (p->lines == 1 && (double)(shown + 1) >= open)))
        page_table_row(p, request_columns, ARRAY_LEN(request_columns), json_array_get(list, shown++));
    if (open > (double)shown) {
        page_put(p, STYLE_FAINT, "and %.0f more", open - (double)shown);
        page_end(p);
    }
}
