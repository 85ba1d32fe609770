/* solo.h: the options of a command that works by itself, without a gateway. */
#pragma once

#include "config/config.h"

/* As cli_config_load, with other defaults: DATA_DIR is a folder of the user's cache unless there is a ./data
 * (a command must not leave folders where it happens to be called); no limit of time on runs and writes, as
 * whoever waits can press Ctrl-C; and a photo keeps its size before a new background, as it is the only one.
 */
int solo_config_load(struct config *c, int *argc, char **argv) MUST_CHECK;
