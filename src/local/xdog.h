/* xdog.h: lines as a pen would draw them: the flow-based extended difference of Gaussians (Kang, Lee, Chui
 * 2009; Winnemöller, Kyprianidis, Olsen 2012). A difference of two Gaussians is taken across the flow,
 * smoothed along it, and cut off softly.
 *
 * Errors and threads as in plane.h. */
#pragma once

#include "local/plane.h"

struct xdog_pen {
    float width;     /* pixels: sigma of the narrower Gaussian across; a line is about twice as wide */
    float length;    /* pixels: sigma along the flow; longer makes calmer lines */
    float threshold; /* lightness below its surroundings from which there is ink */
    float sharpness; /* how fast ink grows past it: 1 / lightness; 50 is soft, 200 hard */
    float shadow;    /* lightness below which all is ink; 0: lines only */
};

/* ret: 1 band, 0 (ink) … 1 (paper). light: 1 band. flow: flow_make's. */
int xdog_lines(const struct crew *crew, const struct plane *light, const struct plane *flow,
               const struct xdog_pen *pen, struct plane *ret, struct error *e) MUST_CHECK;
