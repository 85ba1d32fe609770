/* estimate.h: how long a network takes on this machine, remembered in a small text file of DATA_DIR.
 *
 * A figure counts only for the very same network (digest), precision, thread count and processor; anything
 * else reads as "not measured". The file is replaced in one move; who cannot write it just measures again
 * next time. Thread: one at a time for a file. */
#pragma once

#include "base/macros.h"

struct estimate_key {
    const char *network; /* name; no tabs in any of these */
    const char *digest;
    const char *precision;
    unsigned threads;
    const char *cpu;
};

/* Seconds per megapixel that goes through the network; 0: not measured. */
double estimate_load(const char *path, const struct estimate_key *key);

/* Puts the figure in the place of what the file holds for this network, precision and thread count. 0 or
 * -errno. */
int estimate_store(const char *path, const struct estimate_key *key, double seconds_per_megapixel) MUST_CHECK;

double
estimate_mix(double old,
             double measured); /* old 0: measured; else mostly old, so that one slow run counts little */
