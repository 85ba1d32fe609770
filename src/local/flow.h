/* flow.h: which way the picture runs at each pixel, from the smoothed structure tensor, and smoothing along
 * that way.
 *
 * Errors and threads as in plane.h. */
#pragma once

#include "local/plane.h"

enum { FLOW_X, FLOW_Y, FLOW_ANISOTROPY, FLOW_STRENGTH };

/* ret: 4 bands. FLOW_X, FLOW_Y: the unit vector along the edge (its sign means nothing); FLOW_ANISOTROPY: 0
 * (no direction) … 1 (one direction only); FLOW_STRENGTH: the gradient across, in lightness a pixel.
 * from: Oklab. sigma: over how many pixels directions agree. Where there is nothing to see, the surroundings
 * decide; and where it changes less than by `rest` a pixel, a hand's own direction, upwards to the right and
 * slowly turning, as one fills a sky with a brush. */
int flow_make(const struct crew *crew, const struct plane *from, float sigma, float rest, struct plane *ret,
              struct error *e) MUST_CHECK;

/* A Gaussian along the flow through each pixel; on noise it makes fibres. from: 1 band. */
int flow_smooth(const struct crew *crew, const struct plane *from, const struct plane *flow, float sigma,
                struct plane *ret, struct error *e) MUST_CHECK;
