/* spill.h: batches that are not in the database yet, as files: what has been handed over survives the
 * process.
 *
 * Order: spill_open, which finds what an earlier process left; spill_append; spill_peek and spill_pop for the
 * oldest, until there is none; spill_close. First in, first out. One thread at a time; blocks on the disk.
 *
 * Files in a folder of the process's own, each an eighth of the bound or a little more: a folder that is full
 * loses its oldest file. Several processes may share DATA_DIR: folders whose process has ended are taken over
 * by the next one that starts. What cannot be written to the disk (it is full, it is gone) is kept in memory
 * under the same bound, and goes to the disk when it can. What is half-written when the process dies is cut
 * off. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"

struct spill;

struct spill_stats {
    uint64_t batches, bytes; /* waiting */
    uint64_t in_memory;      /* of these batches, not on the disk */
    uint64_t dropped;        /* batches lost to the bound since spill_open */
};

/* parent/name is the process's own folder. What cannot be read counts as empty. */
struct spill *spill_open(const char *parent, const char *name, uint64_t max_bytes) MUST_CHECK;
void spill_close(struct spill *s); /* what waits stays in its files; accepts NULL */

void spill_append(struct spill *s, struct blob *batch); /* takes a reference of its own */
struct blob *spill_peek(struct spill *s) MUST_CHECK;    /* a reference to the oldest; NULL: none */
void spill_pop(struct spill *s);                        /* the one that spill_peek gave */
struct spill_stats spill_stats(const struct spill *s);
