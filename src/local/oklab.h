/* oklab.h: pixels as Oklab (Björn Ottosson, 2020): lightness 0…1, a (green to red), b (blue to yellow). In
 * it, changing lightness keeps the hue, and equal steps look equal. Any thread. */
#pragma once

#include "imaging/imaging.h"
#include "local/plane.h"

/* ret: 4 bands L, a, b and 0. in: 1, 3 or 4 bands; alpha is left out. */
int oklab_from(const struct crew *crew, const struct pixels *in, struct plane *ret,
               struct error *e) MUST_CHECK;

/* What sRGB cannot show loses chroma, not hue. to: 3 or 4 bands of the same size, its alpha is left alone. */
int oklab_into(const struct crew *crew, const struct plane *lab, struct pixels *to,
               struct error *e) MUST_CHECK;

v4 oklab_of_linear(float r, float g, float b);
float srgb_to_linear(float v); /* 0…1 each */
float srgb_from_linear(float v);
