/* The samples lie on a fixed lattice of the unit disc, so the weight of each in each sector is known before
 * the first pixel; a pixel only lays its ellipse over the disc and fetches what lies there. A quarter turn
 * maps the lattice onto itself and a sector onto the next but one: so the four even sectors share one list of
 * weights, the four odd ones another, and four are added up at a time. */
#include "local/kuwahara.h"

#include <math.h>
#include <stdbool.h>

#include "base/check.h"
#include "local/flow.h"

enum { HALF_MOST = 5, SIDE_MOST = 2 * HALF_MOST + 1, SAMPLES_MOST = SIDE_MOST * SIDE_MOST + 3, TURNS = 4 };

/* Weights as in the paper: zeta is how far a sector reaches over the middle, the crossing is the angle where
 * it ends; the rim counts less than the middle. A share below the least is left out. */
static const float zeta = 0.25f, crossing = 3 * (float)M_PI / 8, rim_fall = 0.8f, least_share = 0.03f;
/* Standard deviation, of lightness, from which a sector begins to lose. */
static const float calm = 1.0f / 255;

struct entry {
    float weight;
    uint16_t sample[TURNS]; /* for the sector, and for it turned by one, two, three quarters */
};

struct list {
    unsigned count;
    float total; /* of the weights */
    struct entry entry[SAMPLES_MOST];
};

struct filter {
    const struct plane *from, *flow, *to;
    float radius;
    int half;                                        /* lattice points on either side of the middle */
    unsigned samples;                                /* a multiple of four */
    float along[SAMPLES_MOST], across[SAMPLES_MOST]; /* −1…1 */
    struct list lists[2];                            /* even and odd sectors */
};

typedef int32_t i4 __attribute__((vector_size(16)));

static float sector_weight(float x, float y, unsigned sector)
{
    float angle = (float)sector * (float)M_PI / TURNS, c = cosf(angle), s = sinf(angle);
    float eta = (zeta + cosf(crossing)) / (sinf(crossing) * sinf(crossing));
    float side = c * y - s * x, v = c * x + s * y + zeta - eta * side * side;
    return v > 0 ? v * v : 0;
}

static void list_add(struct filter *f, unsigned odd, uint16_t index[SIDE_MOST][SIDE_MOST], int i, int j)
{
    struct list *list = &f->lists[odd];
    uint16_t sample = index[j + f->half][i + f->half];
    float x = f->along[sample], y = f->across[sample], sum = 0;
    for (unsigned k = 0; k < 2 * TURNS; k++)
        sum += sector_weight(x, y, k);
    float share = sector_weight(x, y, odd) / sum;
    if (share < least_share)
        return;
    struct entry *entry = &list->entry[list->count++];
    entry->weight = share * expf(-rim_fall * (x * x + y * y));
    list->total += entry->weight;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        entry->sample[turn] = index[j + f->half][i + f->half];
        int old = i;
        i = -j;
        j = old;
    }
}

/* About as many samples as there are pixels in the disc, fewer where it is large. */
static void lattice_make(struct filter *f)
{
    uint16_t index[SIDE_MOST][SIDE_MOST];
    f->half = (int)clampf(f->radius < 3 ? f->radius + 0.5f : f->radius * 0.5f + 1.5f, 1, HALF_MOST);
    float size = (float)f->half + 0.25f;
    for (int pass = 0; pass < 3; pass++) { /* number the samples, then list them for each kind of sector */
        for (int j = -f->half; j <= f->half; j++) {
            for (int i = -f->half; i <= f->half; i++) {
                float x = (float)i / size, y = (float)j / size;
                if (x * x + y * y > 1)
                    continue;
                if (pass > 0) {
                    list_add(f, (unsigned)pass - 1, index, i, j);
                    continue;
                }
                f->along[f->samples] = x;
                f->across[f->samples] = y;
                index[j + f->half][i + f->half] = (uint16_t)f->samples++;
            }
        }
    }
    while (f->samples % 4) {
        f->along[f->samples] = 0;
        f->across[f->samples++] = 0;
    }
}

struct ellipse {
    float ax, ay, bx, by; /* half axes along and across the flow, in pixels */
};

static inline i4 rounded(v4 v)
{
    const float bias = 4096; /* more than any radius: conversion cuts towards zero */
    return __builtin_convertvector(v + (bias + 0.5f), i4) - (int32_t)bias;
}

