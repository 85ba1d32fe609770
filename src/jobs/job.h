/* job.h: one job, and what all of them share. Private to this folder; core thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/rng.h"
#include "jobs/batch_pictures.h"
#include "jobs/events.h"
#include "jobs/inputs.h"
#include "jobs/jobs.h"
#include "limiter/limiter.h"
#include "request/answer.h"
#include "request/intent.h"

enum { JOB_BUCKETS = 4096, JOB_RANKS = 3 };

struct jobs {
    struct job_desk desk;
    struct services *svc;
    struct inputs *inputs;
    struct limiter *limiter[CLASS_COUNT]; /* a slot: it is worked on */
    struct list bucket[JOB_BUCKETS];      /* all that are in memory, by id */
    struct list readers;                  /* of events (events_page.c) */
    struct websockets *sockets;
    struct callbacks *callbacks;
    struct list found[JOB_RANKS]; /* by in_over: those of an earlier process, until they begin */
    struct list over;             /* those that are over, longest first */
    struct lane *disk;
    unsigned open, over_count;
    unsigned running, reading; /* of those that are open; connections that read events */
    struct timer forget;       /* those that are over longest */
    unsigned unpacking;        /* archives that the lane works on */
    bool stopped;
};

struct job_picture {
    bool kept; /* it lies in inputs; of a batch, it is the archive */
    uint8_t digest[DIGEST_BYTES];
};

/* How it came out. */
struct job_outcome {
    struct result *result; /* NULL: there is none */
    char *meta;            /* of the answer, as JSON; NULL: likewise */
    struct answer_links how;
    struct error err;
    int64_t cost_nano;
    bool billed; /* money was spent, or may have been */
};

struct job {
    struct jobs *jobs;
    struct list in_bucket, in_over;
    char id[UUID_TEXT];
    const struct feature *feature;
    char *tenant, *request_id, *base_url; /* tenant NULL: nobody's in particular */
    char *callback, *key, *parent;        /* NULL: none */
    char *request;                        /* what is asked for (request_json.h) */
    uint8_t fingerprint[DIGEST_BYTES];
    struct job_picture *picture; /* by their numbers; NULL: none. Thousands wait, and mostly have one */
    unsigned picture_count;
    enum journal_kind kind;
    enum journal_state state;
    int priority;    /* enum slot_priority */
    uint64_t caller; /* who shares a share of the slots */
    int64_t created_ms, started_ms, ended_ms;

    struct timer late;     /* of a wish to cancel that an earlier process was told */
    struct timer patience; /* while it waits for its slot */
    struct slot_wait slot;
    bool has_slot;
    struct request *req; /* while it is worked on */
    unsigned pins;       /* requests that work for it, and who is about to answer with it: it is not freed */
    bool untold;         /* the journal is told how it ended when no request works for it any more */
    bool begun, canceling;
    enum journal_state ending; /* how it has come out, before it is told; QUEUED: it has not yet */
    bool written;              /* its row says how it has come out */
    bool wishing, leaving;     /* that it is to be canceled is being written; that it has left, was asked */
    unsigned done, total;
    struct list steps; /* of struct job_step: parts of its work that an earlier process began */
    char *provider, *prediction, *input_url; /* of a run that was begun earlier; NULL: none */
    int64_t intent_ms;

    struct job_outcome outcome; /* once it is over */
    struct job_events events;
    struct batch_pictures pictures; /* of a batch: those that it names */
    struct batch *batch;            /* of one of the kind JOURNAL_BATCH, once it has begun */
    struct callback *telling;       /* under way; NULL: it is not */
    char *told_log;                 /* of its tries, as JSON; NULL: none yet */
    int64_t told_next_ms;           /* when it is tried next; 0: not */
    struct list waiters;            /* of struct job_waiter */
};

/* Somebody wants to know when it is over. */
struct job_waiter {
    struct list node;
    void (*over)(struct job_waiter *w);
};

/* ---- jobs.c: which there are ---- */

struct job *job_find(const struct jobs *j, const char *id); /* NULL: not in memory */
void job_enter(struct job *job);                            /* into the map, as one that is to begin */
void job_enter_over(struct job *job); /* likewise one that is over, whose callback is not */
void job_free(struct job *job);       /* not while it is worked on */
void job_retire(struct job *job);     /* it is over: kept for a while, as the last of its kind */
bool job_is_over(const struct job *job);
bool job_has_picture(const struct job *job, unsigned i); /* it is known by its digest, */
bool job_keeps(const struct job *job, unsigned i);       /* and is one of inputs */
void job_add_picture(struct job *job, unsigned i, const uint8_t digest[static DIGEST_BYTES]);
void job_forget_pictures(struct job *job);

/* ---- job_steps.c: parts of its work that have rows of their own ---- */

bool job_has_steps(const struct job *job);
/* A row of an earlier process, whose job was found before, and does not begin before all have been told. */
void job_step_found(struct jobs *j, const struct journal_row *row);
const struct run_resume *job_step_take(struct job *job, const char *row); /* once; NULL: not known */
void job_steps_drop(struct job *job);                                     /* from memory */

/* ---- job_work.c: its way ---- */

void job_begin(struct job *job);            /* it is written down: it waits for its turn */
bool job_may_cancel(const struct job *job); /* false: it waits for the next process */
void job_cancel(struct job *job);           /* in any state; one that is over stays as it is */
/* It has come out so: it is over, and told, as soon as the journal has that. Of one that has left: nothing is
 * left to be done. */
void job_end(struct job *job, enum journal_state state);
/* The journal has that; not over: the wish to cancel it, or that it has left. */
void job_written(struct job *job, bool over);
/* It is canceled for all who ask, and its row is open: what it began may still be lost. */
bool job_has_left(const struct job *job);
void job_wake(struct job *job); /* who waits for it is told, however it stands */

void job_pin(struct job *job);
void job_unpin(struct job *job);

/* ---- job_row.c: as a row, and back ---- */

struct job *job_new(struct jobs *j, const struct feature *f) MUST_CHECK;
/* Makes one of what req asks for, which has passed 020. NULL: it does not fit; req->err says so. */
struct job *job_of_request(struct jobs *j, struct request *req, const char *base_url) MUST_CHECK;
/* Texts live in ret_text and in the job. */
void job_to_row(const struct job *job, struct buf *ret_text, struct journal_row *ret);
/* NULL: it cannot be read. */
struct job *job_of_row(struct jobs *j, const struct journal_row *row) MUST_CHECK;
void job_outcome_json(const struct job *job, struct buf *ret);
/* told_ms: since when it is told; 0: its row says so. */
void job_error_json(const struct error *e, int64_t told_ms, struct buf *ret);
enum journal_state job_state_of_row(const struct journal_row *row); /* as it is told */

/* ---- job_json.c: for people ---- */

const char *job_state_name(const struct job *job);
/* {"job_id",…}; base_url: where the asker reaches us. */
void job_put(struct buf *b, const struct job *job, const char *base_url);
/* {"request_id","status","data"}, with what put appends for data: job_put, or another view of it. */
typedef void job_put_fn(struct buf *b, const struct job *job, const char *base_url);
struct reply *job_reply(int status, const struct job *job, const char *request_id, job_put_fn *put,
                        const char *base_url) MUST_CHECK;
void job_put_progress(struct buf *b, const struct job *job); /* the members of an object that is open */
