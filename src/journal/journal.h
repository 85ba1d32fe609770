/* journal.h: what has been accepted and what may have been paid for, in rows that outlive the process.
 *
 * A row is a job that was accepted (asynchronous, or waited for), or a request of which a paid run is about to
 * begin. It is written before anything is paid, learns the prediction's id as soon as that is known, and how
 * it ended. At a start the rows that are open say what is to be taken up again.
 *
 * Order: journal_new, journal_start (reads what is open, once, and tells it row by row), the calls below,
 * journal_stop (writes what is left), journal_busy until that is done, journal_free. All on the core thread;
 * the SQL runs on the lane, in groups: what is asked for while a group is being written is the next group, in
 * one transaction. Failure modes: while the database cannot be had, an op fails with -ERR_DATABASE, and notes
 * wait in memory, the newest of a row replacing the older one, and are tried again each second. A journal that
 * is damaged fails the start and says how to repair it (limner repair).
 *
 * JOURNAL_SYNC=process: what an op said is done survives kill -9; disk: also a loss of power (one fsync a
 * group). Times are ms since 1970. Texts are borrowed until the call returns, those of an op until it is done. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/macros.h"
#include "loop/op.h"
#include "tables/error.h"

struct journal;
struct lane;
struct loop;

enum { JOURNAL_ID_MAX = 64, JOURNAL_KEY_MAX = 255 };

enum journal_kind {
    JOURNAL_JOB,    /* accepted: it ends with a result, or a truthful state */
    JOURNAL_REQUEST /* a synchronous one that has gone upstream; its row goes when it ends well */
};

/* In the order of a life; what is at or above JOURNAL_COMPLETED is over. */
enum journal_state {
    JOURNAL_QUEUED,
    JOURNAL_RUNNING,
    JOURNAL_COMPLETED,
    JOURNAL_FAILED,
    JOURNAL_CANCELED
};

/* A whole row. NULL texts are empty. */
struct journal_row {
    const char *id;
    enum journal_kind kind;
    enum journal_state state;
    const char *owner;   /* the gateway that has it; set by the journal */
    const char *tenant;  /* whose; NULL: nobody's in particular */
    const char *feature; /* its name in metrics */
    const char *parent;  /* the batch it belongs to */
    const char *request; /* JSON: what was asked for (jobs/job_request.c, request/intent.c) */
    const char *callback_url;
    const char *idempotency_key; /* with the tenant it is unique while the row is there */
    uint8_t fingerprint[DIGEST_BYTES]; /* of what was asked for under that key */
    int priority;
    int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
    /* Of the run that may have been paid for: */
    const char *provider;   /* its name; NULL: none was asked yet */
    int64_t intent_ms;      /* when it was about to be asked; 0: not yet */
    const char *prediction; /* the provider's id; NULL: not known */
    const char *input_url;  /* where the provider finds the picture; NULL: inline, or not known */
    int64_t cost_nano;
    const char *result; /* JSON, as in Redis (cache/result_json.h); NULL: none */
    const char *error;  /* JSON {"code","message","field"?}; NULL: none */
};

struct journal_config {
    struct loop *loop;
    struct lane *lane; /* one thread, the journal's alone */
    const char *url;   /* postgres://…; "": SQLite */
    const char *path;  /* of SQLite's file, the one that history is in too */
    const char *owner; /* this gateway: the same after a restart, another for each gateway */
    unsigned timeout_ms;
    bool to_disk;        /* JOURNAL_SYNC=disk */
    unsigned keep_h;     /* rows that are over */
    unsigned owner_s;    /* a gateway that is silent for so long has died: its rows are taken over */
    void (*found)(void *ctx, const struct journal_row *row); /* an open row of ours; texts during the call */
    void (*started)(void *ctx); /* all open rows have been told */
    void (*tell)(void *ctx, bool bad, const char *what); /* for the operator's log; NULL: nobody listens */
    void *ctx;
};

/* Connects, makes the tables, and checks a file of SQLite's (quick_check): blocks; before the loop runs. */
int journal_new(const struct journal_config *config, struct journal **ret, struct error *e) MUST_CHECK;
void journal_free(struct journal *j); /* accepts NULL; not while busy */
void journal_start(struct journal *j);
void journal_stop(struct journal *j);
bool journal_busy(const struct journal *j);
bool journal_is_up(const struct journal *j); /* the last group was written */

/* ---- what its caller waits for ---- */

struct journal_write {
    struct op op; /* result: 0: it is written; -ERR_DATABASE; for an insert also -ERR_IDEMPOTENCY_CONFLICT */
    struct list node;
    struct journal *journal;
    const struct journal_row *row; /* the caller's until the op is done */
    char other_id[JOURNAL_ID_MAX + 1]; /* after a conflict: who has the key, */
    uint8_t other_fingerprint[DIGEST_BYTES]; /* and what for */
};

/* A new row. A row with the same tenant and idempotency key: conflict. */
void journal_insert(struct journal *j, struct journal_write *w, const struct journal_row *row,
                    op_done_fn *on_done);
/* A run is about to be paid: provider and intent_ms; the prediction's id of an earlier run is forgotten. A row
 * that is not there yet (JOURNAL_REQUEST) is made. */
void journal_intent(struct journal *j, struct journal_write *w, const struct journal_row *row,
                    op_done_fn *on_done);

/* ---- what nobody waits for ---- */

void journal_note_run(struct journal *j, const char *id, const char *prediction, const char *input_url);
/* NULL result and error: no change of them. What is over gets its ended_ms. */
void journal_note_state(struct journal *j, const char *id, enum journal_state state, int64_t cost_nano,
                        const char *result, const char *error);
void journal_remove(struct journal *j, const char *id);

/* ---- reading ---- */

struct journal_read {
    struct op op; /* 0, -ERR_NOT_FOUND, -ERR_DATABASE */
    struct list node;
    struct journal *journal;
    char id[JOURNAL_ID_MAX + 1];
    void (*row)(struct journal_read *r, const struct journal_row *row); /* core thread, before the op ends */
};

void journal_find(struct journal *j, struct journal_read *r, op_done_fn *on_done);     /* by id */
void journal_children(struct journal *j, struct journal_read *r, op_done_fn *on_done); /* of the batch id */