static void fetch(const struct filter *f, const struct ellipse *l, uint32_t x, uint32_t y, v4 *ret)
{
    uint32_t width = f->from->width, height = f->from->height;
    const v4 *from = plane_row4(f->from, 0);
    int32_t reach_x = (int32_t)(fabsf(l->ax) + fabsf(l->bx)) + 1,
            reach_y = (int32_t)(fabsf(l->ay) + fabsf(l->by)) + 1;
    bool inside = (int32_t)x >= reach_x && (int32_t)x + reach_x < (int32_t)width && (int32_t)y >= reach_y &&
                  (int32_t)y + reach_y < (int32_t)height;
    for (unsigned i = 0; i < f->samples; i += 4) {
        v4 along = *(const v4 *)(const void *)&f->along[i], across = *(const v4 *)(const void *)&f->across[i];
        i4 dx = rounded(along * l->ax + across * l->bx), dy = rounded(along * l->ay + across * l->by);
        for (unsigned k = 0; k < 4; k++) {
            int32_t px = (int32_t)x + dx[k], py = (int32_t)y + dy[k];
            if (!inside) {
                px = (int32_t)clamp_index(px, width);
                py = (int32_t)clamp_index(py, height);
            }
            ret[i + k] = from[(size_t)py * width + (size_t)px];
        }
    }
}

/* The mean of a sector counts the more, the less the sector varies. */
static void settle(v4 sum, float total, v4 *means, float *weights)
{
    v4 mean = sum / total;
    float spread = mean[3] - mean[0] * mean[0] - mean[1] * mean[1] - mean[2] * mean[2];
    float ratio = MAX(spread, 0.0f) / (calm * calm), square = ratio * ratio;
    float weight = 1 / (1 + square * square); /* tiny where all vary, but still a float */
    *means += mean * weight;
    *weights += weight;
}

static void filter_row(void *ctx, uint32_t y)
{
    const struct filter *f = ctx;
    const v4 *flow = plane_row4(f->flow, y);
    v4 *to = plane_row4(f->to, y), samples[SAMPLES_MOST];
    for (uint32_t x = 0; x < f->from->width; x++) {
        float stretch = 1 + flow[x][FLOW_ANISOTROPY], a = f->radius * stretch, b = f->radius / stretch;
        struct ellipse l = {a * flow[x][FLOW_X], a * flow[x][FLOW_Y], -b * flow[x][FLOW_Y],
                            b * flow[x][FLOW_X]};
        fetch(f, &l, x, y, samples);
        v4 means = {0};
        float weights = 0;
        for (unsigned odd = 0; odd < 2; odd++) {
            const struct list *list = &f->lists[odd];
            v4 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
            for (const struct entry *n = list->entry, *end = n + list->count; n < end; n++) {
                s0 += samples[n->sample[0]] * n->weight;
                s1 += samples[n->sample[1]] * n->weight;
                s2 += samples[n->sample[2]] * n->weight;
                s3 += samples[n->sample[3]] * n->weight;
            }
            settle(s0, list->total, &means, &weights);
            settle(s1, list->total, &means, &weights);
            settle(s2, list->total, &means, &weights);
            settle(s3, list->total, &means, &weights);
        }
        to[x] = means / weights;
    }
}

/* The fourth band becomes the square of the first three: its mean is what a variance needs. */
static void square_row(void *ctx, uint32_t y)
{
    const struct filter *f = ctx;
    v4 *row = plane_row4(f->from, y);
    for (uint32_t x = 0; x < f->from->width; x++)
        row[x][3] = row[x][0] * row[x][0] + row[x][1] * row[x][1] + row[x][2] * row[x][2];
}

int kuwahara_filter(const struct crew *crew, struct plane *from, const struct plane *flow, float radius,
                    struct plane *ret, struct error *e)
{
    CHECK(from->bands == 4 && flow->bands == 4 && radius >= 1 && radius < 1000);
    struct plane out;
    int r = plane_init(&out, from->width, from->height, 4, e);
    if (r < 0)
        return r;
    struct filter f = {.from = from, .flow = flow, .to = &out, .radius = radius};
    lattice_make(&f);
    r = parallel_rows(crew, from->height, square_row, &f, e);
    if (r == 0)
        r = parallel_rows(crew, from->height, filter_row, &f, e);
    if (r < 0)
        plane_release(&out);
    else
        *ret = out;
    return r;
}
