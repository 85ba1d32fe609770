/* repair.h: makes a whole SQLite file of what can be read of a damaged one, which is kept beside it.
 *
 * Blocks, as long as it takes; for the command line, while nobody else has the file. Rows are read from both
 * ends and, between what cannot be read, from places in the middle, so that a bad page costs its own rows
 * only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"

struct db_repair {
    const char *path;
    /* One table is done. total: how many rows it had, if that can be told; else -1 while some are lost. */
    void (*table)(void *ctx, const char *name, int64_t saved, int64_t total);
    void *ctx;
    /* out */
    bool whole;  /* nothing was wrong, and nothing was done */
    bool lost;   /* some rows */
    char *aside; /* where the damaged file is now; to be freed; NULL: nowhere else */
};

/* NOT_FOUND: there is no file. DATABASE: somebody else has it. INTERNAL: no new one can be made, or it is of
 * a newer program; then all is as it was. */
int db_repair(struct db_repair *r, struct error *e) MUST_CHECK;
