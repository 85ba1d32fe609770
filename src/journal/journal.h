/* journal.h: what has been accepted and what may have been paid for, in rows that outlive the process.
 *
 * A row is a job that was accepted (asynchronous, or waited for), or a request of which a paid run is about
 * to begin. It is written before anything is paid, learns the prediction's id as soon as that is known, and
 * how it ended. At a start the rows that are open say what is to be taken up again.
 *
 * Order: journal_new; journal_start once no other process works under the same owner's name (reads what is
 * open and tells it row by row); the calls below, from journal_new on; journal_stop (writes what is left),
 * journal_busy until that is done, journal_free. All on the core thread; the SQL runs on the lane, in groups:
 * what is asked for while a group is being written is the next group, in one transaction and in the order it
 * was asked for. Failure modes: while the database cannot be had, an op is tried once within a second and
 * then fails with -ERR_DATABASE (a commit whose outcome is not known also fails so: the row may be there),
 * and notes wait in memory, the newest of a row replacing the older one, and are tried again each second. A
 * journal that is damaged fails the start and says how to repair it (limner repair); one that is away at the
 * start, or locked, is told, and tried again.
 *
 * With PostgreSQL several gateways have one journal. Each row has an owner, who says each owner_s / 4 that it
 * lives; the open rows of one that is silent for owner_s are taken over and told to found. Who has lost a row
 * so changes it no more: its intent fails with -ERR_NOT_FOUND, and its notes have no effect. SQLite's file
 * has one gateway at a time: its open rows are ours, whoever wrote them.
 *
 * JOURNAL_SYNC=process: what an op said is done survives kill -9; disk: also a loss of power (one fsync a
 * group); more in db/db.h. Times are ms since 1970. Texts are borrowed until the call returns, those of an op
 * until it is done; they are UTF-8: a row that the database refuses for its texts fails alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/list.h"
#include "base/macros.h"
#include "loop/op.h"
#include "tables/error.h"

struct journal;
struct lane;
struct loop;

enum { JOURNAL_ID_MAX = 64, JOURNAL_KEY_MAX = 255 };

enum journal_kind {
    JOURNAL_JOB,     /* accepted: it ends with a result, or a truthful state */
    JOURNAL_BATCH,   /* a job whose work is to have others accepted; they name it as their parent */
    JOURNAL_REQUEST, /* a synchronous one that has gone upstream; its row goes when it ends well */
    JOURNAL_STEP /* a run for the job that is its parent, one of several; its row goes with the job's end */
};

/* In the order of a life; what is at or above JOURNAL_COMPLETED is over. */
enum journal_state { JOURNAL_QUEUED, JOURNAL_RUNNING, JOURNAL_COMPLETED, JOURNAL_FAILED, JOURNAL_CANCELED };

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
    const char *idempotency_key;       /* with the tenant it is unique while the row is there */
    uint8_t fingerprint[DIGEST_BYTES]; /* of what was asked for under that key */
    int priority;
    int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
    /* Of the run that may have been paid for: */
    const char *provider;   /* its name; NULL: none was asked yet */
    int64_t intent_ms;      /* when it was about to be asked; 0: not yet */
    const char *prediction; /* the provider's id; NULL: not known */
    const char *input_url;  /* where the provider finds the picture; NULL: inline, or not known */
    int64_t cost_nano;
    const char *result;       /* JSON, as in Redis (cache/result_json.h); NULL: none */
    const char *error;        /* JSON {"code","message","field"?}; NULL: none. Of an open row: a wish */
    int64_t callback_due_ms;  /* when its end is to be told next; 0: not. Until then the row counts as open */
    const char *callback_log; /* JSON: the tries so far; NULL: none */
};

struct journal_config {
    struct loop *loop;
    struct lane *lane; /* one thread, the journal's alone */
    const char *url;   /* postgres://…; "": SQLite */
    const char *path;  /* of SQLite's file, the one that history is in too */
    const char *owner; /* this gateway: the same after a restart, another for each gateway */
    unsigned timeout_ms;
    bool to_disk;     /* JOURNAL_SYNC=disk */
    unsigned keep_h;  /* rows that are over */
    unsigned owner_s; /* a gateway that is silent for so long has died: its rows are taken over */
    /* An open row of ours that another process began; texts during the call. Oldest first at the start, later
     * those that were taken over. */
    void (*found)(void *ctx, const struct journal_row *row);
    void (*started)(void *ctx); /* all open rows have been told */
    void (*taken)(void *ctx);   /* likewise some that were taken over, with all of their steps */
    /* A note is written (or the database refuses it) that said how the row ended, or removed it (over): what
     * was kept for its sake can go, and the end can be told; or one with an error of a row that is open.
     * NULL: nobody waits. */
    void (*noted)(void *ctx, const char *id, bool over);
    void (*tell)(void *ctx, bool bad, const char *what); /* for the operator's log; NULL: nobody listens */
    void *ctx;
};

