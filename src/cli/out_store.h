/* out_store.h: a store driver that puts a result where the user wants it, for the command line.
 *
 * Order: out_store_new, app_new with it as wants.store, out_store_begin, then out_store_aim before each
 * request; store_free (the app does it) at the end. A result is written to a hidden file beside its place and
 * renamed when it is whole and on the disk; so whatever happens, there is the old file, the new one or none.
 * Folders are made when they are missing. What is no regular file (standard output, a device, a pipe) is
 * written to directly. A result of another type than the aim's is converted. Core thread. */
#pragma once

#include "imaging/imaging.h"
#include "loop/loop.h"
#include "store/store.h"

struct out_aim {
    const char *path;     /* "-": standard output; the caller's, until the put is complete */
    enum image_type type; /* what the bytes must be */
    int quality;          /* of JPEG and WebP, when they must be converted */
};

struct store *out_store_new(void) MUST_CHECK;
void out_store_begin(struct store *s, struct loop *loop); /* where puts complete */
void out_store_aim(struct store *s, const struct out_aim *aim);
void out_store_abandon(struct store *s); /* removes a half-written file; the process is about to end */
