#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/text.h"
#include "cli/top_parts.h"

enum { NOTES_MAX = 6 };

/* ---- numbers ---- */

const char *top_count_text(double n, char ret[static NUMBER_MAX])
{
    char digits[NUMBER_MAX];
    snprintf(digits, sizeof(digits), "%.0f", n);
    size_t len = strlen(digits), at = 0;
    for (size_t i = 0; i < len && at + 2 < NUMBER_MAX; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            ret[at++] = ',';
        ret[at++] = digits[i];
    }
    ret[at] = '\0';
    return ret;
}

const char *top_rate_text(double per_s, char ret[static NUMBER_MAX])
{
    if (per_s >= 99.95)
        return top_count_text(per_s, ret);
    snprintf(ret, NUMBER_MAX, per_s >= 9.995 || per_s == 0 ? "%.1f" : "%.2f", per_s);
    return ret;
}

const char *top_time_text(double seconds, char ret[static NUMBER_MAX])
{
    if (seconds < 0)
        snprintf(ret, NUMBER_MAX, "-");
    else if (seconds < 0.00095)
        snprintf(ret, NUMBER_MAX, "%.0f µs", seconds * 1e6);
    else if (seconds < 0.9995)
        snprintf(ret, NUMBER_MAX, "%.3g ms", seconds * 1e3);
    else if (seconds < 99.5)
        snprintf(ret, NUMBER_MAX, "%.3g s", seconds);
    else
        text_clock(seconds, ret, NUMBER_MAX);
    return ret;
}

const char *top_bytes_text(double bytes, char ret[static NUMBER_MAX])
{
    text_bytes((unsigned long long)bytes, ret, NUMBER_MAX);
    return ret;
}

double top_number_of(const json_t *in, const char *name)
{
    return json_number_value(json_object_get(in, name));
}

static double seconds_between(const struct sample *now, const struct sample *before)
{
    return before && now->at_ns > before->at_ns ? (double)(now->at_ns - before->at_ns) / 1e9 : 0;
}

const struct prom *top_prom_of(const struct sample *s)
{
    return s ? s->prom : NULL;
}

double top_rate_of(const struct top_view *v, const char *name, const char *labels)
{
    double s = seconds_between(v->now, v->before);
    return s > 0 ? prom_grown(v->now->prom, top_prom_of(v->before), name, labels) / s : -1;
}

double top_grown(const struct top_view *v, const char *name, const char *labels)
{
    return prom_grown(v->now->prom, top_prom_of(v->long_ago), name, labels);
}

enum style top_style_of_state(const char *state)
{
    static const struct {
        const char *word;
        enum style style;
    } rows[] = {{"ready", STYLE_GOOD},    {"ok", STYLE_GOOD},      {"closed", STYLE_GOOD},
                {"degraded", STYLE_WARN}, {"partial", STYLE_WARN}, {"half-open", STYLE_WARN},
                {"busy", STYLE_WARN},     {"starting", STYLE_WARN}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].word, state) == 0)
            return rows[i].style;
    return STYLE_BAD;
}

const char *top_string_of(const json_t *in, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(in, name));
    return text ? text : otherwise;
}

/* ---- the head ---- */

static void draw_title(const struct top_view *v, struct page *p)
{
    const struct sample *s = v->now;
    const char *status = top_string_of(s->ready, "status", NULL);
    char up[NUMBER_MAX];
    text_clock(strtod(top_string_of(s->metrics, "uptime", "0"), NULL), up, sizeof(up));
    page_put(p, STYLE_STRONG, "limner %s", top_string_of(s->ready, "version", ""));
    page_gap(p);
    page_put(p, STYLE_PLAIN, "%s", v->url);
    page_gap(p);
    if (status)
        page_put(p, top_style_of_state(status), "%s", status);
    else
        page_put(p, STYLE_FAINT, "(no /readyz)");
    page_gap(p);
    page_put(p, STYLE_PLAIN, "up %s", up);
    page_gap(p);
    if (v->keys && !v->trouble)
        page_put(p, STYLE_FAINT, "q quits");
    if (v->trouble)
        page_put(p, STYLE_BAD, "%s", v->trouble);
    page_end(p);
}

static void piece(struct page *p, const char *name, enum style style, const char *value)
{
    if (!page_has_room(p, (unsigned)(text_columns(name) + 1 + text_columns(value)))) /* no half of a number */
        return;
    page_gap(p);
    page_put(p, STYLE_FAINT, "%s ", name);
    page_put(p, style, "%s", value);
}

static void piece_count(struct page *p, const char *name, enum style style, double n)
{
    char text[NUMBER_MAX];
    piece(p, name, n > 0 ? style : STYLE_PLAIN, top_count_text(n, text));
}

static void piece_share(struct page *p, const char *name, enum style style, double part, double whole)
{
    char text[NUMBER_MAX] = "-";
    if (whole > 0)
        snprintf(text, sizeof(text), "%.1f %%", 100 * part / whole);
    piece(p, name, part > 0 ? style : STYLE_PLAIN, text);
}

