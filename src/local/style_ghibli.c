/* A painted background of a film: gouache in warm light, lush greens, a sky to fly in. */
#include <math.h>

#include "local/studio.h"

struct gouache {
    struct studio *s;
    const struct plane *lines, *glow, *fibres;
    struct hue skin, sky, green;
};

static v4 grade(const struct gouache *g, v4 c)
{
    float sky = hue_share(&g->sky, c), green = hue_share(&g->green, c), skin = hue_share(&g->skin, c);
    float lightness = clampf(c[0], 0, 1);
    float shade = 1 - smoothstep(0.15f, 0.55f, lightness), light = smoothstep(0.55f, 0.95f, lightness);
    /* Shadows are never black but blue-green; light is late afternoon. */
    lightness = 0.09f + 0.91f * powf(lightness, 0.9f) + 0.02f * green + 0.03f * sky;
    float chroma = 1.2f + 0.35f * green + 0.4f * sky - 0.1f * skin;
    return (v4){
        lightness,
        c[1] * chroma - 0.012f * shade + 0.004f * light - 0.012f * green + 0.004f * skin - 0.010f * sky,
        c[2] * chroma - 0.014f * shade + 0.014f * light * (1 - sky) + 0.016f * green - 0.008f * sky, 0};
}

static void gouache_row(void *ctx, uint32_t y)
{
    const struct gouache *g = ctx;
    v4 *row = plane_row4(&g->s->lab, y);
    const v4 *glow = plane_row4(g->glow, y);
    const float *lines = plane_row(g->lines, y), *fibres = plane_row(g->fibres, y);
    for (uint32_t x = 0; x < g->s->lab.width; x++) {
        v4 c = grade(g, row[x]);
        float bright = smoothstep(0.62f, 1, glow[x][0]);
        c[0] +=
            0.011f * fibres[x] * (1 - 0.7f * smoothstep(0.85f, 0.98f, c[0])) + 0.16f * bright * (1 - c[0]);
        c[2] += 0.010f * bright;
        v4 ink = {0.27f, 0.022f, 0.028f, 0};
        row[x] = c + (ink - c) * (0.6f * (1 - lines[x]));
    }
}

int style_ghibli(struct studio *s, struct error *e)
{
    PLANE_ON_EXIT struct plane flow = {0}, lines = {0}, glow = {0}, fibres = {0};
    struct gouache g = {s, &lines, &glow, &fibres, hue_make(55, 35), hue_make(240, 50), hue_make(130, 40)};
    int r = studio_expose(s, 0.6f, 0.6f, e);
    if (r == 0)
        r = studio_paint(s, 3, 1, 2, &flow, e);
    studio_step(s, r);
    if (r == 0)
        r = studio_lines(s, &flow, (struct xdog_pen){0.8f, 4, 0.014f, 80, 0}, &lines, e);
    plane_release(&flow);
    studio_step(s, r);
    if (r == 0)
        r = studio_paint(s, 4.5f, 1, 3, &flow, e);
    if (r == 0)
        r = studio_fibres(s, &flow, 3.5f, 9, &fibres, e);
    plane_release(&flow);
    studio_step(s, r);
    if (r == 0)
        r = plane_copy(&s->lab, &glow, e);
    if (r == 0)
        r = plane_blur(&s->crew, &glow, 22 * s->unit, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->lab.height, gouache_row, &g, e);
    studio_step(s, r);
    return r;
}
