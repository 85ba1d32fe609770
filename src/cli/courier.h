/* courier.h: pictures done by a running gateway, as jobs of it.
 *
 * Each picture is submitted with an Idempotency-Key made of the picture, the feature and its fields, waited
 * for, and its results are downloaded to their places. A command that was interrupted is begun again by the
 * same call: what is there is skipped, and a job that is there already is gone on with. A job that is over
 * and has not brought a result is followed by a new one, with the next number in its key; but not one that
 * may have cost money and would fail alike, unless args.force. */
#pragma once

#include "cli/feature_args.h"
#include "cli/inputs.h"
#include "tables/options.h"

struct courier_config {
    const struct options *opt;
    const char *url; /* of the gateway, without a slash at its end */
    const struct feature_args *args;
    const struct inputs *inputs;
    struct blob *const *picture; /* IMAGES_MAX: the further pictures, for every input; NULL: not given */
};

/* Tells how each went, as batch_run does, or with args.json as lines of JSON on standard output. The first
 * signal ends the command and leaves its jobs to the gateway; a second one leaves at once. Returns the exit
 * code. */
int courier_run(const struct courier_config *config);

void batch_help(void); /* batch_command.c: prints */
