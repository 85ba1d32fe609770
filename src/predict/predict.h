/* predict.h: one model run, whoever runs it.
 *
 * Order: fill the input half of a zeroed struct prediction, provider_start, wait for its op, read the output
 * half, prediction_release. Everything on the core thread; a provider brings its own threads or sockets.
 * Cancelling the op asks the provider to stop; it completes with -ERR_CLIENT_GONE, or with its result if that
 * came first. Errors: negative ERR_ with err filled. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/macros.h"
#include "cache/cache.h"
#include "imaging/imaging.h"
#include "loop/op.h"
#include "tables/error.h"
#include "tables/features.h"

struct output_list;
struct provider;
struct raw_run;

enum { PREDICTION_ID_MAX = 64 };

enum may_pay { PAY_NOW, PAY_LATER, PAY_NEVER };

struct prediction_output {
    struct blob
        *blob; /* the prediction's reference; NULL while the bytes are still at url; a writer's text */
    char *url; /* where stage 080 fetches them, without any token; the prediction's; NULL: in blob */
    enum image_type type;
    uint32_t width, height; /* 0: not known */
    const char *mime;       /* of what is no picture; static text; NULL: it is one of type */
    char file[24]; /* its name in the prediction's folder, "page-1.png"; "": it gets one of its own */
};

/* One of a list of pictures. */
struct prediction_picture {
    struct blob *blob; /* the owner's reference */
    struct image_info info;
};

struct prediction {
    struct op op;
    /* in: set by the owner, unchanged until the op is done */
    const struct feature *feature;
    const struct params *params;
    struct blob *input; /* the owner's reference; NULL: the feature takes no picture, or see resume_id */
    struct image_info info;
    struct prediction_picture *more; /* of a list: those after input, more_count of them; NULL: none */
    unsigned more_count;
    enum image_type wanted;                    /* what the caller would like back */
    uint64_t deadline_ns;                      /* on the loop's clock: nobody waits longer */
    const char *id;                            /* the request's, for logs */
    void (*on_progress)(struct prediction *p); /* core thread; NULL: none */
    /* What an earlier process knew of this run, which may have been paid for. A provider whose runs cost no
     * money passes over it and runs anew. What the input is made of must be what it was then: params, the
     * picture's bytes, wanted. With resume_id input may be NULL: then the run is followed, but not made anew
     * if it is lost. */
    const char *resume_id;   /* the provider's id: it is asked about, and nothing is made; NULL: not known */
    int64_t resume_intent_s; /* else: a run was about to be made, since 1970; 0: none. It is looked for, and
                                made only if it provably was not; if that cannot be known UNKNOWN_OUTCOME */
    const char *resume_input_url; /* where the picture was then; NULL: inline, or not known */
    /* Names the run in what the provider keeps about it, so that it is found by that for certain where
     * webhooks are on: letters, digits, - and _; the same when it is resumed, another for each run. NULL:
     * none. */
    const char *mark;
    /* Core thread; NULL: none. remote_id or remote_input is known, or remote_id is "" again, as that run was
     * lost by the provider and another is about to be made. Told before what costs money goes out. */
    void (*on_note)(struct prediction *p);
    /* Core thread; NULL: always. Asked right before what costs money goes out. LATER: it waits a second and
     * asks again, NEVER: it fails with DATABASE; nothing was paid. */
    enum may_pay (*may_pay)(const struct prediction *p);
    struct raw_run *raw; /* in the caller's own words (replicate_raw.h); then there is no feature, nor what
                            belongs to one. NULL: a feature's */
    /* out */
    char remote_id[PREDICTION_ID_MAX + 1]; /* the provider's, for resume_id; "": not known */
    const char *remote_input;              /* where the picture is, for resume_input_url; during on_note */
    struct prediction_output output[RESULT_OUTPUTS_MAX];
    unsigned output_count;
    const char *model;   /* what ran; static text */
    char version[128];   /* of it, if it is another one than the feature's row says; else "" */
    const char *network; /* local runs; else NULL */
    char reason[128];
    char folder[80]; /* of outputs that have a name in it: no other has it; below the feature's prefix */
    char *detail;    /* JSON for the answer; the prediction's; NULL: none */
    struct error err;
    bool paid; /* money has been spent, or may have been: it is better to finish. A provider may take it back
                  (the model has not begun yet), and calls on_progress then */
    uint64_t
        billed_ns; /* how long it ran by the provider's own clock, all tries together; 0: it did not say */
    unsigned done, total; /* progress, in the provider's units */
    void *driver;         /* the provider's own, while running */
};

