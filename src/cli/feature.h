/* feature.h: the commands of the features, as others call them. */
#pragma once

#include "cli/feature_args.h"
#include "config/config.h"

/* limner clarity … with these arguments; remote: a gateway does it, also if --server is not there, which then
 * is this machine's. Returns the exit code. */
int feature_command(const struct config *config, const struct feature *f, int argc, char **argv, bool remote);
