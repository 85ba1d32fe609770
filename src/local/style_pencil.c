/* Pencil: strokes where the picture changes, tone from hatching, after Lu, Xu, Jia, "Combining sketch and
 * tone for pencil drawing production" (2012). A stroke is a straight line in one of eight directions: each
 * pixel's change belongs to the direction in which its neighbours change too, and is then drawn out along it.
 */
#include <math.h>
#include <stdlib.h>

#include "local/noise.h"
#include "local/studio.h"

enum { DIRECTIONS = 8, TONES = 256, REACH_MOST = 64 };

struct drawing {
    struct studio *s;
    struct plane change; /* how much lightness changes here */
    struct plane best;   /* the strongest direction's sum so far; then the change of one direction */
    struct plane sums;   /* along one direction; then the strokes */
    uint8_t *direction;  /* of each pixel */
    uint8_t now;         /* the direction at work */
    int32_t reach;       /* pixels on either side */
    int32_t dx[2 * REACH_MOST + 1], dy[2 * REACH_MOST + 1];
    struct plane lines; /* fine ones: what long strokes would lose, eyes above all */
    float tone[TONES];  /* lightness of the photo to that of the drawing */
    float strongest;    /* a stroke that is quite black */
};

static void drawing_release(struct drawing *d)
{
    plane_release(&d->change);
    plane_release(&d->best);
    plane_release(&d->sums);
    plane_release(&d->lines);
    free(d->direction);
}

static void change_row(void *ctx, uint32_t y)
{
    const struct drawing *d = ctx;
    const struct plane *lab = &d->s->lab;
    const v4 *here = plane_row4(lab, y), *down = plane_row4(lab, MIN(y + 1, lab->height - 1));
    const v4 *up = plane_row4(lab, y ? y - 1 : 0);
    for (uint32_t x = 0; x < lab->width; x++) {
        v4 gx = here[MIN(x + 1, lab->width - 1)] - here[x ? x - 1 : 0], gy = down[x] - up[x];
        float change = sqrtf(gx[0] * gx[0] + gy[0] * gy[0] +
                             0.5f * (gx[1] * gx[1] + gx[2] * gx[2] + gy[1] * gy[1] + gy[2] * gy[2]));
        plane_row(&d->change, y)[x] = change;
    }
}

static void line_make(struct drawing *d, uint8_t direction)
{
    float angle = (float)direction * (float)M_PI / DIRECTIONS;
    d->now = direction;
    for (int32_t i = -d->reach; i <= d->reach; i++) {
        d->dx[i + d->reach] = (int32_t)lrintf((float)i * cosf(angle));
        d->dy[i + d->reach] = (int32_t)lrintf((float)i * sinf(angle));
    }
}

static void add_shifted(float *to, const float *from, int32_t width, int32_t dx)
{
    int32_t x = MAX(0, -dx), end = MIN(width, width - dx);
    for (; x + 4 <= end; x += 4)
        *(v4 *)(void *)(to + x) += *(const v4 *)(const void *)(from + x + dx);
    for (; x < end; x++)
        to[x] += from[x + dx];
}

/* Adds up `from` along the line at work, for a row. */
static void add_line(const struct drawing *d, const struct plane *from, uint32_t y, float *to)
{
    for (int32_t i = 0; i <= 2 * d->reach; i++) {
        int64_t row = (int64_t)y + d->dy[i];
        if (row >= 0 && row < from->height)
            add_shifted(to, plane_row(from, (uint32_t)row), (int32_t)from->width, d->dx[i]);
    }
}

static void classify_row(void *ctx, uint32_t y)
{
    const struct drawing *d = ctx;
    uint32_t width = d->change.width;
    float *sums = plane_row(&d->sums, y), *best = plane_row(&d->best, y);
    uint8_t *direction = d->direction + (size_t)y * width;
    memset(sums, 0, width * sizeof(*sums));
    add_line(d, &d->change, y, sums);
    for (uint32_t x = 0; x < width; x++) {
        if (d->now == 0 || sums[x] > best[x]) {
            best[x] = sums[x];
            direction[x] = d->now;
        }
    }
}

static void own_row(void *ctx, uint32_t y)
{
    const struct drawing *d = ctx;
    uint32_t width = d->change.width;
    const uint8_t *direction = d->direction + (size_t)y * width;
    for (uint32_t x = 0; x < width; x++)
        plane_row(&d->best, y)[x] = direction[x] == d->now ? plane_row(&d->change, y)[x] : 0;
}

static void stroke_row(void *ctx, uint32_t y)
{
    const struct drawing *d = ctx;
    add_line(d, &d->best, y, plane_row(&d->sums, y));
}

static int strokes_make(struct drawing *d, struct error *e)
{
    const struct crew *crew = &d->s->crew;
    uint32_t width = d->s->lab.width, height = d->s->lab.height;
    int r = plane_init(&d->change, width, height, 1, e);
    if (r == 0)
        r = plane_init(&d->best, width, height, 1, e);
    if (r == 0)
        r = plane_init(&d->sums, width, height, 1, e);
    if (r < 0)
        return r;
    d->direction = malloc((size_t)width * height);
    if (!d->direction)
        return error_set(e, ERR_INTERNAL, "no memory for a plane of %u × %u", width, height);
    r = parallel_rows(crew, height, change_row, d, e);
    for (uint8_t i = 0; r == 0 && i < DIRECTIONS; i++) {
        line_make(d, i);
        r = parallel_rows(crew, height, classify_row, d, e);
    }
    studio_step(d->s, r);
    if (r == 0)
        memset(d->sums.v, 0, sizeof(*d->sums.v) * width * height);
    for (uint8_t i = 0; r == 0 && i < DIRECTIONS; i++) {
        line_make(d, i);
        r = parallel_rows(crew, height, own_row, d, e);
        if (r == 0)
            r = parallel_rows(crew, height, stroke_row, d, e);
    }
    return r;
}

