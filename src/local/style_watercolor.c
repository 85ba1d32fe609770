/* Watercolour: thin washes over rough paper. Pigment gathers at the edges of a wash and in the paper's
 * hollows, runs where two washes meet wet, and stops before the edge of the sheet. */
#include <math.h>

#include "local/noise.h"
#include "local/studio.h"

static const float paper_lightness = 0.975f, paper_warmth = 0.008f;

struct wash {
    struct studio *s;
    struct plane *from, *soft, *lines;
};

/* A steady hand is not: every look-up is off by a little, the same way for neighbours. */
static void wobble_row(void *ctx, uint32_t y)
{
    const struct wash *w = ctx;
    float unit = w->s->unit, period = 22 * unit;
    v4 *row = plane_row4(&w->s->lab, y);
    for (uint32_t x = 0; x < w->from->width; x++) {
        float dx = noise_fractal(w->s->seed + 10, (float)x / period, (float)y / period, 3) - 0.5f;
        float dy = noise_fractal(w->s->seed + 20, (float)x / period, (float)y / period, 3) - 0.5f;
        v4 c = plane_at4(w->from, (float)x + 9 * unit * dx, (float)y + 9 * unit * dy);
        /* Thin paint: light, and the darkest dark is not black. */
        float lightness = 1 - 0.83f * powf(1 - clampf(c[0], 0, 1), 1.12f);
        row[x] = (v4){lightness, c[1] * 1.25f, c[2] * 1.25f, 0};
    }
}

/* How far the paint reaches, 1 inside, 0 on bare paper; *rim is where it dries last. */
static float reach(const struct wash *w, uint32_t x, uint32_t y, float grain, float *rim)
{
    float unit = w->s->unit, width = (float)w->from->width, height = (float)w->from->height;
    float fx = (float)x, fy = (float)y;
    float near = MIN(MIN(fx, width - 1 - fx), MIN(fy, height - 1 - fy)) / unit;
    float far = 30 + 46 * (noise_fractal(w->s->seed + 30, fx / (90 * unit), fy / (90 * unit), 4) - 0.5f);
    float inside = near - far + 9 * (grain - 0.5f);
    *rim = smoothstep(0, 1.5f, inside) * smoothstep(9, 1, inside);
    return smoothstep(-1, 2, inside);
}

static void pigment_row(void *ctx, uint32_t y)
{
    const struct wash *w = ctx;
    float unit = w->s->unit, fy = (float)y;
    uint64_t seed = w->s->seed;
    v4 *row = plane_row4(&w->s->lab, y);
    const v4 *soft = plane_row4(w->soft, y);
    const float *lines = plane_row(w->lines, y);
    for (uint32_t x = 0; x < w->from->width; x++) {
        float fx = (float)x, rim;
        float grain = noise_fractal(seed + 40, fx / (4.5f * unit), fy / (4.5f * unit), 3);
        float pool = noise_fractal(seed + 50, fx / (170 * unit), fy / (170 * unit), 5);
        float wet =
            smoothstep(0.42f, 0.68f, noise_fractal(seed + 60, fx / (220 * unit), fy / (220 * unit), 3));
        v4 c = row[x];
        float edge = clampf((soft[x][0] - c[0]) * 5, -0.3f, 1);
        c += (soft[x] - c) * (0.35f * wet * (1 - smoothstep(0.02f, 0.12f, fabsf(soft[x][0] - c[0]))));
        float painted = reach(w, x, y, grain, &rim);
        float dense = 1 + 1.1f * (pool - 0.5f) + 0.55f * edge + 0.75f * (0.5f - grain) + 0.5f * rim;
        float lightness = clampf(c[0], 0, 1);
        lightness *= 1 - (1 - lightness) * (dense - 1);
        float chroma = clampf(1 + 0.5f * (dense - 1), 0.6f, 1.5f);
        float bare = smoothstep(0.93f, 0.985f, lightness);
        c = (v4){lightness, c[1] * chroma, c[2] * chroma, 0};
        v4 paper = {paper_lightness + 0.025f * (grain - 0.5f), 0.001f, paper_warmth, 0};
        c += (paper - c) * (1 - painted * (1 - bare));
        float pencil = (1 - lines[x]) * (0.25f + 0.5f * grain) * (0.45f + 0.55f * painted);
        row[x] = c + ((v4){0.36f, 0.005f, 0.012f, 0} - c) * (0.7f * pencil);
    }
}

int style_watercolor(struct studio *s, struct error *e)
{
    PLANE_ON_EXIT struct plane flow = {0}, lines = {0}, soft = {0}, from = {0};
    struct wash w = {s, &from, &soft, &lines};
    int r = studio_expose(s, 0.6f, 0.6f, e);
    if (r == 0)
        r = studio_paint(s, 4, 1, 2, &flow, e);
    if (r == 0)
        r = studio_lines(s, &flow, (struct xdog_pen){0.9f, 5, 0.012f, 60, 0}, &lines, e);
    plane_release(&flow);
    studio_step(s, r);
    if (r == 0)
        r = studio_paint(s, 6.5f, 1, 3, NULL, e);
    studio_step(s, r);
    if (r == 0)
        r = plane_copy(&s->lab, &from, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->lab.height, wobble_row, &w, e);
    plane_release(&from);
    from = (struct plane){.width = s->lab.width, .height = s->lab.height};
    studio_step(s, r);
    if (r == 0)
        r = plane_copy(&s->lab, &soft, e);
    if (r == 0)
        r = plane_blur(&s->crew, &soft, 5 * s->unit, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->lab.height, pigment_row, &w, e);
    studio_step(s, r);
    return r;
}
