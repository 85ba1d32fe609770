/* feature_args.h: the arguments of clarity, replace-bg, relight, … Flags for parameters and further pictures
 * come from the feature's rows (faceEnhance is --face-enhance or --faceEnhance). Words of a choice may be
 * shortened, and are taken in any case and with dashes for blanks: --light-source left is Left Light. A
 * list's flag names a file with a text on each line. A feature without pictures has a prompt in the input's
 * place. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "cli/comic_files.h"
#include "imaging/imaging.h"
#include "tables/features.h"

struct feature_args {
    const struct feature *feature;
    struct params params;            /* canonical */
    bool given[PARAMS_MAX];          /* by a flag, in row order */
    const char *picture[IMAGES_MAX]; /* files of the further pictures, in row order, or of all of a list,
                                        which the command adds; else [0] is NULL, it is an input */
    const char *output;
    const char *prefix;            /* of the results' keys */
    enum image_type usual;         /* of results whose place does not say; IMAGE_UNKNOWN: as the input */
    unsigned results;              /* of each input */
    const struct comic_out *comic; /* what they are parts of; NULL: of none. The command's */
    bool force, quiet;
    const char *server; /* the gateway that does it; NULL: none was named */
    bool json;          /* told as JSON, a line each */
    bool help;          /* it was asked for; nothing else is set */
    const char **input; /* input_count of argv's */
    size_t input_count;
    struct arena arena; /* of the above */
};

/* VALIDATION with what is wrong, in words for the user. argv must outlive args. */
int feature_args_parse(const struct feature *f, int argc, char **argv, struct feature_args *ret,
                       struct error *e) MUST_CHECK;
/* The same of a command that only asks: nothing is written, so -o and -f mean nothing. */
int feature_args_parse_question(const struct feature *f, int argc, char **argv, struct feature_args *ret,
                                struct error *e) MUST_CHECK;
void feature_args_release(struct feature_args *args);

bool feature_args_given(const struct feature_args *args, const char *name); /* by a flag */
/* "clarity"; "comic", as the kinds of comics share one. */
const char *feature_command_name(const struct feature *f);

/* feature_help.c: prints */
void feature_args_help(const struct feature *f);
void feature_help_rows(const struct feature *f); /* a line for each flag that is its own */
void feature_help_common(void);                  /* of the flags that all have, and what holds for all */

/* What the two share. */
bool feature_flag_wanted(const struct param_row *row);     /* it is a flag of a command */
void feature_flag_name(struct buf *out, const char *name); /* face_enhance → face-enhance */
