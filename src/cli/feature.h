/* feature.h: the commands of the features, as others call them. One thread. */
#pragma once

#include "cli/feature_args.h"
#include "cli/inputs.h"
#include "config/config.h"

/* limner clarity … with these arguments; remote: a gateway does it, also if --server is not there, which then
 * is this machine's. Returns the exit code. */
int feature_command(const struct config *config, const struct feature *f, int argc, char **argv, bool remote);

/* The parts of that, for who makes the arguments and inputs himself (comic.c). */

/* What the arguments cannot mean together; NULL: nothing. */
const char *feature_find_clash(const struct feature_args *args, bool remote) MUST_CHECK;
int feature_tell_usage(const struct feature *f, const char *what); /* prints, returns EXIT_USAGE */
/* Does it. Takes what is in inputs. Returns the exit code. */
int feature_run(const struct config *config, const struct feature_args *args, struct inputs *inputs,
                bool remote) MUST_CHECK;

void comic_help(void); /* comic.c: prints */
