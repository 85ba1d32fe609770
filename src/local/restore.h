/* restore.h: faces of a picture that is enlarged, made anew where they are small or blurred. A part of
 * local_upscale.
 *
 * The photo network is trained to rebuild what shrinking and compression took, and does it best with a face
 * of some 64 to 192 pixels that is sharp at its size. So each face is cut out with its surroundings, shrunk
 * as far as it loses nothing, run through that network, and laid over the picture that another network, or
 * the same, enlarged, with a soft oval edge and in that picture's tones. Faces that are large and sharp are
 * left alone, as are those too small to be more than guessed.
 *
 * Order: restore_find with the picture, restore_apply with the enlarged one. Thread: the running one. */
#pragma once

#include "local/local.h"
#include "local/upscale.h"

enum {
    RESTORE_MAX = 16
}; /* faces of a picture, the largest first; each takes the network's time for ≤ 0.1 MP */

struct face_patch {
    uint32_t left, top, width, height;  /* the face and its surroundings, pixels of the picture */
    uint32_t small_width, small_height; /* what the network is given */
    float middle_x, middle_y;           /* of the oval */
    float radius_x, radius_y;           /* of the oval where it has faded to nothing */
};

/* base: the network that enlarges the picture. Fills ret and *ret_count; none is no error. */
int restore_find(struct local *l, const struct pixels *in, enum model_id base,
                 struct face_patch ret[RESTORE_MAX], unsigned *ret_count, struct error *e) MUST_CHECK;

unsigned restore_tiles(const struct face_patch *patch);    /* as run->progress counts them */
double restore_megapixels(const struct face_patch *patch); /* that go through the network */

/* in: the picture; out: the same run->scale times larger, changed where the patch lies. Of run networks,
 * scale, cancelled, progress and ctx are read, and seconds are added to. -ERR_CLIENT_GONE when cancelled. */
int restore_apply(struct upscale_run *run, const struct face_patch *patch, const struct pixels *in,
                  struct pixels *out, struct error *e) MUST_CHECK;
