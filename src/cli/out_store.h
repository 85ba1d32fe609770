/* out_store.h: a store driver that puts results where the user wants them, for the command line.
 *
 * Order: out_store_new, app_new with it as wants.store, out_store_begin, then out_store_aim before each
 * request; store_free (the app does it) at the end. A result is written to a hidden file beside its place and
 * renamed when it is whole and on the disk; so whatever happens, there is the old file, the new one or none.
 * Folders are made when they are missing. What is no regular file (standard output, a device, a pipe) is
 * written to directly, and takes one result only. A result of another type than the aim's is converted.
 *
 * Whose put it is, its key says. Those under the aim's prefix are the request's results, and the order in
 * which they begin numbers them. Any other put is that of a step of the request (request/child.h) and is let
 * go: the step hands its bytes to the request itself, and on the command line there is no cache that would
 * send anybody to the store for them. Core thread. */
#pragma once

#include "imaging/imaging.h"
#include "loop/loop.h"
#include "store/store.h"

/* Texts are the caller's, until the next aim. */
struct out_aim {
    const char *path;     /* "-": standard output */
    const char *prefix;   /* of the keys of the request's results */
    enum image_type type; /* what the bytes must be */
    int quality;          /* of JPEG and WebP, when they must be converted */
    unsigned count;       /* how many results are asked for */
};

struct store *out_store_new(void) MUST_CHECK;
void out_store_begin(struct store *s, struct loop *loop); /* where puts complete */
void out_store_aim(struct store *s, const struct out_aim *aim);
void out_store_abandon(struct store *s); /* removes half-written files; the process is about to end */

/* Where result number n (from 1) goes: out.jpg; out-1.jpg, out-2.jpg … when several are asked for. */
char *out_path(const struct out_aim *aim, unsigned n) MUST_CHECK;