static void draw_requests(const struct top_view *v, struct page *p)
{
    static const char name[] = "limner_requests_total";
    char text[NUMBER_MAX] = "-";
    double rate = top_rate_of(v, name, NULL), all = top_grown(v, name, NULL);
    if (rate >= 0)
        top_rate_text(rate, text);
    page_put(p, STYLE_HEAD, "now");
    piece(p, "requests/s", STYLE_STRONG, text);
    piece_share(p, "hits", STYLE_GOOD, top_grown(v, name, "outcome=\"hit\""), all);
    piece_share(p, "errors", STYLE_WARN, top_grown(v, name, "outcome=\"error\""), all);
    piece_count(p, "open", STYLE_STRONG, prom_sum(v->now->prom, "limner_requests_open", NULL));
    if (v->now->status) {
        piece_count(p, "runs", STYLE_PLAIN, top_number_of(v->now->status, "flights"));
        piece_count(p, "twins", STYLE_PLAIN, top_number_of(v->now->status, "followers"));
    }
    double overhead =
        prom_quantile(v->now->prom, top_prom_of(v->long_ago), "limner_overhead_seconds", NULL, 0.99);
    piece(p, "overhead p99", STYLE_PLAIN, top_time_text(overhead, text));
    page_end(p);
}

static void draw_totals(const struct top_view *v, struct page *p)
{
    const json_t *r = json_object_get(v->now->metrics, "requests");
    const char *history = top_string_of(v->now->metrics, "history", "off");
    page_put(p, STYLE_HEAD, "all");
    piece_count(p, "requests", STYLE_STRONG, top_number_of(r, "total"));
    piece_count(p, "answered", STYLE_PLAIN, top_number_of(r, "success"));
    piece_count(p, "hits", STYLE_PLAIN, top_number_of(r, "cached"));
    piece_count(p, "errors", STYLE_WARN, top_number_of(r, "error"));
    FREE_ON_EXIT char *since = mem_printf("%.10s%s", top_string_of(v->now->metrics, "since", "the start"),
                                          strcmp(history, "unknown") == 0 ? " (not all is known yet)" : "");
    piece(p, "since", STYLE_FAINT, since);
    page_end(p);
}

static void piece_of(struct page *p, const char *name, double n, double most)
{
    char a[NUMBER_MAX], b[NUMBER_MAX];
    FREE_ON_EXIT char *text = mem_printf("%s/%s", top_count_text(n, a), top_count_text(most, b));
    piece(p, name, most > 0 && n >= most ? STYLE_WARN : STYLE_PLAIN, text);
}

static void draw_machine(const struct top_view *v, struct page *p)
{
    const struct prom *m = v->now->prom;
    char text[NUMBER_MAX];
    double cpu = top_rate_of(v, "process_cpu_seconds_total", NULL);
    page_put(p, STYLE_HEAD, "mem");
    piece(p, "process", STYLE_STRONG,
          top_bytes_text(prom_sum(m, "process_resident_memory_bytes", NULL), text));
    piece(p, "pictures", STYLE_PLAIN, top_bytes_text(prom_sum(m, "limner_vips_memory_bytes", NULL), text));
    snprintf(text, sizeof(text), cpu < 0 ? "-" : "%.0f %%", 100 * cpu);
    piece(p, "cpu", STYLE_PLAIN, text);
    piece_of(p, "cache", prom_sum(m, "limner_cache_entries", NULL),
             prom_sum(m, "limner_cache_entries_limit", NULL));
    piece_of(p, "clients", prom_sum(m, "limner_http_connections", NULL),
             prom_sum(m, "limner_http_connections_limit", NULL));
    piece_of(p, "files", prom_sum(m, "process_open_fds", NULL), prom_sum(m, "process_max_fds", NULL));
    page_end(p);
}

static void piece_money(struct page *p, const char *name, double usd)
{
    char text[NUMBER_MAX];
    snprintf(text, sizeof(text), "$%.*f", usd > 0 && usd < 1 ? 4 : 2, usd);
    piece(p, name, usd > 0 ? STYLE_STRONG : STYLE_PLAIN, text);
}

/* Of this process. Where no price is known there is none. */
static void draw_money(const struct top_view *v, struct page *p)
{
    json_t *money = json_object_get(v->now->metrics, "money"), *by;
    const char *name;
    if (!json_is_number(json_object_get(money, "cost_usd")))
        return;
    page_put(p, STYLE_HEAD, "usd");
    piece_money(p, "spent", top_number_of(money, "cost_usd"));
    json_object_foreach(json_object_get(money, "saved_usd"), name, by)
    {
        FREE_ON_EXIT char *label = mem_printf("saved by %s", name);
        piece_money(p, label, json_number_value(by));
    }
    page_end(p);
}

/* What /readyz does not call good; providers have a table of their own. */
static void draw_notes(const struct top_view *v, struct page *p)
{
    const char *name;
    json_t *value;
    unsigned shown = 0;
    json_object_foreach(json_object_get(v->now->ready, "checks"), name, value)
    {
        if (peek_is_good(value) || strncmp(name, "provider.", 9) == 0 || shown == NOTES_MAX)
            continue;
        const char *word = json_is_true(value) ? "yes" : json_string_value(value);
        page_gap(p);
        page_put(p, top_style_of_state(word ? word : ""), "! %s: %s", name, word ? word : "?");
        shown++;
    }
    if (shown > 0)
        page_end(p);
}

/* ---- the whole ---- */

void top_view_draw(const struct top_view *v, struct page *p)
{
    static void (*const head[])(const struct top_view *, struct page *) = {
        draw_title, draw_requests, draw_totals, draw_machine, draw_money, draw_notes};
    static void (*const sections[])(const struct top_view *, struct page *) = {
        top_draw_classes, top_draw_features, top_draw_providers, top_draw_open};
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        head[i](v, p);
    for (size_t i = 0; i < ARRAY_LEN(sections) && !page_full(p); i++) {
        page_end(p);
        sections[i](v, p);
    }
}
