/* request.h: one request, from its headers to its answer.
 *
 * `ls src/request` is the way it goes: 010_receive … 120_respond, one file a stage, in the order of the table
 * in stages.c; pipeline.c is the only one that calls them. A stage owns the sub-struct of its name below and
 * writes nothing else (but err, when it fails).
 *
 * Owner: the front thread until the request crosses to the core (before 040), the core thread from then on.
 * Memory: the arena, bodies and blobs are let go when the request is freed, which the pipeline does after
 * 120.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/list.h"
#include "cache/cache.h"
#include "cache/claim.h"
#include "imaging/compose.h"
#include "imaging/imaging.h"
#include "limiter/limiter.h"
#include "limiter/rate.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "money/budgets.h"
#include "predict/predict.h"
#include "request/cache_control.h"
#include "store/body.h"
#include "store/store.h"
#include "tables/error.h"
#include "tables/features.h"

struct request;
struct services;
struct flight;
struct flights;
struct loop_uv;
struct history;
struct metrics;
struct prices;
struct signer;
struct put_group;
struct picture_fetch;
struct output_fetch;
struct child;
struct comic_names;
struct story;
struct uploads;
struct object_checks;
struct warming;
struct prefetch;
struct http_client_pool;
struct job;
struct job_desk;
struct job_ticket;
struct journal;
struct run_intent;
struct run_resume;
struct key_weights;

enum stage_id {
    STAGE_RECEIVE,
    STAGE_FETCH,
    STAGE_VALIDATE,
    STAGE_ACCEPT,
    STAGE_LOOKUP,
    STAGE_JOIN,
    STAGE_SHARED,
    STAGE_PRESCALE,
    STAGE_QUEUE,
    STAGE_BUDGET,
    STAGE_INTENT,
    STAGE_RUN,
    STAGE_READ_OUTPUT,
    STAGE_COMPOSE,
    STAGE_STORE,
    STAGE_SETTLE,
    STAGE_MEASURE,
    STAGE_RESPOND,
    STAGE_COUNT
};

enum { PROVIDERS_MAX = 4 };

struct field {
    struct field *next;
    const char *name, *value;
};

/* Whoever waits for the answer: an HTTP exchange, the command line, the simulator. */
struct client_ops {
    void (*suspend)(struct request *req); /* front thread: the request is about to cross to the core */
    void (*watch)(struct request *req);   /* core thread: tell request_client_left when the client goes */
    void (*answer)(struct request *req);  /* exactly once; req->err or req->settle.result says what */
    void (*progress)(struct request *req, unsigned done, unsigned total); /* may be NULL */
    void (*moved)(struct request *req); /* core thread: it waits in another stage now; may be NULL */
    /* Where the client reaches us, without a slash at its end, as long as the request lives; NULL: nowhere.
     */
    const char *(*base_url)(struct request *req);
};

struct request {
    struct services *svc;
    struct arena arena;
    const struct feature *feature;
    const char *id;                  /* x-request-id */
    const char *tenant;              /* whose results these are; NULL: everybody's */
    uint64_t caller;                 /* who shares a share of the slots: the tenant, or an address */
    enum slot_priority priority;     /* what its Priority header says */
    bool promised;                   /* it was accepted: no queue is too full for it */
    const struct client_ops *client; /* NULL once the client has left */
    void *client_state;
    struct cache_wish wish; /* what its Cache-Control says */
    struct {
        bool async;           /* it does not wait for the answer */
        int64_t wait_s;       /* or only so long; -1: it does not say */
        const char *key;      /* Idempotency-Key; NULL: none */
        const char *parent;   /* the batch that it belongs to; NULL: none */
        const char *callback; /* where the end of its job is to be told; NULL: nowhere */
    } ask;
    struct job *job;        /* whose work it is; NULL: it is none's */
    const char *row;        /* of a part of that work: its own row in the journal; NULL: the job's is its */
    enum image_type wanted; /* what the client would like back; IMAGE_UNKNOWN: what suits the upload */
    struct list node;       /* in services.live, while on the core */
    struct message mail;    /* carries it from the front to the core */

