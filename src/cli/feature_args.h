/* feature_args.h: the arguments of clarity, enhance and beautify. Flags for parameters come from the
 * feature's rows (faceEnhance is --face-enhance or --faceEnhance). */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "tables/features.h"

struct feature_args {
    const struct feature *feature;
    struct params params; /* canonical */
    const char *output;
    bool force, quiet;
    bool help;          /* it was asked for; nothing else is set */
    const char **input; /* input_count of argv's */
    size_t input_count;
    struct arena arena; /* of the above */
};

/* VALIDATION with what is wrong, in words for the user. argv must outlive args. */
int feature_args_parse(const struct feature *f, int argc, char **argv, struct feature_args *ret,
                       struct error *e) MUST_CHECK;
void feature_args_release(struct feature_args *args);

void feature_args_help(const struct feature *f); /* prints */
