/* matte.h: what in a picture is its subject. The inside of local_cutout (local.h), and for others that work
 * with subject and background apart.
 *
 * The network sees the picture at its own size and gives a rough alpha; a guided filter then makes its edges
 * follow the photo's. Thread: the running one, a network at a time. Memory beside the pictures: some 70 MB
 * while edges are refined, whatever the picture's size, and what the network takes. */
#pragma once

#include <stdatomic.h>

#include "local/local.h"

struct matte_run {
    struct local *local;
    const atomic_bool *cancelled; /* NULL: never */
    double seconds;               /* out: the network alone */
};

/* in: 3 or 4 bands. ret_alpha: 1 band, the size of in, the caller's; where in is transparent, so is it.
 * -ERR_CLIENT_GONE when cancelled. */
int matte_pixels(struct matte_run *run, const struct pixels *in, struct pixels *ret_alpha,
                 struct error *e) MUST_CHECK;

/* Makes the edges of alpha, of any size, follow those of the photo (3 bands), and enlarges it to its size.
 * ret: 1 band, the caller's. */
int matte_refine(const struct pixels *photo, const struct pixels *alpha, struct pixels *ret,
                 struct error *e) MUST_CHECK;
