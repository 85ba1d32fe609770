/* warm_run.h: pictures sent through a running gateway, several at once, until each has been answered. */
#pragma once

#include <stdbool.h>

#include "cli/feature_args.h"
#include "cli/inputs.h"
#include "tables/options.h"

struct warm_feature {
    struct feature_args args;
    struct blob *picture[IMAGES_MAX]; /* the further ones, for every input; NULL: not given */
};

enum { WARM_FEATURES_MAX = 16 };

struct warm_config {
    const struct options *opt;
    const char *url; /* of the gateway, without a slash at its end */
    const struct inputs *inputs;
    const struct warm_feature *feature;
    unsigned feature_count;
    bool quiet;
};

/* Asks for each feature of each input, and tells how each went: on standard output what was there already or
 * was made, failures on standard error. Waits where the gateway says so, for QUEUE_TIMEOUT_MS at most. The
 * first signal lets what is under way come to its end; a second one leaves at once. Returns the exit code. */
int warm_run(const struct warm_config *config);

void warm_help(void); /* warm.c: prints */
