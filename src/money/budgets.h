/* budgets.h: how much may be spent in a period, on everything, a class of features, or by an API key.
 *
 * Order: budgets_new at start; budgets_start on the core thread; for each run that costs something
 * budget_reserve, wait for the hold's op, run, budget_settle; budgets_stop on the core thread, and when it is
 * no longer busy budgets_free.
 *
 * Reserved before, settled after: what a run is thought to cost is taken from each budget it falls under, all
 * of them or none, and what it did cost takes its place. So the sum of what is spent and held never passes a
 * limit by more than runs come to cost above what was thought.
 *
 * With Redis the sums are there, for all gateways that share it; a reservation whose gateway died counts
 * until lease_ms have passed. While it is away, `closed` refuses what costs, else each gateway goes on from
 * the sums it saw last, and tells Redis later what it spent. Without Redis the sums are in memory and in the
 * database, which a restart reads; there a reservation whose process died counts until its period ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "loop/lane.h"
#include "loop/op.h"
#include "metrics/cells.h"
#include "money/plan.h"
#include "redis/redis.h"
#include "tables/error.h"
#include "tables/options.h"

struct budgets;
struct http_client_pool;

struct budgets_config {
    const struct options *opt;
    struct loop *loop;
    struct redis *redis;           /* NULL: the database remembers */
    struct lane *lane;             /* db: one thread; NULL: nothing outlives the process */
    struct http_client_pool *pool; /* for the webhook; NULL: nobody is told */
    uint64_t lease_ms;             /* longer than any run */
    int64_t (*now_s)(void);        /* since 1970; NULL: the clock */
    void (*tell)(void *ctx, bool bad, const char *what); /* to the operator; NULL: nobody */
    void *ctx;
};

/* *ret stays NULL if BUDGETS is empty. VALIDATION: an option cannot be used. */
int budgets_new(const struct budgets_config *config, struct budgets **ret, struct error *e) MUST_CHECK;
void budgets_start(struct budgets *b);      /* accepts NULL, as those below */
void budgets_stop(struct budgets *b);       /* what was spent is written */
bool budgets_busy(const struct budgets *b); /* after that: is there anything to wait for? */
void budgets_free(struct budgets *b);

const struct budget_plan *budgets_plan(const struct budgets *b);

/* ---- a run ---- */

enum { BUDGET_MATCH_MAX = 8, BUDGET_ID = 40 };

/* Whom a run is for. */
struct budget_who {
    enum class class;
    const char *key; /* the API key's name; NULL: none */
};

struct budget_hold {
    struct op op; /* 0; BUDGET_EXCEEDED, PROVIDER_UNAVAILABLE: err says why */
    struct error err;
    /* its own */
    struct budgets *budgets; /* NULL: nothing is held */
    bool elsewhere;          /* held in Redis */
    char id[BUDGET_ID];
    int64_t nano;
    unsigned count;
    unsigned budget[BUDGET_MATCH_MAX];
    int64_t start_s[BUDGET_MATCH_MAX]; /* of the period it counts in */
    struct redis_call call;
};

/* hold: zeroed, or settled; stays where it is until its op is done. Cancelling the op gives back what it may
 * have got. Core thread. */
void budget_reserve(struct budgets *b, struct budget_hold *hold, const struct budget_who *who, int64_t nano,
                    op_done_fn *on_done);
/* What it did cost; 0: it did not run. Nothing to wait for; does nothing if nothing is held. Core thread. */
void budget_settle(struct budget_hold *hold, int64_t nano);

/* ---- looks; any thread ---- */

/* Is there no room for a run that costs so much, as far as this gateway knows? Then e says so. What is not
 * known for sure, as others spend too and have not been heard of for a second, is left to budget_reserve. */
int budget_check(struct budgets *b, const struct budget_who *who, int64_t nano, struct error *e) MUST_CHECK;
/* The same on the core thread, for one that has found no result: that a budget is spent is told, so the first
 * such refusal among gateways is left to budget_reserve, too. */
int budget_look(struct budgets *b, const struct budget_who *who, int64_t nano, struct error *e) MUST_CHECK;
/* Appends a header's value that warns of budgets that are nearly spent, "all/day";used=84;t=3600, …: per
 * cent, and seconds until it begins anew. Nothing: there is none. */
void budget_warning(struct budgets *b, const struct budget_who *who, struct buf *ret);
/* [{"name":"all/day","limit_usd":50,"used_usd":…,"remaining_usd":…,"ends":…},…] */
void budgets_json(struct budgets *b, struct buf *ret);
void budgets_sample(struct budgets *b, struct cells *cells); /* the gauges */
