/* history.h: what finished requests did, kept in the database in steps of 10 s, a minute and an hour.
 *
 * Order: history_new (opens the database; at start, the only call that waits), history_start on the core
 * thread, history_add for each finished request from any thread, history_ask from any thread while the loop
 * runs; history_stop on the core thread, and when it is no longer busy history_free.
 *
 * Each 10 s what was counted becomes a batch, which the db lane first puts into a file (spill.h) and then
 * into the database, with every step at once and in one transaction, at most once. A database that is away,
 * locked or full changes nothing for requests: batches wait in the file. A process that is killed loses what
 * was counted since its last batch. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "tables/error.h"
#include "tables/features.h"
#include "tables/options.h"

struct history;

enum history_outcome {
    HISTORY_RUN,     /* a model ran for it */
    HISTORY_HIT,     /* remembered */
    HISTORY_TWIN,    /* the run of an identical request */
    HISTORY_REFUSED, /* the caller's fault */
    HISTORY_FAILED,  /* anybody else's */
    HISTORY_OUTCOMES
};
extern const char *const history_outcomes[HISTORY_OUTCOMES]; /* their words, in the database too */

struct history_config {
    const struct options *opt;
    struct loop *loop;
    struct lane *lane;           /* db: one thread */
    const char *const *provider; /* names; static texts */
    unsigned provider_count;
    /* Something an operator should know, on the core thread (or inside of history_new). bad: else it is good
     * news. NULL: nobody. */
    void (*tell)(void *ctx, bool bad, const char *what);
    void *ctx;
};

/* Fails if it makes no sense to start: wrong settings, a damaged database, one of a newer program. A database
 * that is merely away is told, and tried again each 10 s. */
int history_new(const struct history_config *config, struct history **ret, struct error *e) MUST_CHECK;
void history_start(struct history *h);      /* accepts NULL */
void history_stop(struct history *h);       /* what was counted is written; accepts NULL */
bool history_busy(const struct history *h); /* after that: is there anything to wait for? accepts NULL */
void history_free(struct history *h);       /* accepts NULL */

struct history_sample {
    const struct feature *feature;
    const char *provider; /* that ran it, for a hit too; NULL: none */
    enum history_outcome outcome;
    uint64_t total_ns, provider_ns; /* of the model alone: of a RUN */
    uint64_t cost_nano, saved_nano; /* billionths of a dollar */
};
void history_add(struct history *h, const struct history_sample *s); /* h may be NULL */

/* What is in the database since it was begun, by earlier processes and by others that share it, without what
 * this process has put there: so this and its own counters are all there is. Read at the start, and again
 * each ten seconds while the database can be had and nothing waits for it. */
struct history_totals {
    bool known;      /* else it could not be read yet, and all is 0 */
    int64_t since_s; /* when the database was begun, seconds since 1970 */
    struct {
        uint64_t requests[HISTORY_OUTCOMES];
        uint64_t latency_us; /* of those that succeeded */
    } feature[FEATURE_COUNT];
};
void history_totals(struct history *h, struct history_totals *ret); /* any thread */

struct history_state {
    bool ok;          /* the last batch went into the database */
    uint64_t waiting; /* batches in the spill */
    uint64_t dropped; /* batches lost to its bound since the start */
};
struct history_state history_state(const struct history *h); /* any thread */

/* ---- questions ---- */

enum { HISTORY_QUANTILES_MAX = 10, HISTORY_NAME_MAX = 64, HISTORY_QUANTILE_TEXT = 8 };

struct history_query {
    char feature[HISTORY_NAME_MAX + 1]; /* "": all */
    int64_t from, to;                   /* seconds since 1970; what begins in [from, to) */
    unsigned step_s;                    /* 0: what suits */
    unsigned quantiles;
    double quantile[HISTORY_QUANTILES_MAX];                           /* 0 … 1, ascending */
    char quantile_name[HISTORY_QUANTILES_MAX][HISTORY_QUANTILE_TEXT]; /* "95", "99.9" */
};

/* Fills in the step and cuts from and to to whole steps, or says in e which field is at fault. now: seconds
 * since 1970. Any thread. */
int history_plan(const struct options *opt, int64_t now, struct history_query *q, struct error *e) MUST_CHECK;
unsigned history_step(const char *word); /* "10s", "1m" …; 0: none of these */
extern const char history_step_words[];  /* "10s, 1m, …", for messages */

/* A question under way. answer comes once, on the core thread, or inside of history_ask if it is refused: the
 * data of the answer as JSON (a reference of history's), or NULL with e filled. The memory is the caller's
 * again then. */
struct history_question {
    struct history_query query; /* as history_plan left it */
    void (*answer)(struct history_question *q, struct blob *data, const struct error *e);
    /* history's own */
    struct history *history;
    struct message mail;
    struct lane_job job;
    struct blob *data;
    struct error error;
};
void history_ask(struct history *h, struct history_question *q);

/* ---- other work with the same database ---- */

struct db;

/* On the db lane, after what was asked before; done comes once, on the core thread, maybe inside of
 * history_run if it is refused (QUEUE_FULL, DRAINING). The memory is the caller's again then. */
struct history_task {
    int (*work)(struct history_task *t, struct db *db, struct error *e);     /* on the db lane, connected */
    void (*done)(struct history_task *t, int result, const struct error *e); /* e: filled if it is negative */
    /* history's own */
    struct history *history;
    struct lane_job job;
    struct error error;
};
void history_run(struct history *h, struct history_task *t); /* core thread; not after history_stop */
