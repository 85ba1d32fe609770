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
#include "imaging/imaging.h"
#include "limiter/limiter.h"
#include "limiter/rate.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "predict/predict.h"
#include "store/body.h"
#include "store/store.h"
#include "tables/error.h"
#include "tables/features.h"

struct request;
struct services;
struct flight;
struct flights;
struct loop_uv;
struct metrics;
struct signer;
struct put_group;

enum stage_id {
    STAGE_RECEIVE,
    STAGE_VALIDATE,
    STAGE_LOOKUP,
    STAGE_JOIN,
    STAGE_PRESCALE,
    STAGE_QUEUE,
    STAGE_RUN,
    STAGE_READ_OUTPUT,
    STAGE_STORE,
    STAGE_SETTLE,
    STAGE_MEASURE,
    STAGE_RESPOND,
    STAGE_COUNT
};

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
};

struct request {
    struct services *svc;
    struct arena arena;
    const struct feature *feature;
    const char *id;                  /* x-request-id */
    const struct client_ops *client; /* NULL once the client has left */
    void *client_state;
    enum image_type wanted; /* what the client would like back; IMAGE_UNKNOWN: what suits the upload */
    struct list node;       /* in services.live, while on the core */
    struct message mail;    /* carries it from the front to the core */

    enum stage_id at;
    bool on_core;
    bool cancelled;                   /* stop at the next chance; err says why */
    uint64_t entered_ns[STAGE_COUNT]; /* when each stage began; 0: not reached */
    uint64_t left_ns[STAGE_COUNT];    /* when it was over */
    struct op *waiting;               /* what the stage waits for; NULL while it runs */
    struct timer limit;               /* of the stage's wait */
    struct error err;

    struct {
        struct body *body;      /* the upload; NULL: none came */
        struct field *fields;   /* text fields in the order they came, newest first */
        bool complete;          /* all of it is here */
        struct rate_state rate; /* limit 0: not counted */
    } receive;
    struct {
        struct params params;
        enum image_type type;
        uint8_t key[DIGEST_BYTES];
    } validate;
    struct {
        struct result *hit;
    } lookup;
    struct {
        struct op op;          /* a follower's wait */
        struct list node;      /* among the flight's followers */
        struct flight *flight; /* while leading or following */
        bool leads;
        bool collapsed; /* the answer came from a twin's run */
    } join;
    struct {
        struct lane_job job;
        struct prescaled out; /* its image becomes input */
        struct body *input;   /* what the model gets */
        bool will_wait;       /* no slot was free when it began */
        struct error err;     /* the job's, on the lane thread */
    } prescale;
    struct {
        struct slot_wait wait;
        struct provider *provider;
        struct limiter *limiter; /* a slot of it is held while not NULL */
    } queue;
    struct {
        struct prediction *prediction;
        unsigned done, total;
    } run;
    struct {
        struct put_group *group;
        const char **key; /* of the stored outputs, in order */
    } store;
    struct {
        struct result *result; /* what is answered */
    } settle;
};

/* What all requests share; app.c fills it. Borrowed, alive as long as any request. */
struct services {
    const struct options *opt;
    struct loop *loop;
    struct lane *imaging;
    struct cache *cache;
    struct store *store;
    struct spool *spool;
    struct signer *signer;
    struct loop_uv *uv; /* for watching sockets; NULL where there are none */
    struct metrics *metrics;
    struct flights *flights;
    struct provider *provider; /* where models run */
    struct limiter *class_limiter[CLASS_COUNT];
    struct limiter *local_limiter;
    struct rate *rate;     /* NULL: no limits per caller */
    struct list live;      /* requests on the core, oldest first; core thread */
    _Atomic uint64_t open; /* requests alive anywhere */
    _Atomic bool draining; /* refuse new work */
    bool log_requests;     /* one line a request */
};

struct request *request_new(struct services *svc, const struct feature *f, const char *id,
                            const struct client_ops *client, void *client_state, uint64_t now_ns) MUST_CHECK;

/* The pipeline. Start runs stage 010's enter; resume is for the one who waited outside the core's ready queue
 * (the body has come); both run stages until one waits or the request is over, and then it may be freed. */
void request_start(struct request *req);
void request_resume(struct request *req);

void request_add_field(struct request *req, const char *name, const char *value); /* copies both */
const struct result *request_result(const struct request *req); /* what is answered; NULL: it failed */
uint64_t request_stage_ns(const struct request *req, enum stage_id stage); /* spent in it; 0: not reached */

/* The client has gone: nobody wants the answer. What that means in each state is said in cancel.c. Core
 * thread. */
void request_client_left(struct request *req);
/* A twin of this leader has left: it stops too if now nobody waits and nothing is paid. Core thread. */
void request_stop_unwanted(struct request *req);
/* The request stops as soon as it can and fails with req->err, which the caller has set. Core thread. */
void request_cancel(struct request *req);
