/* Anime and cartoon: flat areas of light and shade, and lines around them. */
#include <math.h>

#include "local/studio.h"

struct cel {
    struct studio *s;
    const struct plane *lines, *glow;
    struct hue skin, sky, green;
};

static v4 anime_colour(const struct cel *cel, v4 c)
{
    float skin = hue_share(&cel->skin, c) * smoothstep(0.35f, 0.6f, c[0]);
    float sky = hue_share(&cel->sky, c), green = hue_share(&cel->green, c);
    float lifted = 0.10f + 0.90f * powf(clampf(c[0], 0, 1), 0.88f); /* no shade is black */
    float lightness = mixf(lifted, quantise(lifted, 6, 4), 0.75f);
    float vivid = smoothstep(0.09f, 0.15f, sqrtf(c[1] * c[1] + c[2] * c[2])); /* is bright enough as it is */
    skin *= 1 - vivid;
    /* Shade leans to violet, light to warm: cel painters mix it so. */
    float shade = 1 - smoothstep(0.2f, 0.6f, lightness);
    lightness += 0.025f * skin - 0.03f * vivid + 0.03f * sky + 0.02f * green;
    float chroma = 1.4f - 0.25f * skin + 0.35f * sky + 0.2f * green;
    return (v4){lightness, c[1] * chroma + 0.010f * shade + 0.012f * skin,
                c[2] * chroma - 0.020f * shade - 0.010f * skin, 0};
}

static void anime_row(void *ctx, uint32_t y)
{
    const struct cel *cel = ctx;
    v4 *row = plane_row4(&cel->s->lab, y);
    const float *lines = plane_row(cel->lines, y);
    const v4 *glow = plane_row4(cel->glow, y);
    for (uint32_t x = 0; x < cel->s->lab.width; x++) {
        v4 c = anime_colour(cel, row[x]);
        float bright = smoothstep(0.6f, 1, glow[x][0]);
        c += (v4){0.10f * bright * (1 - c[0]) * 2, 0.05f * bright * glow[x][1], 0.05f * bright * glow[x][2],
                  0};
        /* Lines take the colour of what they bound, only much darker. */
        v4 ink = {0.18f + 0.12f * c[0], c[1] * 0.5f + 0.01f, c[2] * 0.5f, 0};
        row[x] = ink + (c - ink) * (1 - 0.9f * (1 - lines[x]));
    }
}

int style_anime(struct studio *s, struct error *e)
{
    PLANE_ON_EXIT struct plane flow = {0}, lines = {0}, glow = {0};
    struct cel cel = {s, &lines, &glow, hue_make(55, 40), hue_make(245, 45), hue_make(135, 40)};
    int r = studio_expose(s, 0.61f, 0.65f, e);
    if (r == 0)
        r = studio_paint(s, 2.5f, 1, 2, &flow, e);
    studio_step(s, r);
    if (r == 0)
        r = studio_lines(s, &flow, (struct xdog_pen){0.85f, 5, 0.016f, 110, 0}, &lines, e);
    plane_release(&flow);
    studio_step(s, r);
    if (r == 0)
        r = studio_paint(s, 4.5f, 2, 3, NULL, e);
    studio_step(s, r);
    if (r == 0)
        r = plane_copy(&s->lab, &glow, e);
    if (r == 0)
        r = plane_blur(&s->crew, &glow, 16 * s->unit, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->lab.height, anime_row, &cel, e);
    studio_step(s, r);
    return r;
}

static void cartoon_row(void *ctx, uint32_t y)
{
    const struct cel *cel = ctx;
    v4 *row = plane_row4(&cel->s->lab, y);
    const float *lines = plane_row(cel->lines, y);
    for (uint32_t x = 0; x < cel->s->lab.width; x++) {
        v4 c = row[x];
        float skin = hue_share(&cel->skin, c);
        float lifted = 0.08f + 0.92f * powf(clampf(c[0], 0, 1), 0.85f);
        float lightness = mixf(lifted, quantise(lifted, 5, 7), 0.85f) - 0.02f;
        float chroma = 1.7f - 0.35f * skin;
        c = (v4){lightness, c[1] * chroma, c[2] * chroma, 0};
        row[x] = (v4){0.13f, 0, -0.01f, 0} * (1 - lines[x]) + c * lines[x];
    }
}

int style_cartoon(struct studio *s, struct error *e)
{
    PLANE_ON_EXIT struct plane flow = {0}, lines = {0};
    struct cel cel = {.s = s, .lines = &lines, .skin = hue_make(55, 40)};
    int r = studio_expose(s, 0.6f, 0.8f, e);
    if (r == 0)
        r = studio_paint(s, 5, 1, 2.5f, &flow, e);
    studio_step(s, r);
    if (r == 0)
        r = studio_lines(s, &flow, (struct xdog_pen){1.7f, 7, 0.012f, 150, 0.13f}, &lines, e);
    plane_release(&flow);
    studio_step(s, r);
    if (r == 0)
        r = studio_paint(s, 6, 2, 3, NULL, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->lab.height, cartoon_row, &cel, e);
    studio_step(s, r);
    return r;
}
