/* upscale.h: one picture through one network. The inside of local_upscale, apart from it so that tests can
 * choose the network and the tiles themselves. Thread: the running one. */
#pragma once

#include <stdatomic.h>

#include "local/networks.h"
#include "local/tiles.h"

struct upscale_run {
    struct networks *networks;
    enum model_id model;
    struct tile_plan plan; /* of the picture */
    unsigned scale;
    const atomic_bool *cancelled;                               /* NULL: never */
    void (*progress)(void *ctx, unsigned done, unsigned total); /* NULL: none */
    void *ctx;
    double seconds; /* out: the network alone */
};

struct tile_plan upscale_plan(enum model_id id, uint32_t width, uint32_t height);

/* The picture, 3 or 4 bands, `scale` times larger; the caller's. -ERR_CLIENT_GONE when cancelled. */
int upscale_pixels(struct upscale_run *run, const struct pixels *in, struct pixels *ret,
                   struct error *e) MUST_CHECK;

/* How long the fast network takes for a megapixel: by what was measured, or else by a tile run now. */
int upscale_fast_rate(struct networks *n, double *ret, struct error *e) MUST_CHECK;
