/* replicate_run.h: one prediction on its way through Replicate, and what all of them share. Private to the
 * provider (replicate*.c); core thread, but for what says otherwise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/rng.h"
#include "http/client/client.h"
#include "metrics/metrics.h"
#include "predict/breaker.h"
#include "predict/bucket.h"
#include "predict/predict.h"
#include "predict/replicate_answer.h"
#include "predict/replicate_error.h"
#include "predict/replicate_hook.h"
#include "predict/replicate_input.h"
#include "predict/replicate_lookup.h"
#include "predict/replicate_raw.h"
#include "predict/shared_bucket.h"
#include "store/store.h"

_Static_assert((int)REPLICATE_ID_MAX == (int)PREDICTION_ID_MAX, "remote_id");

enum { REPLICATE_IDS_KEPT = 256, REPLICATE_VERSION_S = 3600, RAW_MODELS = 64 };

/* A model that no feature has, as raw runs name it. */
struct raw_model {
    char name[160];
    struct breaker breaker;
    unsigned users;   /* runs */
    uint64_t used_ns; /* when a run named it last */
};

/* The account: what its runs have in common. */
struct replicate {
    struct provider provider;
    struct remote_config config;
    const char *base_url; /* no slash at its end */
    char *authorization;
    struct rng rng;
    struct bucket bucket;
    struct shared_bucket *shared_bucket; /* NULL: the bucket is this gateway's own */
    struct breaker account;
    struct breaker model[FEATURE_COUNT]; /* at the first feature with that model */
    struct raw_model raw[RAW_MODELS];
    struct {
        char id[128];
        uint64_t until_ns;
        bool told;                                      /* that the pinned one is gone */
    } version[FEATURE_COUNT];                           /* resolved ones; likewise */
    char ids[REPLICATE_IDS_KEPT][REPLICATE_ID_MAX + 1]; /* of the latest predictions that runs call theirs */
    unsigned id_next;
    struct list runs;   /* of struct replicate_run */
    unsigned run_count; /* in it */
    struct replicate_hooks hooks;
    struct metrics_provider *metrics; /* NULL: nothing is counted */
};

/* Where a run is. What it does there, and what a cancel means: the table in replicate_run.c. */
enum run_at {
    RUN_STORE_INPUT, /* the picture goes to our own store */
    RUN_SEND_FILE,   /* the picture goes to the files API */
    RUN_RESOLVE,     /* which version does the model have? */
    RUN_ADMIT,       /* asks for a place in the account's bucket */
    RUN_CREATE,
    RUN_LOOK_UP, /* has the create made a prediction? */
    RUN_POLL,
    RUN_CANCEL,
    RUN_LAST_LOOK,   /* the cancel was refused: it is over, so how did it end? */
    RUN_DELETE_FILE, /* nobody waits any more */
    RUN_STATES
};

struct replicate_run {
    struct replicate *self;
    struct prediction *prediction; /* NULL once it is complete */
    struct list node;
    enum run_at at;
    bool pausing;  /* before it */
    bool telling;  /* inside on_progress: a cancel is only noted */
    bool news;     /* on_progress is due */
    enum err stop; /* CLIENT_GONE, DEADLINE: it is to end; NONE: not */
    uint64_t deadline_ns;
    struct timer timer;
    struct http_call call;
    struct store_put put;
    char *url; /* of the call; ours */
    char prefer[16], cancel_after[16], content_type[96];

    struct replicate_target target;
    struct buf image_url;               /* where the model finds the picture */
    bool by_url;                        /* it does so; else it goes inline */
    struct blob *form_head, *form_tail; /* around the picture, while the files API gets it */
    bool picture_ready;                 /* to be sent by a create of ours */
    char input_key[STORE_KEY_MAX + 1];  /* in our store; "": not there */
    char file_id[REPLICATE_ID_MAX + 1]; /* at the files API; "": not there */
    int64_t file_expires_s;             /* INT64_MAX: not told */
    bool file_fresh;                    /* not used yet: good, whatever the clocks say */

    unsigned tries_why[PROVIDER_AGAIN_REASONS]; /* further ones so far; throttled ones first */
    bool has_place;
    struct bucket_ask ask;
    struct bucket_place place;
    enum breaker_pass account, model; /* REFUSED: not entered, or left */
    struct breaker *breaker;          /* of the model; NULL: none */
    struct raw_model *raw_model;      /* where that is, of a model that no feature has */
    bool failing;                     /* the server's or the platform's fault: counts for the breaker */
    bool processing;                  /* the model has begun */

    struct blob *body; /* of the create */
    int64_t sent_s;    /* when it was first sent; since 1970, */
    bool dated;        /* by the server's clock */
    bool resuming;     /* it was sent by an earlier process, if at all */
    bool known_before; /* an earlier process knew it, and may have made the next one already */
    bool settled;      /* what came of it is in the list before the last look, or nothing came of it */
    bool made;         /* an answer said that there is one */
    unsigned looks, bad_looks, pages;
    char vain[REPLICATE_ID_MAX + 1]; /* what was seen meanwhile, as in replicate_found */
    char next_page[512];

    char id[REPLICATE_ID_MAX + 1], get_url[512], cancel_url[512];
    unsigned polls;
    unsigned refusals; /* of polls, in a row */
    struct blob *hook; /* what a webhook said and is not judged yet; NULL: nothing */
    bool swept;        /* this answer was asked for, and no webhook came */
    uint64_t heard_ns; /* when the server last told about it */
    unsigned cancels;
};

void replicate_run_start(struct replicate *self, struct prediction *p);
void replicate_run_give_up(struct replicate_run *run); /* at the end of the program: clean-up only */

