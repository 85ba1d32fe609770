/* plane.h: pictures as floats, for filters that would lose too much in bytes.
 *
 * Rows are width × bands floats without padding; a pixel of four bands is one `v4`. What looks past the edge
 * sees the nearest pixel of the edge. Owner: one; the calls spread their rows over the crew. Errors: INTERNAL
 * when there is no memory, CLIENT_GONE when the crew is cancelled. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "local/parallel.h"

typedef float v4 __attribute__((vector_size(16), aligned(4)));

struct plane {
    float *v; /* free with plane_release */
    uint32_t width, height;
    uint32_t bands; /* 1 or 4 */
};

int plane_init(struct plane *p, uint32_t width, uint32_t height, uint32_t bands, struct error *e) MUST_CHECK;
void plane_release(struct plane *p); /* accepts zeroed */

static inline void cleanup_plane(struct plane *p)
{
    plane_release(p);
}
#define PLANE_ON_EXIT CLEANUP(cleanup_plane)

static inline float *plane_row(const struct plane *p, uint32_t y)
{
    return p->v + (size_t)y * p->width * p->bands;
}

static inline v4 *plane_row4(const struct plane *p, uint32_t y)
{
    return (v4 *)(void *)plane_row(p, y);
}

static inline float clampf(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

/* 0 up to `from`, 1 from `to` on, smooth between; from > to falls instead of rising. */
static inline float smoothstep(float from, float to, float v)
{
    float t = clampf((v - from) / (to - from), 0, 1);
    return t * t * (3 - 2 * t);
}

static inline float mixf(float a, float b, float t)
{
    return a + (b - a) * t;
}

static inline uint32_t clamp_index(int32_t i, uint32_t length)
{
    return i < 0 ? 0 : (uint32_t)i < length ? (uint32_t)i : length - 1;
}

/* Between pixels, whose centres have whole numbers. */
float plane_at(const struct plane *p, float x, float y); /* 1 band */
v4 plane_at4(const struct plane *p, float x, float y);   /* 4 bands */

/* A Gaussian; sigma in pixels, 0 does nothing. A wide one works on a smaller copy. */
int plane_blur(const struct crew *crew, struct plane *p, float sigma, struct error *e) MUST_CHECK;

/* One band of four as a plane of its own. */
int plane_band(const struct plane *from, uint32_t band, struct plane *ret, struct error *e) MUST_CHECK;
int plane_copy(const struct plane *from, struct plane *ret, struct error *e) MUST_CHECK;
