/* inside.h: what the parts of src/v1 share. Core thread, but for what says otherwise.
 *
 * A *run* is one prediction upstream, or one that will be. A *record* is what a caller was told about: an id
 * that leads to a run, several to one where several have asked for the same. A *waiter* is a suspended
 * exchange that wants to know about a record. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "limiter/limiter.h"
#include "predict/predict.h"
#include "predict/replicate_lookup.h"
#include "predict/replicate_pass.h"
#include "predict/replicate_raw.h"
#include "v1/classes.h"
#include "v1/order.h"
#include "v1/v1.h"

enum {
    V1_ID_MAX = REPLICATE_ID_MAX,
    V1_ID_CHARS = 26, /* of ours, as Replicate's are */
    V1_PASSES_MAX = 256,
    V1_KEPT_MAX = 64 /* answers about models */
};

struct v1_run;

/* An id that leads to a record. */
struct v1_name {
    struct v1_name *next; /* with the same hash */
    char id[V1_ID_MAX + 1];
    struct v1_record *record;
};

struct v1_record {
    struct list by_age; /* in v1.records, oldest first */
    struct list over;   /* in v1.over, while its run is */
    struct list of_run;
    struct v1_run *run;
    struct v1_name name;  /* what its caller knows; id "": was not told yet */
    struct v1_name alias; /* upstream's, where that is another; of one record of a run */
    const char *tenant;   /* NULL: there are no API keys */
    int64_t created_ms;   /* since 1970 */
    int64_t left_ms;      /* when its caller cancelled it while others went on; 0: not */
};

enum v1_at { V1_QUEUED, V1_RUNNING, V1_OVER };

/* What a run needs until it is over. */
struct v1_work {
    struct v1_run *run;
    struct slot_wait wait;
    struct timer queue_limit;
    struct budget_hold hold; /* what it is thought to cost */
    struct raw_run raw;
    struct prediction p;
    bool cancelled;
    uint64_t begun_ns; /* when it began upstream; 0: not yet */
};

struct v1_run {
    struct v1 *v1;
    struct order *order;
    struct v1_work *work;          /* NULL: it is over */
    const struct feature *feature; /* that runs the same model; NULL: none */
    enum class class;
    const char *tenant; /* of the first who asked */
    enum v1_at at;
    struct limiter *limiter; /* a slot of it is held, or waited for, while not NULL */
    int64_t cost_nano;
    struct list records, waiters;
    bool settling;           /* records may go, but it stays */
    struct v1_run *next_key; /* with the same hash */
    bool keyed;              /* others find it by its key */
    uint64_t good_until_ns;  /* its result is given to others until then; 0: not */
    /* what the server said last */
    struct blob *said; /* NULL: nothing */
    enum replicate_status status;
    bool ended;             /* it said so */
    bool ready;             /* its files are there, though the books are still open */
    char *stream_url;       /* of its events; NULL: it has none */
    char id[V1_ID_MAX + 1]; /* its own; "": not known */
    uint64_t heard_ns;
    /* how it ended, if the server did not say */
    struct error err;
    int64_t ended_ms;
    uint64_t bytes; /* of v1.bytes */
};

enum v1_wants {
    WANTS_FIRST,  /* what the create says */
    WANTS_END,    /* Prefer: wait */
    WANTS_NEWS,   /* how it goes now */
    WANTS_STREAM, /* where its events are */
    WANTS_CANCEL  /* that it has stopped */
};

struct v1_waiter {
    struct list node;
    struct v1_record *record;
    struct exchange *x;
    char *base;
    enum v1_wants wants;
    bool creates;      /* it is answered as a create: 201, 202 or the refusal */
    bool joined;       /* another's run */
    uint64_t until_ns; /* of its wish */
    struct timer limit;
};

/* An answer about a model, for a while. */
struct v1_kept {
    char *path; /* NULL: none */
    struct blob *body;
    uint64_t until_ns;
};

