#include "local/noise.h"

#include "base/rng.h"

float noise_white(uint64_t seed, int32_t x, int32_t y)
{
    struct rng r;
    rng_seed(&r, seed ^ ((uint64_t)(uint32_t)x << 32 | (uint32_t)y) * 0xd6e8feb86659fd93u);
    return (float)(rng_next(&r) >> 40) * 0x1p-24f;
}

static float ease(float t)
{
    return t * t * (3 - 2 * t);
}

float noise_smooth(uint64_t seed, float x, float y)
{
    int32_t ix = (int32_t)x - (x < 0), iy = (int32_t)y - (y < 0);
    float right = ease(x - (float)ix), down = ease(y - (float)iy);
    float a = noise_white(seed, ix, iy), b = noise_white(seed, ix + 1, iy);
    float c = noise_white(seed, ix, iy + 1), d = noise_white(seed, ix + 1, iy + 1);
    float top = a + (b - a) * right, bottom = c + (d - c) * right;
    return top + (bottom - top) * down;
}

float noise_fractal(uint64_t seed, float x, float y, unsigned octaves)
{
    float sum = 0, weight = 1, total = 0;
    for (unsigned i = 0; i < octaves; i++) {
        sum += weight * noise_smooth(seed + i, x, y);
        total += weight;
        weight *= 0.5f;
        x = x * 2 + 17.3f; /* so that the octaves' lattices do not lie on each other */
        y = y * 2 + 5.7f;
    }
    return sum / total;
}
