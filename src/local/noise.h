/* noise.h: noise that depends only on a seed and a place, so that rows can be made in any order. Any thread.
 */
#pragma once

#include <stdint.h>

float noise_white(uint64_t seed, int32_t x, int32_t y);                 /* 0…1 a lattice point */
float noise_smooth(uint64_t seed, float x, float y);                    /* 0…1, one bump a unit */
float noise_fractal(uint64_t seed, float x, float y, unsigned octaves); /* 0…1, finer bumps on coarser */
