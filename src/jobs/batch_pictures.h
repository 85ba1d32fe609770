/* batch_pictures.h: the pictures that a batch names by their digest. Each caller's uploads are remembered for
 * a while only (request/uploads.h); those of a batch are kept (inputs.h) before it is accepted, until it is
 * over.
 *
 * Order: batch_pictures_find, and either batch_pictures_keep, which ends in its op, or, after a restart,
 * batch_pictures_adopt; batch_pictures_drop gives all of them back. Core thread. */
#pragma once

#include <jansson.h>

#include "jobs/inputs.h"
#include "tables/features.h"

struct uploads;

struct batch_pictures {
    struct op op; /* of keep: 0, or as input_keep, with err filled: then nothing is held */
    struct error err;
    uint8_t (*digest)[DIGEST_BYTES];
    unsigned count, room;
    unsigned held; /* the first ones are kept, or were not there */
    bool *is_held;
    struct inputs *inputs;
    struct uploads *uploads;
    const char *tenant;
    struct loop *loop;
    struct input_keep keep;
};

/* What the items, and what is common to them, name. p is zeroed. */
void batch_pictures_find(struct batch_pictures *p, const struct feature *f, const json_t *items,
                         const json_t *fields);
/* Those that are known to the tenant; others are left to say so themselves. */
void batch_pictures_keep(struct batch_pictures *p, struct inputs *in, struct uploads *uploads,
                         const char *tenant, struct loop *loop, op_done_fn *on_done);
void batch_pictures_adopt(struct batch_pictures *p, struct inputs *in); /* those whose files are there */
bool batch_pictures_has(const struct batch_pictures *p, const uint8_t digest[static DIGEST_BYTES]);
void batch_pictures_forget(struct batch_pictures *p); /* the files stay: for the next process */
void batch_pictures_drop(struct batch_pictures *p);   /* accepts a zeroed one; not while its op runs */
