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
    char folder[80]; /* of outputs that have a name */
    char *detail;    /* the taker's; NULL: none */
    struct error err;
};

/* What the rows' functions share: takes the reference; how many threads may work. */
struct prediction_output *local_work_add(struct local_work *w, struct blob *bytes, enum image_type type,
                                         uint32_t width, uint32_t height);
unsigned local_work_threads(const struct local_work *w);
/* A comic of the prediction's pictures (local_comic.c), and whether there are fonts for what is said in it.
 */
int local_comic_run(struct local_work *w) MUST_CHECK;
int local_comic_available(const struct local *local, struct error *e) MUST_CHECK;

/* Its pages: about as many panels each, none with one that stands alone, if there may be more. */
unsigned local_comic_pages(unsigned photos, unsigned most) MUST_CHECK;
void local_comic_share(unsigned photos, unsigned pages, unsigned page, unsigned *ret_first,
                       unsigned *ret_count);

/* 0; PROVIDER_UNAVAILABLE: not done here, or something is missing on the disk. Any thread. */
int local_work_available(const struct local *local, const struct feature *f, struct error *e) MUST_CHECK;
int local_work_run(struct local_work *w) MUST_CHECK;
