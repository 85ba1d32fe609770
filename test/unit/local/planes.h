/* planes.h: what the tests of filters on float planes share. */
#pragma once

#include "fixture.h"

#include "base/rng.h"
#include "local/flow.h"
#include "local/plane.h"

static const struct crew two = {.threads = 2};

/* A plane whose value at each pixel is of(x, y); the other three of four bands are 0. */
static inline struct plane plane_of(uint32_t width, uint32_t height, uint32_t bands,
                                    float (*of)(uint32_t x, uint32_t y))
{
    struct plane p;
    struct error e;
    assert_int_equal(plane_init(&p, width, height, bands, &e), 0);
    memset(p.v, 0, sizeof(*p.v) * width * height * bands);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            plane_row(&p, y)[x * bands] = of(x, y);
    return p;
}

static inline void add_noise(struct plane *p, float most, uint64_t seed)
{
    struct rng r;
    rng_seed(&r, seed);
    for (size_t i = 0; i < (size_t)p->width * p->height; i++)
        p->v[i * p->bands] += (float)(2 * rng_unit(&r) - 1) * most;
}

static inline struct plane flow_of(const struct plane *p, float sigma)
{
    struct plane flow;
    struct error e;
    assert_int_equal(flow_make(&two, p, sigma, 0, &flow, &e), 0);
    return flow;
}

/* Of band 0 inside the rectangle. */
static inline double variance(const struct plane *p, uint32_t left, uint32_t top, uint32_t right,
                              uint32_t bottom)
{
    double sum = 0, squares = 0, count = (double)(right - left) * (bottom - top);
    for (uint32_t y = top; y < bottom; y++) {
        for (uint32_t x = left; x < right; x++) {
            double v = (double)plane_row(p, y)[x * p->bands];
            sum += v;
            squares += v * v;
        }
    }
    return squares / count - sum * sum / count / count;
}