    enum stage_id at;
    bool on_core;
    bool cancelled; /* stop at the next chance; err says why */
    bool ahead;     /* nobody has asked for it yet (prefetch.h) */
    bool spent;     /* a model ran, or may have: what fails now is not done again for a twin */
    uint64_t entered_ns[STAGE_COUNT]; /* when each stage began; 0: not reached */
    uint64_t left_ns[STAGE_COUNT];    /* when it was over */
    struct op *waiting;               /* what the stage waits for; NULL while it runs */
    struct timer limit;               /* of the stage's wait */
    struct error err;

    struct {
        struct body *body[IMAGES_MAX]; /* the uploads, in the order of the feature's rows; NULL: none came */
        const char *url[IMAGES_MAX];   /* or where they are; NULL: not given */
        const char *url_field[IMAGES_MAX]; /* the field that said so */
        const uint8_t *digest[IMAGES_MAX]; /* or the digests of what came before; NULL: not given */
        struct field *fields;              /* text fields in the order they came, newest first */
        bool known;                        /* who asks may */
        bool complete;                     /* all of it is here */
        uint64_t admitted_ns;   /* when its headers had passed; 0: they were no question, or have not */
        struct rate_state rate; /* limit 0: not counted */
    } receive;
    struct {
        struct picture_fetch *pictures; /* under way */
    } fetch;
    struct {
        struct params params;
        enum image_type type;
        const uint8_t *digest[IMAGES_MAX]; /* of the pictures that count; NULL: there is none */
        uint8_t key[DIGEST_BYTES];
    } validate;
    struct {
        struct job_ticket *ticket; /* NULL: it becomes no job */
    } accept;
    struct {
        struct result *hit;
        bool by_pixels; /* found by what is to be seen on the picture */
        bool passed_by; /* the wish forbade what was, or could have been, there */
    } lookup;
    struct {
        struct op op;          /* a follower's wait */
        struct list node;      /* among the flight's followers */
        struct flight *flight; /* while leading or following */
        bool leads;
        bool collapsed; /* the answer came from a twin's run */
    } join;
    struct {
        struct claim *claim; /* NULL: nobody was asked */
    } shared;
    struct {
        struct lane_job job;
        struct prescaled out;         /* its image becomes input */
        struct body *input;           /* what the model gets */
        struct image_info *list;      /* of each picture, where there is a list of them */
        bool has_pixels;              /* its pixels lead to a key too */
        uint8_t pixels[DIGEST_BYTES]; /* their digest, then that key */
        bool will_wait;               /* no slot was free when it began */
        struct error err;             /* the job's, on the lane thread */
    } prescale;
    struct {
        struct slot_wait wait;
        struct provider *provider; /* NULL for one that composes another's result */
        unsigned choice;           /* its index; those before it have failed or are switched off */
        bool degraded;             /* it is not the first one that is set up for the feature */
        struct limiter *limiter;   /* a slot of it is held while not NULL */
        struct list lent;          /* of one made ahead: while it holds its slot (prefetch.h) */
    } queue;
    struct {
        struct budget_hold hold; /* what its run is thought to cost; settled in 070, or 100 */
    } budget;
    struct {
        struct run_intent *made;   /* of the run that is about to be paid for; NULL: none was needed */
        struct run_resume *resume; /* a run of an earlier process; NULL: none */
        unsigned hold;             /* journal_hold of then */
    } intent;
    struct {
        int64_t cost_nano;   /* of its predictions so far, in billionths of a dollar */
        int64_t saved_nano;  /* as they ran on machines of our own */
        uint64_t earlier_ns; /* with providers that failed */
        struct prediction *prediction;
        struct child *child; /* the request for the step, if the feature composes its result */
        struct story *story; /* of a feature that tells one */
        bool repeated;       /* the step was done twice, as its stored result had gone */
        unsigned done, total;
    } run;
    struct {
        struct output_fetch *outputs; /* under way */
        struct store_get *stored;     /* the same, of a step's result */
    } read;
    struct {
        struct lane_job job;
        struct composed made; /* its image becomes the output */
        struct error err;     /* the job's, on the lane thread */
    } compose;
    struct {
        struct put_group *group;
        const char **key; /* of the stored outputs, in order */
    } store;
    struct {
        struct result *result; /* what is answered */
        bool stored;           /* it went into the cache */
    } settle;
};

