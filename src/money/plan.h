/* plan.h: reads BUDGETS, "all=50/day,heavy=10/day,key:mobile=5/hour", and knows when periods begin. Periods
 * are those of the calendar in UTC; weeks begin on Monday. No I/O; any thread. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"
#include "tables/features.h"

enum { BUDGETS_MAX = 32, BUDGET_NAME = 80 };

enum budget_scope { BUDGET_ALL, BUDGET_CLASS, BUDGET_KEY };
enum budget_period { BUDGET_HOUR, BUDGET_DAY, BUDGET_WEEK, BUDGET_MONTH, BUDGET_PERIODS };

struct budget_row {
    char name[BUDGET_NAME]; /* as it was written, with its period: "key:mobile/hour" */
    enum budget_scope scope;
    enum class class;
    char key[BUDGET_NAME]; /* the API key's name */
    enum budget_period period;
    int64_t limit_nano;
};

struct budget_plan {
    unsigned count;
    struct budget_row row[BUDGETS_MAX];
};

/* VALIDATION, field BUDGETS: which word cannot be used, and why. */
int budget_plan_parse(const char *text, struct budget_plan *ret, struct error *e) MUST_CHECK;
/* A request of this class and API key (NULL: none) falls under it. */
bool budget_covers(const struct budget_row *row, enum class class, const char *key);

const char *budget_period_name(enum budget_period p);
/* Seconds since 1970: where the period begins that now_s lies in, and where the next one does. */
int64_t budget_period_start(enum budget_period p, int64_t now_s);
int64_t budget_period_end(enum budget_period p, int64_t now_s);
