/* lerp.h: where pixels of a picture lie between those of a smaller or larger one, for bilinear reading. */
#pragma once

#include <math.h>
#include <stdint.h>

#include "base/macros.h"

struct lerp {
    uint32_t a, b; /* neighbours in the other picture; b is a or a + 1 */
    float share;   /* of b */
};

/* Pixel i of `length` in a line of `other`; centres of first and last count beyond them too. */
static inline struct lerp lerp_at(uint32_t i, uint32_t length, uint32_t other)
{
    double at = ((double)i + 0.5) * other / length - 0.5;
    at = MIN(MAX(at, 0.0), (double)other - 1);
    uint32_t a = (uint32_t)at;
    return (struct lerp){a, MIN(a + 1, other - 1), (float)(at - a)};
}

static inline float lerp(float a, float b, float share)
{
    return a + (b - a) * share;
}