/* ---- moving; nothing of the run may be touched after these ---- */

void run_go(struct replicate_run *run, enum run_at next);
void run_fail(struct replicate_run *run, const struct error *e);
void run_finish(struct replicate_run *run, int result); /* the prediction's outputs or err are filled */
void run_stopped(struct replicate_run *run);            /* as run->stop says */
void run_pause_until(struct replicate_run *run, uint64_t at_ns, enum run_at next);
void run_note(struct replicate_run *run); /* tells what is to be remembered; the caller goes on */
/* Pauses, then goes there; fails with e if that is later than anybody waits. */
void run_pause(struct replicate_run *run, uint64_t wait_ns, enum run_at next, const struct error *e);
/* The same with the wait of a further try, for the reason why (PROVIDER_AGAIN_…); fails with e if there is
 * none left. */
unsigned run_tries_left(const struct replicate_run *run, enum provider_count why);
void run_again(struct replicate_run *run, enum run_at next, enum provider_count why, const struct error *e);

/* ---- one call (replicate_call.c) ---- */

/* Order: prepare run->call on base URL + path, or on a whole URL below it; add to it; start. */
struct http_call *run_call_prepare(struct replicate_run *run, const char *method, const char *path);
void run_call_header(struct replicate_run *run, const char *name, const char *value); /* texts stay */
void run_call_start(struct replicate_run *run);
void run_put_start(struct replicate_run *run);     /* run->put, likewise */
void run_ask_start(struct replicate_run *run);     /* run->ask, likewise */
bool run_call_ok(const struct replicate_run *run); /* 2xx */
struct replicate_reply run_call_reply(const struct replicate_run *run, enum replicate_call call);
/* What to do about a call that was not ok; its effects on the account have been seen to. For creates also
 * what the connection's failure means. */
void run_call_problem(struct replicate_run *run, enum replicate_call call, struct replicate_problem *ret);
enum provider_count run_why(const struct replicate_run *run, const struct replicate_problem *p);
/* The same for a call that costs nothing: tries it again, or fails. */
void run_call_failed(struct replicate_run *run, enum replicate_call call);

/* ---- the picture (replicate_picture.c) ---- */

/* Where the picture goes: RUN_CREATE if it is ready to be sent. */
enum run_at run_picture(struct replicate_run *run);
enum run_at run_to_create(struct replicate_run *run); /* the same, if that has not been seen to yet */
void run_picture_as_it_was(struct replicate_run *run, const char *url); /* for a look-up; NULL: not known */
void store_input_enter(struct replicate_run *run);
void store_input_done(struct replicate_run *run);
void send_file_enter(struct replicate_run *run);
void send_file_done(struct replicate_run *run);
bool run_picture_expired(const struct replicate_run *run);
void run_picture_sent(struct replicate_run *run);   /* or not: what was made for sending it goes */
void run_picture_forget(struct replicate_run *run); /* removes it from our store; not from the files API */

/* ---- create, and whether it came about (replicate_create.c) ---- */

void admit_enter(struct replicate_run *run);
void admit_done(struct replicate_run *run);
void create_enter(struct replicate_run *run);
void create_done(struct replicate_run *run);
void look_up_enter(struct replicate_run *run);
void look_up_done(struct replicate_run *run);
void run_look_up(struct replicate_run *run); /* a create has gone out, and its outcome is not known */
/* The same for one that an earlier process was about to send at intent_s. */
void run_look_up_earlier(struct replicate_run *run, int64_t intent_s);

/* ---- waiting for a known prediction, and cancelling it (replicate_wait.c) ---- */

void run_judge(struct replicate_run *run, const struct replicate_reply *reply); /* a 2xx: what does it say? */
void run_know(struct replicate_run *run, const char *id);     /* this prediction is the run's */
uint64_t run_polls_apart_ms(const struct replicate_run *run); /* at least, as the account has many */
void run_take_hook(struct replicate_run *run, struct blob *body);
void poll_enter(struct replicate_run *run);
void poll_done(struct replicate_run *run);
void cancel_enter(struct replicate_run *run);
void cancel_done(struct replicate_run *run);
void last_look_enter(struct replicate_run *run);
void last_look_done(struct replicate_run *run);

/* ---- raw runs (replicate_raw.c) ---- */

void replicate_raw_init(struct replicate *self);
void replicate_raw_release(struct replicate *self);
void replicate_raw_join(
    struct replicate_run *run); /* sets its breaker, and its feature if one has the model */
void replicate_raw_leave(struct replicate_run *run); /* accepts any run */
/* What the server said goes to the owner; does nothing for a run that is not raw. */
void replicate_raw_tell(const struct replicate_run *run, const struct replicate_reply *reply,
                        const struct replicate_answer *a);
void replicate_raw_refused(const struct replicate_run *run); /* keeps why */

/* ---- the account (replicate.c) ---- */

/* 0, or PROVIDER_UNAVAILABLE: one of the breakers is open. model: NULL: none. */
int replicate_breakers_allow(struct replicate *self, struct breaker *model, struct error *e) MUST_CHECK;

unsigned replicate_model_slot(const struct feature *f);
void replicate_keep_version(struct replicate *self, const struct feature *f, const char *version);
void replicate_drop_version(struct replicate *self, const struct feature *f,
                            const char *version); /* if kept */
void replicate_notice(const struct replicate *self, const char *event, const char *model, const char *said);
void replicate_know_id(struct replicate *self, const char *id);
bool replicate_id_known(const void *self, const char *id);
bool replicate_id_taken(const void *self, const char *id); /* known, or a run's that is under way */