/* The lightness that 99 of 100 strokes do not reach. */
static void strongest_find(struct drawing *d)
{
    enum { BINS = 1000 };
    size_t count = (size_t)d->sums.width * d->sums.height, seen = 0;
    uint32_t bins[BINS] = {0};
    float most = 1e-3f;
    for (size_t i = 0; i < count; i++)
        most = MAX(most, d->sums.v[i]);
    for (size_t i = 0; i < count; i++)
        bins[(unsigned)(d->sums.v[i] / most * (BINS - 1))]++;
    unsigned i = BINS;
    while (i > 1 && seen < count / 100)
        seen += bins[--i];
    d->strongest = most * (float)i / BINS;
}

/* How a pencil drawing's tones are spread, as the paper has measured it: much light, an even middle, a little
 * dark. Photo and drawing are matched by rank. */
static void tones_make(struct drawing *d)
{
    const struct plane *lab = &d->s->lab;
    size_t count = (size_t)lab->width * lab->height;
    uint32_t bins[TONES] = {0};
    float share[TONES], sum = 0;
    for (size_t i = 0; i < count; i++)
        bins[(unsigned)(clampf(lab->v[4 * i], 0, 1) * (TONES - 1))]++;
    for (unsigned i = 0; i < TONES; i++) {
        float v = (float)i, bright = expf((v - 255) / 11) / 11;
        float even = i >= 105 && i <= 235 ? 1.0f / 130 : 0;
        float dark = expf(-0.5f * (v - 90) * (v - 90) / (16 * 16)) / (16 * 2.5066f);
        sum += share[i] = 0.46f * bright + 0.38f * even + 0.16f * dark;
    }
    float wanted = share[0] / sum;
    double have = 0;
    for (unsigned i = 0, j = 0; i < TONES; i++) {
        have += 0.5 * bins[i];
        while (j < TONES - 1 && wanted < have / (double)count)
            wanted += share[++j] / sum;
        have += 0.5 * bins[i];
        float ranked = (float)j / (TONES - 1), plain = 0.35f + 0.65f * (float)i / (TONES - 1);
        d->tone[i] = mixf(plain, ranked, 0.6f);
    }
}

/* A layer of hatching: streaks in one direction, drawn by a hand that wavers. */
static float hatch(const struct studio *s, uint64_t seed, float x, float y, float angle)
{
    float along = (x * cosf(angle) + y * sinf(angle)) / s->unit;
    float across = (y * cosf(angle) - x * sinf(angle)) / s->unit;
    across += 7 * noise_smooth(seed + 7, along / 130, across / 90);
    float streak = noise_fractal(seed, along / 45, across / 2.2f, 2);
    return smoothstep(0.15f, 0.85f, streak);
}

static void draw_row(void *ctx, uint32_t y)
{
    const struct drawing *d = ctx;
    const struct studio *s = d->s;
    v4 *row = plane_row4(&s->lab, y);
    const float *strokes = plane_row(&d->sums, y);
    float fy = (float)y, unit = s->unit;
    for (uint32_t x = 0; x < s->lab.width; x++) {
        float fx = (float)x;
        float grain = noise_fractal(s->seed + 1, fx / (1.6f * unit), fy / (1.6f * unit), 2);
        float tone = d->tone[(unsigned)(clampf(row[x][0], 0, 1) * (TONES - 1))];
        float first = hatch(s, s->seed + 2, fx, fy, -0.8f);
        float second = hatch(s, s->seed + 4, fx, fy, -0.25f);
        float texture = mixf(first, first * 0.5f + second * 0.5f, smoothstep(0.65f, 0.35f, tone));
        /* The lighter the hand, the more the paper's grain shows. */
        texture = clampf(0.45f + 0.5f * texture + 0.35f * (grain - 0.5f), 0.05f, 0.98f);
        tone = mixf(tone, 1, smoothstep(0.78f, 0.97f, tone)); /* the lightest is left white */
        float shade = powf(texture, logf(clampf(tone, 0.05f, 0.998f)) / logf(0.70f));
        float stroke = clampf(strokes[x] / d->strongest, 0, 1);
        stroke = smoothstep(0.03f, 1.0f, stroke) * (0.75f + 0.5f * (grain - 0.5f));
        stroke = MAX(stroke, 0.8f * (1 - plane_row(&d->lines, y)[x]) * (0.7f + 0.6f * grain));
        float left = shade * (1 - 0.92f * clampf(stroke * 1.25f, 0, 1));
        float paper = 0.965f + 0.02f * (grain - 0.5f);
        row[x] = (v4){mixf(0.26f, paper, left), 0.001f, mixf(0.003f, 0.012f, left), 0};
    }
}

int style_sketch(struct studio *s, struct error *e)
{
    PLANE_ON_EXIT struct plane flow = {0};
    struct drawing d = {.s = s, .reach = (int32_t)clampf(11 * s->unit, 3, REACH_MOST)};
    int r = studio_expose(s, 0.6f, 0.7f, e);
    if (r == 0)
        r = studio_paint(s, 2.5f, 1, 2, &flow, e);
    if (r == 0)
        r = studio_lines(s, &flow, (struct xdog_pen){0.9f, 3, 0.012f, 60, 0}, &d.lines, e);
    plane_release(&flow);
    studio_step(s, r);
    if (r == 0)
        r = strokes_make(&d, e);
    studio_step(s, r);
    if (r == 0) {
        strongest_find(&d);
        tones_make(&d);
        r = parallel_rows(&s->crew, s->lab.height, draw_row, &d, e);
    }
    studio_step(s, r);
    drawing_release(&d);
    return r;
}
