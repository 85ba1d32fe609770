/* cog_body.h: the body of POST /predictions, and what its answer means. Pure; any thread. */
#pragma once

#include "base/blob.h"
#include "base/macros.h"
#include "predict/output_walk.h"
#include "predict/predict.h"
#include "predict/replicate_error.h"

/* The same input as for Replicate, the picture in it as a data URL of any size. id: the run's, for cancelling
 * it. 0: *ret is the caller's. */
int cog_body_make(const struct prediction *p, const char *id, struct blob **ret, struct error *e) MUST_CHECK;

enum cog_next {
    COG_DONE,  /* the outputs are there */
    COG_FAIL,  /* err says why; it would again */
    COG_RETRY, /* err says why; it ran, or began to, and might do better another time */
    COG_FULL,  /* there is no room now */
    COG_NOT_UP /* its set-up has not ended, or its model has died */
};

struct cog_answer {
    enum cog_next next;
    unsigned wait_s;                                     /* FULL, NOT_UP: asked for; 0: nothing said */
    struct prediction_output output[RESULT_OUTPUTS_MAX]; /* DONE: the caller's, blobs and urls */
    unsigned output_count;
    enum replicate_refusal refusal; /* FAIL: of its input; else NONE */
    struct error err;
};

void cog_answer_read(const struct replicate_reply *reply, const struct output_limits *limits,
                     struct cog_answer *ret);