/* What all requests share; app.c fills it. Borrowed, alive as long as any request. */
struct services {
    const struct options *opt;
    struct loop *loop;
    struct lane *imaging;
    struct cache *cache;
    struct object_checks *object_checks; /* of what it remembers; NULL: none */
    struct shared *shared;               /* the cache's tier in Redis; NULL: none */
    struct claims *claims;               /* leases there; NULL: none */
    struct store *store;
    struct spool *spool;
    struct uploads *uploads; /* pictures that may be named by their digest; NULL: none */
    struct signer *signer;
    struct loop_uv *uv; /* for watching sockets; NULL where there are none */
    struct metrics *metrics;
    const struct prices *prices; /* NULL: nothing costs anything */
    struct budgets *budgets;     /* NULL: there are none */
    struct history *history;     /* NULL: none is kept */
    struct warming *warming;     /* of the cache; NULL: none */
    struct prefetch *prefetch;   /* runs likely steps ahead; NULL: none */
    struct flights *flights;
    struct job_desk *desk;                    /* takes what is to be a job; NULL: nobody does */
    struct journal *journal;                  /* of runs that are paid for; NULL: none is kept */
    struct provider *provider[PROVIDERS_MAX]; /* where models run, in the order in which they are asked */
    unsigned provider_count;
    struct limiter *class_limiter[CLASS_COUNT];
    struct limiter *local_limiter;
    struct limiter *step_limiter;      /* of requests that compose another's result */
    struct limiter *story_limiter;     /* of requests that tell a story */
    struct limiter *fetch_limiter;     /* of requests that fetch pictures */
    struct comic_names *comic_names;   /* of stories that are being told */
    struct http_client_pool *fetch;    /* for what others name; NULL: nothing can be fetched */
    const struct key_weights *weights; /* of tenants' shares of the slots; NULL: all the same */
    struct rate *rate;                 /* NULL: no limits per caller */
    struct list live;                  /* requests on the core, oldest first; core thread */
    _Atomic uint64_t open;             /* requests alive anywhere */
    _Atomic bool draining;             /* refuse new work */
    bool log_requests;                 /* one line a request */
};

struct request *request_new(struct services *svc, const struct feature *f, const char *id,
                            const struct client_ops *client, void *client_state, uint64_t now_ns) MUST_CHECK;

/* The pipeline. Start runs stage 010's enter; resume is for the one who waited outside the core's ready queue
 * (the body has come); both run stages until one waits or the request is over, and then it may be freed. */
void request_start(struct request *req);
void request_resume(struct request *req);

void request_add_field(struct request *req, const char *name, const char *value); /* copies both */
struct image_limits image_limits_of(const struct options *opt);                   /* of uploads */
const char *request_tenant(const struct request *req); /* as far as it divides what is kept; NULL: not */
struct body *request_image(const struct request *req); /* what the model is to work on */
const struct result *request_result(const struct request *req); /* what is answered; NULL: it failed */
bool request_shares(const struct request *req); /* its result may be remembered and given to others */
uint64_t request_stage_ns(const struct request *req, enum stage_id stage); /* spent in it; 0: not reached */

/* The client has gone: nobody wants the answer. What that means in each state is said in cancel.c. Core
 * thread. */
void request_client_left(struct request *req);
/* Somebody waits for the answer, or for the same. Core thread. */
bool request_wanted(const struct request *req);
/* A twin of this leader has left: it stops too if now nobody waits and nothing is paid. Core thread. */
void request_stop_unwanted(struct request *req);
/* The request stops as soon as it can and fails with req->err, which the caller has set. Core thread. */
void request_cancel(struct request *req);