/* Connects, makes the tables, and checks a file of SQLite's (quick_check): blocks, for timeout_ms at most;
 * before the loop runs. Fails only where waiting does not help: INTERNAL (damaged, of a newer program),
 * VALIDATION (the address). */
int journal_new(const struct journal_config *config, struct journal **ret, struct error *e) MUST_CHECK;
void journal_free(struct journal *j); /* accepts NULL; not while busy */
/* Again: tells again all that earlier processes have left open; who was told of a row before passes it over.
 */
void journal_start(struct journal *j);
void journal_stop(struct journal *j);
bool journal_busy(const struct journal *j);
bool journal_waits(
    const struct journal *j); /* something is to be written or read later, as the database is away */
bool journal_is_up(const struct journal *j); /* the last group was written; any thread */
/* Nobody takes our rows over now: our last word is younger than owner_s / 2. What costs money waits while it
 * is false. */
bool journal_holds(const struct journal *j);
/* Another number once we have been silent for owner_s: a row that was ours before may be another's now, until
 * an intent says that it is not. */
unsigned journal_hold(const struct journal *j);

/* ---- what its caller waits for ---- */

/* One thing in the order it was asked for; the journal's own. */
struct journal_item {
    struct list node;  /* in the queue, or in the group that is being written */
    struct list by_id; /* in the queue's map, if it changes the row */
    int kind;
    int result; /* the lane's, valid if the group was written */
};

struct journal_write {
    struct op op; /* result: 0: it is written; -ERR_DATABASE; -ERR_INTERNAL: the database refuses this row */
    struct journal_item item;
    const struct journal_row *row;           /* the caller's until the op is done */
    char other_id[JOURNAL_ID_MAX + 1];       /* after a conflict: who has the key, */
    uint8_t other_fingerprint[DIGEST_BYTES]; /* and what for */
};

/* A new row. -ERR_IDEMPOTENCY_CONFLICT: there is a row with the same tenant and idempotency key. A row that
 * is there already with the same id is left as it is: 0, so that one may ask again after -ERR_DATABASE. */
void journal_insert(struct journal *j, struct journal_write *w, const struct journal_row *row,
                    op_done_fn *on_done);
/* A run is about to be paid: provider, intent_ms and input_url; the prediction's id of an earlier run is
 * forgotten. A row that is not there yet (JOURNAL_REQUEST, JOURNAL_STEP) is made, whole. -ERR_NOT_FOUND:
 * another gateway has taken the row over, or the job whose step it is, and goes on with it. */
void journal_intent(struct journal *j, struct journal_write *w, const struct journal_row *row,
                    op_done_fn *on_done);

/* ---- what nobody waits for ---- */

/* NULL: no change. */
void journal_note_run(struct journal *j, const char *id, const char *prediction, const char *input_url);
/* cost_nano < 0, NULL result and error: no change of them. RUNNING sets started_ms once, what is over gets
 * its ended_ms, and noted() is told when it is written. */
void journal_note_state(struct journal *j, const char *id, enum journal_state state, int64_t cost_nano,
                        const char *result, const char *error);
void journal_note_callback(struct journal *j, const char *id, int64_t due_ms, const char *log);
void journal_remove(struct journal *j, const char *id);
void journal_drop_steps(struct journal *j, const char *id); /* the rows of the job's steps */

/* ---- reading ---- */

/* What one step of reading found; the journal's own. */
struct journal_found {
    struct arena arena;
    struct list rows;
    unsigned count;
    bool more;        /* there may be further rows */
    int64_t after_ms; /* the last one */
    char after_id[JOURNAL_ID_MAX + 1];
};

struct journal_read {
    struct op op; /* 0, -ERR_NOT_FOUND, -ERR_DATABASE */
    struct journal_item item;
    struct journal *journal;
    struct journal_found found;
    unsigned told;
    char id[JOURNAL_ID_MAX + 1];
    void (*row)(struct journal_read *r, const struct journal_row *row); /* core thread, before the op ends */
};

/* r->id and r->row are set. It sees all that was asked for before. */
void journal_find(struct journal *j, struct journal_read *r, op_done_fn *on_done); /* by id */
/* Of the batch id, oldest first, some hundred at a time; NOT_FOUND: there are none. */
void journal_children(struct journal *j, struct journal_read *r, op_done_fn *on_done);
