#include "local/plane.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

/* Past SIGMA_MOST a kernel costs more than shrinking; a shrunk picture is blurred by at least half of it,
 * which hides the shrinking. */
enum { SIGMA_MOST = 8, TAPS_MOST = 3 * SIGMA_MOST + 1 };

/* Variance, in pixels of the small copy, that shrinking by the mean and enlarging by a spline add. */
static const float scaling_blurs = 1.0f / 12 + 1.0f / 3;

int plane_init(struct plane *p, uint32_t width, uint32_t height, uint32_t bands, struct error *e)
{
    CHECK(width > 0 && height > 0 && (bands == 1 || bands == 4));
    /* Four more floats, so that the last pixels too can be read and written four at a time. */
    float *v = malloc(sizeof(*v) * ((size_t)width * height * bands + 4));
    if (!v)
        return error_set(e, ERR_INTERNAL, "no memory for a plane of %u × %u", width, height);
    *p = (struct plane){v, width, height, bands};
    return 0;
}

void plane_release(struct plane *p)
{
    free(p->v);
    *p = (struct plane){0};
}

struct spot {
    size_t corner[4];  /* pixel numbers */
    float right, down; /* 0…1 */
};

static inline struct spot spot_of(const struct plane *p, float x, float y)
{
    x = clampf(x, 0, (float)(p->width - 1));
    y = clampf(y, 0, (float)(p->height - 1));
    uint32_t x0 = (uint32_t)x, y0 = (uint32_t)y;
    uint32_t x1 = MIN(x0 + 1, p->width - 1), y1 = MIN(y0 + 1, p->height - 1);
    size_t top = (size_t)y0 * p->width, bottom = (size_t)y1 * p->width;
    return (struct spot){{top + x0, top + x1, bottom + x0, bottom + x1}, x - (float)x0, y - (float)y0};
}

float plane_at(const struct plane *p, float x, float y)
{
    struct spot s = spot_of(p, x, y);
    float top = mixf(p->v[s.corner[0]], p->v[s.corner[1]], s.right);
    return mixf(top, mixf(p->v[s.corner[2]], p->v[s.corner[3]], s.right), s.down);
}

v4 plane_at4(const struct plane *p, float x, float y)
{
    struct spot s = spot_of(p, x, y);
    const v4 *v = plane_row4(p, 0);
    v4 top = v[s.corner[0]] + (v[s.corner[1]] - v[s.corner[0]]) * s.right;
    v4 bottom = v[s.corner[2]] + (v[s.corner[3]] - v[s.corner[2]]) * s.right;
    return top + (bottom - top) * s.down;
}

struct blur {
    const struct plane *from, *to;
    float taps[TAPS_MOST]; /* from the middle to one side */
    uint32_t radius;
};

static void kernel_make(struct blur *b, float sigma)
{
    float sum = 0;
    b->radius = MIN((uint32_t)ceilf(3 * sigma), TAPS_MOST - 1);
    for (uint32_t i = 0; i <= b->radius; i++) {
        b->taps[i] = expf(-0.5f * (float)(i * i) / (sigma * sigma));
        sum += i ? 2 * b->taps[i] : b->taps[i];
    }
    for (uint32_t i = 0; i <= b->radius; i++)
        b->taps[i] /= sum;
}

/* Columns near an edge, whose neighbours have to be looked for. */
static void blur_edge(const struct blur *b, const float *from, float *to, uint32_t x)
{
    uint32_t bands = b->from->bands, width = b->from->width;
    for (uint32_t band = 0; band < bands; band++) {
        float sum = from[x * bands + band] * b->taps[0];
        for (int32_t i = 1; i <= (int32_t)b->radius; i++)
            sum += b->taps[i] * (from[clamp_index((int32_t)x - i, width) * bands + band] +
                                 from[clamp_index((int32_t)x + i, width) * bands + band]);
        to[x * bands + band] = sum;
    }
}

static void blur_across(void *ctx, uint32_t y)
{
    const struct blur *b = ctx;
    uint32_t bands = b->from->bands, width = b->from->width, inner = b->radius, last = width - inner;
    const float *from = plane_row(b->from, y);
    float *to = plane_row(b->to, y);
    if (width < 2 * b->radius + 8)
        inner = last = width;
    for (uint32_t x = 0; x < inner; x++)
        blur_edge(b, from, to, x);
    size_t i = (size_t)inner * bands, end = (size_t)last * bands;
    for (; i + 4 <= end; i += 4) {
        v4 sum = *(const v4 *)(const void *)(from + i) * b->taps[0];
        for (uint32_t t = 1; t <= b->radius; t++)
            sum += (*(const v4 *)(const void *)(from + i - t * bands) +
                    *(const v4 *)(const void *)(from + i + t * bands)) *
                   b->taps[t];
        *(v4 *)(void *)(to + i) = sum;
    }
    for (uint32_t x = (uint32_t)(i / bands); x < width; x++)
        blur_edge(b, from, to, x);
}

