/* calm.h: inside of src/imaging. Where in a picture little would be lost under a bubble.
 *
 * The picture is looked at in cells of some pixels: how much goes on in each, whether it has the colours of
 * skin, and how near to the middle it lies, where people mostly are. */
#pragma once

#include "imaging/outline.h"
#include "imaging/picture.h"

struct calm {
    unsigned across, down;
    float *cost; /* [across × down], about 0…2 */
    /* Left of and above each corner of a cell, (across + 1) × (down + 1): */
    double *sums;  /* of cost */
    double *faces; /* of skin where heads mostly are; in all 1, or less if there is next to none, or much */
};

int calm_init(struct calm *c, const struct pixels *panel) MUST_CHECK; /* 3 bands. 0 or -1: no memory */
void calm_release(struct calm *c);                                    /* accepts zeroed */

/* What covering this rectangle costs: the mean of what is under it. */
float calm_cost(const struct calm *c, float left, float top, float right, float bottom);
/* Which part of all faces lies in the rectangle, 0…1. */
float calm_faces(const struct calm *c, float left, float top, float right, float bottom);
/* The middle of what goes on in a part of the picture. */
struct point calm_busiest(const struct calm *c, float left, float top, float right, float bottom);