struct v1 {
    struct v1_config config;
    struct classes *classes;
    struct list records, over;
    struct list relays;           /* of events, to readers */
    unsigned record_count, alive; /* runs that are not over */
    unsigned passes;
    uint64_t bytes; /* of bodies and of what was said about them */
    struct v1_name **name;
    struct v1_run **key;
    uint32_t mask; /* of both tables */
    struct v1_kept kept[V1_KEPT_MAX];
    uint64_t typical_ns[CLASS_COUNT]; /* of a run; 0: none yet */
    bool stopping;
};

uint64_t v1_now_ns(const struct v1 *v);

/* ---- what was asked for (front.c makes it, on a front thread) ---- */

enum v1_what { V1_CREATE, V1_GET, V1_CANCEL, V1_STREAM, V1_LIST, V1_PASS };

struct v1_call {
    struct message mail;
    struct v1 *v1;
    struct exchange *x; /* suspended */
    enum v1_what what;
    const char *tenant;
    struct slot_asker asker; /* of a create */
    char *base;
    char id[V1_ID_MAX + 1]; /* of a prediction; of a page: behind this one */
    struct order *order;    /* of a create */
    /* of a pass */
    const char *method;
    char *path;
    struct blob *body;
    char *content_type;
    bool keeps; /* the answer serves others for a while */
};

void v1_call_free(struct v1_call *c);
void v1_deliver(struct message *m); /* v1.c: the core's part */

/* ---- runs (runs.c) ---- */

/* Answers, or waits. Takes the order. */
void v1_create(struct v1_call *c);
void v1_cancel_record(struct v1_record *r);
void v1_run_free(struct v1_run *run); /* over, and nobody knows it any more */

/* ---- who is told, and what (answers.c) ---- */

/* Takes the call's exchange. What its create says if it is the record's create. */
void v1_wait(struct v1_call *c, struct v1_record *r, enum v1_wants wants, uint64_t for_ms);
void v1_wake(struct v1_run *run); /* there is news, or it is over */
/* The record as it is now. status: HTTP; cache: Cache-Status, NULL: none. */
void v1_answer_record(struct exchange *x, const char *base, struct v1_record *r, int status,
                      const char *cache);
void v1_answer_list(const struct v1_call *c);
/* In Replicate's shape, as all errors below /v1/. */
void v1_answer_error(struct exchange *x, const struct error *e);

/* ---- what it costs (money.c) ---- */

bool v1_reserve(struct v1_run *run, op_done_fn *on_done) MUST_CHECK; /* false: there is nothing to wait for */
void v1_settle(struct v1_run *run);                                  /* it is over, or will not run */
void v1_saved(const struct v1_run *run, const char *tenant);         /* somebody got its result from memory */

/* ---- events (events.c) ---- */

void v1_answer_stream(struct exchange *x, struct v1_record *r); /* as they come, or all if it is over */
void v1_end_relays(struct v1 *v);

/* ---- what is remembered (records.c) ---- */

void v1_records_init(struct v1 *v);
void v1_records_release(struct v1 *v);
struct v1_record *v1_record_new(struct v1_run *run, const char *tenant);
void v1_record_free(struct v1_record *r); /* nobody waits for it */
void v1_record_name(struct v1_record *r); /* gives it an id, if it has none */
void v1_record_alias(struct v1_record *r, const char *id);
struct v1_record *v1_record_find(const struct v1 *v, const char *id);
bool v1_record_belongs(const struct v1_record *r, const char *tenant);
void v1_records_over(struct v1_run *run); /* they may be forgotten from now on */
/* Forgets the oldest until there is room for one more, and for what is held. false: there is none. */
bool v1_make_room(struct v1 *v, uint64_t bytes) MUST_CHECK;
void v1_run_key(struct v1_run *run);
void v1_run_unkey(struct v1_run *run);
struct v1_run *v1_run_find(const struct v1 *v, const uint8_t key[static DIGEST_BYTES]);
void v1_run_holds(struct v1_run *run, uint64_t bytes); /* in place of what it held */

/* ---- what is handed on (pass.c) ---- */

void v1_pass(struct v1_call *c);            /* takes c */
void v1_pass_prediction(struct v1_call *c); /* one that is not remembered, or its cancel */
void v1_kept_release(struct v1 *v);
