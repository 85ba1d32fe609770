/* inputs.h: the pictures of jobs, as files named by their digest; jobs with the same picture share one. Each
 * gateway has a folder of its own below one that several may have together, so that who takes a job over from
 * another finds its pictures there.
 *
 * Order: inputs_new; inputs_keep for each picture before its job is accepted (the file is there when its op
 * is done), inputs_drop for each when the job is over; the last drop removes the file. After a restart
 * inputs_adopt counts what rows still need, and inputs_sweep removes the rest. Files are written on the lane;
 * with to_disk they survive a loss of power. Core thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/macros.h"
#include "loop/lane.h"
#include "loop/op.h"
#include "store/body.h"

struct inputs;

struct inputs_config {
    const char *root;  /* the folder of all; copied */
    const char *owner; /* the name of ours below it; copied */
    struct spool *spool;
    struct lane *lane;
    struct loop *loop;
    bool to_disk;
};

struct input_keep {
    struct op
        op; /* 0, or STORAGE_FULL, QUEUE_FULL, OVERLOADED, INTERNAL with err filled: then nothing is held */
    struct error err;
    struct list node;
};

int inputs_new(const struct inputs_config *config, struct inputs **ret, struct error *e) MUST_CHECK;
void inputs_free(struct inputs *in); /* accepts NULL; the files stay */
void inputs_keep(struct inputs *in, struct input_keep *k, struct body *body, op_done_fn *on_done);
void inputs_drop(struct inputs *in, const uint8_t digest[static DIGEST_BYTES]);
/* Looks in the folders of the others, too: what is found there is ours as well from then on. */
void inputs_adopt(struct inputs *in, const uint8_t digest[static DIGEST_BYTES]);
/* The same if its file is there; false: it is not, and nothing is counted. */
bool inputs_adopt_known(struct inputs *in, const uint8_t digest[static DIGEST_BYTES]) MUST_CHECK;
/* A new reference; NOT_FOUND: somebody has removed it. */
int inputs_open(struct inputs *in, const uint8_t digest[static DIGEST_BYTES], struct body **ret,
                struct error *e) MUST_CHECK;
/* Until the next sweep no file is removed: rows that need it may not have been read yet. So it begins. */
void inputs_wait(struct inputs *in);
void inputs_share(struct inputs *in, bool shared); /* another process has files there, too: none is removed */
unsigned inputs_sweep(struct inputs *in); /* how many files nobody needs any more; blocks for a moment */
