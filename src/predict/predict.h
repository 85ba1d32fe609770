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
#include "base/macros.h"
#include "cache/cache.h"
#include "imaging/imaging.h"
#include "loop/op.h"
#include "tables/error.h"
#include "tables/features.h"

struct provider;

struct prediction_output {
    struct blob *blob; /* the prediction's reference */
    enum image_type type;
    uint32_t width, height; /* 0: not known */
};

struct prediction {
    struct op op;
    /* in: set by the owner, unchanged until the op is done */
    const struct feature *feature;
    const struct params *params;
    struct blob *input; /* the owner's reference */
    struct image_info info;
    enum image_type wanted;                    /* what the caller would like back */
    void (*on_progress)(struct prediction *p); /* core thread; NULL: none */
    /* out */
    struct prediction_output output[RESULT_OUTPUTS_MAX];
    unsigned output_count;
    const char *model;   /* what ran; static text */
    const char *network; /* local runs; else NULL */
    char reason[128];
    struct error err;
    bool paid;            /* money has been spent, or may have been: from now on it is better to finish */
    unsigned done, total; /* progress, in the provider's units */
    void *driver;         /* the provider's own, while running */
};

struct provider_ops {
    const char *name; /* in meta.ran_on */
    bool own_limiter; /* true: one at a time, not limited by the class */
    int (*available)(struct provider *p, const struct feature *f,
                     struct error *e);                                /* cheap, any thread; 0 or negative */
    void (*start)(struct provider *p, struct prediction *prediction); /* op not yet begun */
    void (*tick)(struct provider *p); /* housekeeping, once a second; NULL: none */
    void (*free)(struct provider *p);
};

struct provider {
    const struct provider_ops *ops;
};

void provider_start(struct provider *p, struct prediction *prediction, op_done_fn *on_done);
void provider_free(struct provider *p);                 /* accepts NULL */
void prediction_release(struct prediction *prediction); /* drops the outputs */

struct lane;
struct local;
struct loop;

/* This machine's CPU: runs on the inference lane. Borrows all three. */
struct provider *provider_local_new(struct local *local, struct lane *inference, struct loop *loop,
                                    const struct options *opt) MUST_CHECK;
/* Hands the picture back unchanged at once: measures everything but the model. */
struct provider *provider_instant_new(struct loop *loop) MUST_CHECK;
