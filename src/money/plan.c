#include "money/plan.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/money.h"
#include "base/words.h"

enum { HOUR_S = 3600, DAY_S = 86400, DAYS_A_WEEK = 7, THURSDAY = 3 };

static const char *const periods[BUDGET_PERIODS] = {"hour", "day", "week", "month"};
static const char key_prefix[] = "key:";

static int refuse(const struct word *w, const char *why, struct error *e)
{
    return error_set_field(e, ERR_VALIDATION, "BUDGETS", "BUDGETS: \"%.*s\" %s", (int)MIN(w->len, (size_t)80),
                           w->at, why);
}

/* Whose budget it is. */
static int read_scope(const struct word *w, struct budget_row *row, struct error *e)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t skip = strlen(key_prefix);
    if (word_is(w, "all")) {
        row->scope = BUDGET_ALL;
        return 0;
    }
    for (int c = 0; c < CLASS_COUNT; c++)
        if (word_is(w, class_name((enum class)c))) {
            row->scope = BUDGET_CLASS;
            row->class = (enum class)c;
            return 0;
        }
    if (w->len <= skip || strncmp(w->at, key_prefix, skip) != 0)
        return refuse(w, "has no budget; all, light, heavy, comic and key:NAME of an API key have", e);
    if (w->len - skip > 64 || strspn(w->at + skip, plain) < w->len - skip)
        return refuse(w, "names no key that can have a budget: give it a name of letters, digits, _ - and .",
                      e);
    row->scope = BUDGET_KEY;
    snprintf(row->key, sizeof(row->key), "%.*s", (int)(w->len - skip), w->at + skip);
    return 0;
}

/* "50/day" */
static int read_amount(const struct word *w, struct budget_row *row, struct error *e)
{
    const char *at = w->at, *end = at + w->len;
    struct word usd = word_next(&at, end, '/'), period = word_next(&at, end, '\0');
    unsigned p = 0;
    while (p < BUDGET_PERIODS && !word_is(&period, periods[p]))
        p++;
    if (p == BUDGET_PERIODS)
        return refuse(w, "has no period; dollars are given /hour, /day, /week or /month, like 50/day", e);
    if (money_parse(usd.at, usd.len, &row->limit_nano) < 0)
        return refuse(&usd, "is no amount of dollars, like 50 or 0.25", e);
    row->period = (enum budget_period)p;
    return 0;
}

static int add_row(struct budget_plan *plan, const struct word *entry, struct error *e)
{
    const char *at = entry->at, *end = at + entry->len;
    struct budget_row row = {0};
    if (!memchr(at, '=', entry->len))
        return refuse(entry, "is not name=dollars/period", e);
    struct word name = word_next(&at, end, '='), amount = word_next(&at, end, '\0');
    if (read_scope(&name, &row, e) < 0 || read_amount(&amount, &row, e) < 0)
        return -(int)e->code;
    snprintf(row.name, sizeof(row.name), "%.*s/%s", (int)name.len, name.at, periods[row.period]);
    for (unsigned i = 0; i < plan->count; i++)
        if (strcmp(plan->row[i].name, row.name) == 0)
            return refuse(entry, "comes twice for this period", e);
    if (plan->count == BUDGETS_MAX)
        return refuse(entry, "is one budget too many; there can be 32", e);
    plan->row[plan->count++] = row;
    return 0;
}

int budget_plan_parse(const char *text, struct budget_plan *ret, struct error *e)
{
    const char *end = text + strlen(text);
    ret->count = 0;
    for (const char *at = text; at < end;) {
        struct word entry = word_next(&at, end, ',');
        if (entry.len > 0 && add_row(ret, &entry, e) < 0)
            return -(int)e->code;
    }
    return 0;
}

bool budget_covers(const struct budget_row *row, enum class class, const char *key)
{
    switch (row->scope) {
    case BUDGET_ALL:
        return true;
    case BUDGET_CLASS:
        return row->class == class;
    case BUDGET_KEY:
        break;
    }
    return key && strcmp(row->key, key) == 0;
}

/* ---- periods ---- */

const char *budget_period_name(enum budget_period p)
{
    return periods[p];
}

static int64_t month_start(int64_t now_s, int months)
{
    struct tm tm = {0};
    time_t t = (time_t)now_s;
    gmtime_r(&t, &tm);
    struct tm first = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon + months, .tm_mday = 1};
    return (int64_t)timegm(&first);
}

int64_t budget_period_start(enum budget_period p, int64_t now_s)
{
    int64_t day = now_s / DAY_S;
    switch (p) {
    case BUDGET_HOUR:
        return now_s - now_s % HOUR_S;
    case BUDGET_WEEK: /* 1970 began on a Thursday */
        return (day - (day + THURSDAY) % DAYS_A_WEEK) * DAY_S;
    case BUDGET_MONTH:
        return month_start(now_s, 0);
    case BUDGET_DAY:
    case BUDGET_PERIODS:
        break;
    }
    return day * DAY_S;
}

int64_t budget_period_end(enum budget_period p, int64_t now_s)
{
    static const int64_t seconds[BUDGET_PERIODS + 1] = {
        [BUDGET_HOUR] = HOUR_S, [BUDGET_DAY] = DAY_S, [BUDGET_WEEK] = (int64_t)DAYS_A_WEEK * DAY_S};
    return p == BUDGET_MONTH ? month_start(now_s, 1) : budget_period_start(p, now_s) + seconds[p];
}
