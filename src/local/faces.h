/* faces.h: where the faces of a picture are.
 *
 * Two networks of MediaPipe look at the whole picture, one made for near and one for far faces; the latter
 * then looks at overlapping parts as well, for the small faces of a group. What several of them see of one
 * face is averaged. Thread: the running one, a network at a time. Costs some tenths of a second and, beside
 * the networks, a copy of the picture of at most 10 MB. */
#pragma once

#include "local/local.h"

enum face_point {
    FACE_RIGHT_EYE, /* the person's own right */
    FACE_LEFT_EYE,
    FACE_NOSE,
    FACE_MOUTH,
    FACE_RIGHT_EAR,
    FACE_LEFT_EAR,
    FACE_POINTS
};

struct face_box {
    float score;                    /* 0…1: how sure */
    float left, top, right, bottom; /* forehead to chin; pixels of the picture, may reach beyond it */
    struct {
        float x, y;
    } point[FACE_POINTS];
};

/* in: 3 or 4 bands. Fills up to max faces, largest first, and *ret_count with how many; none is no error. */
int faces_find(struct local *l, const struct pixels *in, struct face_box *ret, unsigned max,
               unsigned *ret_count, struct error *e) MUST_CHECK;

float face_overlap(const struct face_box *a, const struct face_box *b); /* area shared / area of both, 0…1 */

/* For tests: of boxes that overlap, one is left, their mean weighted by score; of boxes one in another, the
 * surer. Returns how many are left, surest first. */
unsigned faces_merge(struct face_box *faces, unsigned count);