static void blur_down(void *ctx, uint32_t y)
{
    const struct blur *b = ctx;
    size_t count = (size_t)b->from->width * b->from->bands;
    const float *rows[2 * TAPS_MOST];
    for (uint32_t t = 0; t <= b->radius; t++) {
        rows[2 * t] = plane_row(b->from, clamp_index((int32_t)(y - t), b->from->height));
        rows[2 * t + 1] = plane_row(b->from, clamp_index((int32_t)(y + t), b->from->height));
    }
    float *to = plane_row(b->to, y);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        v4 sum = *(const v4 *)(const void *)(rows[0] + i) * b->taps[0];
        for (uint32_t t = 1; t <= b->radius; t++)
            sum += (*(const v4 *)(const void *)(rows[2 * t] + i) +
                    *(const v4 *)(const void *)(rows[2 * t + 1] + i)) *
                   b->taps[t];
        *(v4 *)(void *)(to + i) = sum;
    }
    for (; i < count; i++) {
        float sum = rows[0][i] * b->taps[0];
        for (uint32_t t = 1; t <= b->radius; t++)
            sum += (rows[2 * t][i] + rows[2 * t + 1][i]) * b->taps[t];
        to[i] = sum;
    }
}

static int blur_exact(const struct crew *crew, struct plane *p, float sigma, struct error *e)
{
    PLANE_ON_EXIT struct plane between = {0};
    int r = plane_init(&between, p->width, p->height, p->bands, e);
    if (r < 0)
        return r;
    struct blur b = {.from = p, .to = &between};
    kernel_make(&b, sigma);
    r = parallel_rows(crew, p->height, blur_across, &b, e);
    b.from = &between;
    b.to = p;
    return r < 0 ? r : parallel_rows(crew, p->height, blur_down, &b, e);
}

struct shrink {
    const struct plane *large, *small;
    uint32_t factor;
};

static void shrink_row(void *ctx, uint32_t y)
{
    const struct shrink *s = ctx;
    uint32_t f = s->factor, bands = s->large->bands;
    for (uint32_t x = 0; x < s->small->width; x++) {
        float *to = plane_row(s->small, y) + (size_t)x * bands;
        for (uint32_t band = 0; band < bands; band++) {
            float sum = 0;
            for (uint32_t j = 0; j < f; j++) {
                const float *row = plane_row(s->large, MIN(y * f + j, s->large->height - 1));
                for (uint32_t i = 0; i < f; i++)
                    sum += row[(size_t)MIN(x * f + i, s->large->width - 1) * bands + band];
            }
            to[band] = sum / (float)(f * f);
        }
    }
}

/* The four pixels around a place and how much each counts in a cubic B-spline, which has no kinks: slopes are
 * taken of what is blurred. */
struct spline {
    uint32_t at[4];
    float weight[4];
};

static struct spline spline_of(uint32_t i, uint32_t factor, uint32_t length)
{
    float at = ((float)i + 0.5f) / (float)factor + 1.5f; /* from two pixels before the first */
    int32_t first = (int32_t)at;
    float t = at - (float)first, u = 1 - t;
    struct spline s = {.weight = {u * u * u / 6, (4 - 6 * t * t + 3 * t * t * t) / 6,
                                  (4 - 6 * u * u + 3 * u * u * u) / 6, t * t * t / 6}};
    for (int32_t k = 0; k < 4; k++)
        s.at[k] = clamp_index(first - 3 + k, length);
    return s;
}

static void enlarge_row(void *ctx, uint32_t y)
{
    const struct shrink *s = ctx;
    uint32_t bands = s->large->bands;
    struct spline down = spline_of(y, s->factor, s->small->height);
    float *to = plane_row(s->large, y);
    for (uint32_t x = 0; x < s->large->width; x++, to += bands) {
        struct spline across = spline_of(x, s->factor, s->small->width);
        v4 sum = {0};
        for (unsigned j = 0; j < 4; j++) {
            const float *row = plane_row(s->small, down.at[j]);
            for (unsigned i = 0; i < 4; i++) /* of one band the other three lanes are of no meaning */
                sum += *(const v4 *)(const void *)(row + (size_t)across.at[i] * bands) *
                       (down.weight[j] * across.weight[i]);
        }
        memcpy(to, &sum, bands * sizeof(*to));
    }
}

int plane_blur(const struct crew *crew, struct plane *p, float sigma, struct error *e)
{
    if (sigma <= 0)
        return 0;
    if (sigma <= SIGMA_MOST)
        return blur_exact(crew, p, MAX(sigma, 0.2f), e);
    PLANE_ON_EXIT struct plane small = {0};
    struct shrink s = {.large = p, .small = &small, .factor = (uint32_t)ceilf(2 * sigma / SIGMA_MOST)};
    int r = plane_init(&small, (p->width + s.factor - 1) / s.factor, (p->height + s.factor - 1) / s.factor,
                       p->bands, e);
    if (r == 0)
        r = parallel_rows(crew, small.height, shrink_row, &s, e);
    if (r == 0)
        r = blur_exact(crew, &small, sqrtf(sigma * sigma / (float)(s.factor * s.factor) - scaling_blurs), e);
    return r < 0 ? r : parallel_rows(crew, p->height, enlarge_row, &s, e);
}

int plane_band(const struct plane *from, uint32_t band, struct plane *ret, struct error *e)
{
    CHECK(band < from->bands);
    int r = plane_init(ret, from->width, from->height, 1, e);
    for (size_t i = 0; r == 0 && i < (size_t)from->width * from->height; i++)
        ret->v[i] = from->v[i * from->bands + band];
    return r;
}

int plane_copy(const struct plane *from, struct plane *ret, struct error *e)
{
    int r = plane_init(ret, from->width, from->height, from->bands, e);
    if (r == 0)
        memcpy(ret->v, from->v, sizeof(*ret->v) * from->width * from->height * from->bands);
    return r;
}
