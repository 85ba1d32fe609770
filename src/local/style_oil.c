/* Oil: thick strokes along the forms, each made of bristles that catch the light of the studio. */
#include <math.h>

#include "local/flow.h"
#include "local/studio.h"

/* Towards the light, in the picture's plane: from the upper left, as painters have it. */
static const float light_x = -0.6f, light_y = -0.8f;

struct oil {
    struct studio *s;
    const struct plane *flow;
    struct plane bristles, strokes;
};

static void colour_row(void *ctx, uint32_t y)
{
    struct studio *s = ctx;
    v4 *row = plane_row4(&s->lab, y);
    for (uint32_t x = 0; x < s->lab.width; x++) {
        float lightness = row[x][0], middle = lightness - 0.5f;
        /* An S-curve, and pigments that are strongest in the middle tones. */
        float curved = 0.52f + middle * (1.0f - 0.25f * middle * middle);
        float chroma = 1.25f + 0.25f * (1 - 4 * middle * middle);
        row[x] = (v4){curved, row[x][1] * chroma, row[x][2] * chroma + 0.006f, 0};
    }
}

static void relief_row(void *ctx, uint32_t y)
{
    const struct oil *o = ctx;
    const struct plane *b = &o->bristles, *t = &o->strokes;
    uint32_t up = y ? y - 1 : 0, down = MIN(y + 1, b->height - 1);
    v4 *row = plane_row4(&o->s->lab, y);
    for (uint32_t x = 0; x < b->width; x++) {
        uint32_t left = x ? x - 1 : 0, right = MIN(x + 1, b->width - 1);
        float dx = plane_row(b, y)[right] - plane_row(b, y)[left];
        float dy = plane_row(b, down)[x] - plane_row(b, up)[x];
        dx += 1.5f * (plane_row(t, y)[right] - plane_row(t, y)[left]);
        dy += 1.5f * (plane_row(t, down)[x] - plane_row(t, up)[x]);
        float lit = tanhf(0.35f * o->s->unit * (dx * light_x + dy * light_y));
        float lightness = row[x][0], thick = 0.35f + 0.65f * smoothstep(0.15f, 0.7f, lightness) -
                                             0.4f * smoothstep(0.8f, 0.97f, lightness);
        thick *= 0.5f + 0.5f * smoothstep(0, 0.01f / o->s->unit, plane_row4(o->flow, y)[x][FLOW_STRENGTH]);
        float tone = 0.016f * plane_row(t, y)[x] + 0.008f * plane_row(b, y)[x];
        row[x][0] = lightness + thick * (tone + (lit > 0 ? 0.070f : 0.055f) * lit);
        row[x] *= (v4){1, 1 - 0.05f * lit, 1 - 0.05f * lit, 0};
    }
}

int style_oil(struct studio *s, struct error *e)
{
    PLANE_ON_EXIT struct plane flow = {0};
    struct oil o = {.s = s, .flow = &flow};
    int r = studio_expose(s, 0.52f, 0.5f, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->lab.height, colour_row, s, e);
    if (r == 0)
        r = studio_paint(s, 6, 1, 2.5f, NULL, e);
    studio_step(s, r);
    if (r == 0)
        r = studio_paint(s, 5, 1, 4, &flow, e);
    studio_step(s, r);
    if (r == 0)
        r = studio_fibres(s, &flow, 1.4f, 11, &o.bristles, e);
    if (r == 0)
        r = studio_fibres(s, &flow, 5.5f, 14, &o.strokes, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->lab.height, relief_row, &o, e);
    studio_step(s, r);
    plane_release(&o.bristles);
    plane_release(&o.strokes);
    return r;
}
