/* mask.h: what is done to alphas: planes of one byte a pixel (struct pixels, 1 band).
 * Any thread. INTERNAL: no memory.
 *
 * Outside the picture a mask goes on as it is at the border. */
#pragma once

#include "imaging/imaging.h"

/* The mean of the square of 2 × radius + 1 pixels around each, in place. radius 0 does nothing. */
int mask_blur(struct pixels *mask, uint32_t radius, struct error *e) MUST_CHECK;

/* Softens edges by `radius` pixels to the inside and as many to the outside, in place: an edge becomes a ramp
 * of 2 × radius + 1 pixels. What is as thin as hair (less than 1/200 of the longer side, or 5 pixels) would
 * vanish in it and is kept as it is. */
int mask_feather(struct pixels *mask, uint32_t radius, struct error *e) MUST_CHECK;

/* As a Gaussian of that standard deviation, nearly, in place. */
int mask_shadow(struct pixels *mask, double sigma, struct error *e) MUST_CHECK;
