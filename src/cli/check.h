/* check.h: what `limner check` tries, for other commands. */
#pragma once

#include <stdbool.h>

#include "config/config.h"

/* One thing that was looked at: what it is called, and how it is or how to repair it. */
typedef void check_tell_fn(void *ctx, bool ok, const char *what, const char *text);

/* Makes loops and threads of its own, and waits. quick: without what takes seconds. Returns how many things
 * are not in order. SIGPIPE must be ignored. */
unsigned check_all(const struct config *config, bool quick, check_tell_fn *tell, void *ctx);