struct provider_ops {
    const char *name; /* in meta.ran_on */
    bool remote;      /* the picture goes to its models as a file, which must be of a type that they take */
    bool bills;       /* its runs cost money: none may be begun twice */
    bool own_limiter; /* true: one at a time, not limited by the class */
    /* 0: it can run this feature now; PROVIDER_UNAVAILABLE: not set up for it, or switched off for a while
     * (then with retry_after_s). Cheap, any thread. */
    int (*available)(struct provider *p, const struct feature *f, struct error *e);
    void (*start)(struct provider *p, struct prediction *prediction); /* op not yet begun */
    void (*tick)(struct provider *p); /* housekeeping, once a second; NULL: none */
    /* Appends ,"name":"value" pairs about breakers and servers to a JSON object. Any thread; NULL: none. */
    void (*describe)(struct provider *p, struct buf *out);
    void (*free)(struct provider *p);
};

struct provider {
    const struct provider_ops *ops;
};

void provider_start(struct provider *p, struct prediction *prediction, op_done_fn *on_done);
void provider_free(struct provider *p);                 /* accepts NULL */
void prediction_release(struct prediction *prediction); /* drops the outputs */
const char *prediction_output_mime(const struct prediction_output *out);
/* All that the run is made of is here: it could be begun, or begun anew. */
bool prediction_whole(const struct prediction *prediction);

/* For providers: what the model gave, as outputs: texts of one that writes, else addresses and bytes, at most
 * RESULT_OUTPUTS_MAX. How many. */
unsigned prediction_take_outputs(struct output_list *list, bool writes, struct prediction_output *ret);

struct lane;
struct local;
struct loop;

/* This machine's CPU: runs on the inference lane. Borrows all three. */
struct provider *provider_local_new(struct local *local, struct lane *inference, struct loop *loop,
                                    const struct options *opt) MUST_CHECK;
/* Hands the picture back unchanged, at once or after INSTANT_MS: measures everything but the model. */
struct provider *provider_instant_new(struct loop *loop, const struct options *opt) MUST_CHECK;

struct http_client_pool;
struct store;

struct metrics;
struct redis;

struct remote_config {
    const struct options *opt;
    struct loop *loop;
    struct http_client_pool *pool; /* for the calls to the API: no guard, the operator named the address */
    struct store *store;     /* large inputs are put there while they are needed, if the world can reach it */
    struct lane *lane;       /* large answers are decoded there; NULL: on the core thread */
    struct metrics *metrics; /* NULL: nothing is counted */
    struct redis *limits;    /* where gateways have an account's limits together; not started; NULL: alone */
    /* For the operator's log: what has happened to an account or to a model ("": to the account), and what
     * the server said, without secrets. Core thread; NULL: nobody listens. */
    void (*notice)(const char *provider, const char *event, const char *model, const char *said);
};

/* Replicate, or whoever speaks like it. Borrows all of config. */
struct provider *provider_replicate_new(const struct remote_config *config) MUST_CHECK;
struct webhook_headers;
/* A webhook's delivery, as it came. 0: thank you; UNAUTHORIZED; PROVIDER_UNAVAILABLE: come again. Any thread.
 */
int provider_replicate_hook(struct provider *p, const struct webhook_headers *headers,
                            struct blob *body) MUST_CHECK;
/* Cog servers. VALIDATION: COG_ENDPOINTS cannot be read, or names a feature that is not there. */
int provider_cog_new(const struct remote_config *config, struct provider **ret, struct error *e) MUST_CHECK;
