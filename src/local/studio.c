#include "local/studio.h"

#include <math.h>

#include "local/flow.h"
#include "local/kuwahara.h"
#include "local/noise.h"

/* A change of lightness, a unit on, that a brush does not follow. */
static const float rest = 0.007f;

enum { BINS = 1024 };

void studio_step(struct studio *s, int r)
{
    s->done++;
    if (r == 0 && s->run->progress)
        s->run->progress(s->run->ctx, s->done, s->total);
}

struct expose {
    struct plane *lab;
    float low, high, gamma, share;
};

/* Near black a step of a byte is a large one of Oklab, and JPEG's blocks would be seen once lightened: all
 * that is darker than a fifth is drawn together, down to a tenth. */
static float toe(float lightness)
{
    const float end = 0.2f;
    return lightness < end ? end / 2 + lightness * lightness / (2 * end) : lightness;
}

static void expose_row(void *ctx, uint32_t y)
{
    const struct expose *x = ctx;
    v4 *row = plane_row4(x->lab, y);
    for (uint32_t i = 0; i < x->lab->width; i++) {
        float photo = toe(row[i][0]), spread = clampf((photo - x->low) / (x->high - x->low), 0, 1);
        /* A strong colour has its lightness; much lighter it would be pastel. */
        float chroma = sqrtf(row[i][1] * row[i][1] + row[i][2] * row[i][2]);
        float share = x->share * (1 - smoothstep(0.06f, 0.2f, chroma) * 0.7f);
        float lightness = mixf(photo, powf(spread, x->gamma), share);
        /* Chroma goes along, or what was lightened would look washed out. */
        float factor = clampf(lightness / photo, 0.7f, 1.3f) * smoothstep(0, 0.2f, row[i][0]);
        row[i] = (v4){lightness, row[i][1] * factor, row[i][2] * factor, 0};
    }
}

static float part_below(const uint32_t *bins, double part, size_t count)
{
    double seen = 0;
    for (unsigned i = 0; i < BINS; i++) {
        seen += bins[i];
        if (seen >= part * (double)count)
            return ((float)i + 0.5f) / BINS;
    }
    return 1;
}

int studio_expose(struct studio *s, float middle, float share, struct error *e)
{
    uint32_t bins[BINS] = {0};
    size_t count = (size_t)s->lab.width * s->lab.height;
    for (size_t i = 0; i < count; i++)
        bins[(unsigned)clampf(toe(s->lab.v[4 * i]) * BINS, 0, BINS - 1)]++;
    struct expose x = {.lab = &s->lab, .share = share};
    x.low = part_below(bins, 0.01, count);
    x.high = MAX(part_below(bins, 0.99, count), x.low + 0.25f); /* a flat picture stays flat */
    float median = clampf((part_below(bins, 0.5, count) - x.low) / (x.high - x.low), 0.05f, 0.95f);
    x.gamma = clampf(logf(middle) / logf(median), 0.72f, 1.05f); /* darker hardly ever helps */
    return parallel_rows(&s->crew, s->lab.height, expose_row, &x, e);
}

int studio_paint(struct studio *s, float radius, unsigned passes, float flow_sigma, struct plane *ret_flow,
                 struct error *e)
{
    PLANE_ON_EXIT struct plane flow = {0};
    int r = flow_make(&s->crew, &s->lab, MAX(flow_sigma * s->unit, 0.8f), rest / s->unit, &flow, e);
    for (unsigned i = 0; r == 0 && i < passes; i++) {
        struct plane painted;
        r = kuwahara_filter(&s->crew, &s->lab, &flow, MAX(radius * s->unit, 1.0f), &painted, e);
        if (r < 0)
            return r;
        plane_release(&s->lab);
        s->lab = painted;
    }
    if (r == 0 && ret_flow) {
        *ret_flow = flow;
        flow = (struct plane){0};
    }
    return r;
}

int studio_lines(struct studio *s, const struct plane *flow, struct xdog_pen pen, struct plane *ret,
                 struct error *e)
{
    PLANE_ON_EXIT struct plane light = {0};
    int r = plane_band(&s->lab, 0, &light, e);
    if (r < 0)
        return r;
    pen.width = MAX(pen.width * s->unit, 0.6f);
    pen.length = MAX(pen.length * s->unit, 1.0f);
    return xdog_lines(&s->crew, &light, flow, &pen, ret, e);
}

struct fibres {
    struct plane *noise;
    uint64_t seed;
    float thickness, scale;
};

static void noise_row(void *ctx, uint32_t y)
{
    const struct fibres *f = ctx;
    float *row = plane_row(f->noise, y);
    for (uint32_t x = 0; x < f->noise->width; x++)
        row[x] = noise_smooth(f->seed, (float)x / f->thickness, (float)y / f->thickness) - 0.5f;
}

static void scale_row(void *ctx, uint32_t y)
{
    const struct fibres *f = ctx;
    float *row = plane_row(f->noise, y);
    for (uint32_t x = 0; x < f->noise->width; x++)
        row[x] *= f->scale;
}

int studio_fibres(struct studio *s, const struct plane *flow, float thickness, float length,
                  struct plane *ret, struct error *e)
{
    PLANE_ON_EXIT struct plane noise = {0};
    struct plane out;
    struct fibres f = {.noise = &noise, .seed = s->seed, .thickness = MAX(thickness * s->unit, 1.0f)};
    int r = plane_init(&noise, s->lab.width, s->lab.height, 1, e);
    if (r == 0)
        r = parallel_rows(&s->crew, noise.height, noise_row, &f, e);
    if (r == 0)
        r = flow_smooth(&s->crew, &noise, flow, MAX(length * s->unit, 1.0f), &out, e);
    if (r != 0)
        return r;
    double squares = 0;
    size_t count = (size_t)out.width * out.height;
    for (size_t i = 0; i < count; i++)
        squares += (double)out.v[i] * (double)out.v[i];
    f.noise = &out;
    f.scale = 1 / MAX((float)sqrt(squares / (double)count), 1e-3f);
    r = parallel_rows(&s->crew, out.height, scale_row, &f, e);
    if (r < 0)
        plane_release(&out);
    else
        *ret = out;
    return r;
}

struct hue hue_make(float degrees, float half_width)
{
    const float radians = (float)M_PI / 180;
    return (struct hue){cosf(degrees * radians), sinf(degrees * radians), cosf(0.5f * half_width * radians),
                        cosf(half_width * radians)};
}

float hue_share(const struct hue *h, v4 lab)
{
    float chroma = sqrtf(lab[1] * lab[1] + lab[2] * lab[2]);
    float near = (lab[1] * h->a + lab[2] * h->b) / MAX(chroma, 1e-4f);
    return smoothstep(h->none, h->full, near) * smoothstep(0.015f, 0.05f, chroma);
}

float quantise(float lightness, float levels, float hard)
{
    float scaled = lightness * levels, step = floorf(scaled) + 0.5f;
    return (step + 0.5f * (tanhf(hard * (scaled - step)) / tanhf(0.5f * hard))) / levels;
}
