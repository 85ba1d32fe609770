/* budgets_own.h: the budgets' insides. Private to this folder; core thread, but for the atomics. */
#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "money/budget_hook.h"
#include "money/budget_store.h"
#include "money/budgets.h"

enum budget_told { TOLD_NOTHING, TOLD_SOFT, TOLD_SPENT };

struct budget {
    _Atomic int64_t start_s;   /* of the period that the sum is of */
    _Atomic int64_t used;      /* spent and held; with Redis what it said last, and what came since */
    _Atomic uint64_t heard_ns; /* when that was */
    enum budget_told told;     /* in this period */
    int64_t limit, soft;       /* nano */
};

struct budgets {
    struct budgets_config config;
    struct budget_plan plan;
    struct budget budget[BUDGETS_MAX];
    struct budget_store *store; /* NULL: Redis remembers, or nobody */
    struct budget_hook *hook;   /* NULL: nobody is told */
    struct list settling;       /* of what Redis is to be told */
    unsigned calls;             /* of these that are under way */
    struct timer second;
    bool stopped;
    bool told_refusal; /* that Redis refuses a script */
    char node[20];     /* begins the ids of holds */
    uint64_t ids;
};

int64_t budgets_now_s(const struct budgets *b);
void budget_begin(struct budgets *b, unsigned i, int64_t now_s); /* the period, if it is a new one */
/* What is known now: the sum that Redis, or this process, has come to in the period from start_s on. */
void budget_hear(struct budgets *b, unsigned i, int64_t start_s, int64_t used);
void budget_tell(struct budgets *b, unsigned i, enum budget_told what); /* the webhook, once in a period */
int budget_refuse(const struct budgets *b, unsigned i, struct error *e);
void budget_name_hold(struct budgets *b, struct budget_hold *hold); /* a new id */
int budget_take(struct budgets *b, struct budget_hold *hold);       /* from what is here */
/* Redis does not answer: take from what is here, or refuse, as BUDGET_FALLBACK says. */
int budget_fall_back(struct budgets *b, struct budget_hold *hold);

/* ---- in Redis (budget_redis.c) ---- */

void elsewhere_reserve(struct budgets *b, struct budget_hold *hold); /* completes its op */
void elsewhere_settle(struct budgets *b, const struct budget_hold *hold, int64_t nano);
void elsewhere_cancel(struct budget_hold *hold);
void elsewhere_try(struct budgets *b); /* tells what waits, if it can be told */
void elsewhere_free(struct budgets *b);
