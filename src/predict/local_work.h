/* local_work.h: inside of the local provider. What a feature is on this machine, run on the inference lane.
 *
 * Order: fill the input half of a zeroed struct local_work, local_work_run, take the outputs. Blocking, for
 * seconds to minutes. Rows: local_work.c. */
#pragma once

#include <stdatomic.h>

#include "base/macros.h"
#include "local/local.h"
#include "predict/predict.h"

struct local_work {
    /* in */
    struct local *local;
    const struct options *opt;
    const struct prediction *prediction; /* its input half */
    const atomic_bool *cancelled;
    void (*progress)(void *ctx, unsigned done, unsigned total); /* on the calling thread */
    void *ctx;
    /* out; err is filled on failure, and then there are no outputs */
    struct prediction_output output[RESULT_OUTPUTS_MAX];
    unsigned output_count;
    const char *model; /* static text */
    char reason[128];
    struct error err;
};

/* 0; PROVIDER_UNAVAILABLE: not done here, or something is missing on the disk. Any thread. */
int local_work_available(const struct local *local, const struct feature *f, struct error *e) MUST_CHECK;
int local_work_run(struct local_work *w) MUST_CHECK;
