/* All in linear light. The cut-out, blurred at three widths and added up, is a body without creases: steep at
 * the rim, level in the middle. Lightness adds the small forms, as what is near is usually lighter. From the
 * slopes of both come the normals, from those a soft diffuse light, and a rim of the opposite colour. The
 * photo's own light is taken back in part, or the two would argue.
 *
 * Invariant: what lies behind is rebuilt from pixels without subject, and the subject's edge is freed of what
 * was behind it (foreground.h), so that each can be lit on its own and no fringe of the old light stays. */
#include "local/relight.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rng.h"
#include "imaging/foreground.h"
#include "local/noise.h"
#include "local/oklab.h"
#include "local/relight_mood.h"

const char relight_model[] = "limner-light-field";

/* Steepness of the body and of the small forms; how far the photo's own light is taken back. */
static const float body_slope = 1.1f, form_slope = 5.0f, form_most = 0.42f, take_back = 0.45f;

struct scene {
    struct crew crew;
    struct relight_mood mood;
    float unit;      /* pixels: a thousandth of the side of a square as large */
    float size;      /* pixels: side of a square as large as the subject */
    float middle[2]; /* pixels: the subject's */
    v4 to_light;     /* unit vector: right, down, towards the viewer */
    float strength;  /* of the key light */
    float lift;      /* brings the subject to its exposure */
    uint64_t seed;
    struct plane colour; /* linear red, green, blue; alpha */
    struct plane behind; /* the same without the subject; the fourth band is of no meaning */
    struct plane body;   /* heights */
    struct plane form;
    struct plane light; /* lightness, wide: the photo's own light on the subject */
    bool cut;           /* there is an alpha */
};

static void scene_release(struct scene *s)
{
    plane_release(&s->colour);
    plane_release(&s->behind);
    plane_release(&s->body);
    plane_release(&s->form);
    plane_release(&s->light);
}

static float luminance(v4 c)
{
    return 0.2126f * c[0] + 0.7152f * c[1] + 0.0722f * c[2];
}

/* Where the crop of `length` begins in `whole`, so that the subject's middle is in its own. */
static uint32_t crop_start(uint32_t whole, uint32_t length, double middle)
{
    double start = middle - length / 2.0;
    return (uint32_t)(start < 0 ? 0 : start > whole - length ? whole - length : start + 0.5);
}

/* The middle of what alpha covers, along one side; of the picture when there is none. */
static double subject_middle(const struct pixels *alpha, uint32_t length, bool down)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; alpha && i < (size_t)alpha->width * alpha->height; i++) {
        sum += alpha->data[i] * (0.5 + (double)(down ? i / alpha->width : i % alpha->width));
        weight += alpha->data[i];
    }
    return weight > 0 ? sum / weight : length / 2.0;
}

struct fit {
    uint32_t width, height; /* the picture scaled, before it is cut to the result */
    uint32_t left, top, out_width, out_height;
};

static struct fit fit_of(const struct pixels *in, const struct pixels *alpha, const struct relight_rule *rule)
{
    uint32_t w = rule->width ? rule->width : in->width, h = rule->height ? rule->height : in->height;
    double scale = MAX((double)w / in->width, (double)h / in->height);
    struct fit f = {MAX(w, (uint32_t)lround(in->width * scale)),
                    MAX(h, (uint32_t)lround(in->height * scale)),
                    0,
                    0,
                    w,
                    h};
    f.left = crop_start(f.width, w, subject_middle(alpha, in->width, false) * f.width / in->width);
    f.top = crop_start(f.height, h, subject_middle(alpha, in->height, true) * f.height / in->height);
    return f;
}

/* Scaled and cut, alpha left out: the rows move to the front of what was scaled. */
static int fit_pixels(const struct pixels *in, const struct fit *f, struct pixels *ret, struct error *e)
{
    struct pixels scaled;
    int r = image_resize(in, f->width, f->height, &scaled, e);
    if (r < 0)
        return r;
    uint8_t bands = MIN(in->bands, 3), *to = scaled.data;
    for (uint32_t y = 0; y < f->out_height; y++) {
        const uint8_t *from = scaled.data + ((size_t)(f->top + y) * f->width + f->left) * in->bands;
        for (uint32_t x = 0; x < f->out_width; x++, from += in->bands)
            for (unsigned b = 0; b < bands; b++)
                *to++ = from[b];
    }
    *ret = (struct pixels){scaled.data, f->out_width, f->out_height, bands};
    return 0;
}

/* Linear light of 3 bands; the fourth is left as it is. */
static void load_colour(struct scene *s, const struct pixels *p)
{
    float linear[256];
    for (unsigned i = 0; i < 256; i++)
        linear[i] = srgb_to_linear((float)i / 255);
    v4 *to = plane_row4(&s->colour, 0);
    for (size_t i = 0; i < (size_t)p->width * p->height; i++)
        for (unsigned b = 0; b < 3; b++)
            to[i][b] = linear[p->data[i * p->bands + b]];
}

static int load(struct scene *s, const struct pixels *in, const struct pixels *alpha, struct error *e)
{
    int r = plane_init(&s->colour, in->width, in->height, 4, e);
    if (r < 0)
        return r;
    load_colour(s, in);
    double covered = 1e-3, right = 0, down = 0;
    v4 *to = plane_row4(&s->colour, 0);
    for (size_t i = 0; i < (size_t)in->width * in->height; i++) {
        float a = alpha ? (float)alpha->data[i] / 255 : 1;
        to[i][3] = a;
        covered += (double)a;
        size_t x = i % in->width, y = i / in->width;
        right += (double)a * (double)x;
        down += (double)a * (double)y;
    }
    s->middle[0] = (float)(right / covered);
    s->middle[1] = (float)(down / covered);
    s->size = MAX(sqrtf((float)covered), 1.0f);
    return 0;
}

/* A blurred copy of everything but the subject, whose own place is filled from around it. */
static void mask_row(void *ctx, uint32_t y)
{
    const struct scene *s = ctx;
    const v4 *from = plane_row4(&s->colour, y);
    v4 *to = plane_row4(&s->behind, y);
    for (uint32_t x = 0; x < s->colour.width; x++) {
        float out = 1 - from[x][3];
        out = 1e-4f + out * out * out; /* what is half subject hardly counts */
        to[x] = (v4){from[x][0] * out, from[x][1] * out, from[x][2] * out, out};
    }
}

static void unmask_row(void *ctx, uint32_t y)
{
    const struct scene *s = ctx;
    v4 *to = plane_row4(&s->behind, y);
    for (uint32_t x = 0; x < s->behind.width; x++)
        to[x] /= to[x][3];
}

static int behind_make(struct scene *s, struct error *e)
{
    int r = plane_init(&s->behind, s->colour.width, s->colour.height, 4, e);
    if (r == 0)
        r = parallel_rows(&s->crew, s->colour.height, mask_row, s, e);
    if (r == 0)
        r = plane_blur(&s->crew, &s->behind, 5 * s->unit, e);
    return r < 0 ? r : parallel_rows(&s->crew, s->colour.height, unmask_row, s, e);
}

/* From here on `colour` is that of the subject alone. photo is used up. */
static int subject_take(struct scene *s, struct pixels *photo, const struct pixels *alpha, struct error *e)
{
    int r = foreground_estimate(photo, alpha, alpha, e);
    if (r == 0)
        load_colour(s, photo);
    return r;
}

static int body_make(struct scene *s, struct error *e)
{
    static const struct {
        float sigma, share; /* of the subject's size; of the height */
    } layers[] = {{0.26f, 0.50f}, {0.12f, 0.30f}, {0.05f, 0.20f}};
    int r = plane_init(&s->body, s->colour.width, s->colour.height, 1, e);
    if (r < 0)
        return r;
    size_t count = (size_t)s->colour.width * s->colour.height;
    memset(s->body.v, 0, sizeof(float) * count);
    for (unsigned i = 0; r == 0 && i < ARRAY_LEN(layers); i++) {
        PLANE_ON_EXIT struct plane layer = {0};
        r = plane_band(&s->colour, 3, &layer, e);
        if (r == 0)
            r = plane_blur(&s->crew, &layer, layers[i].sigma * s->size, e);
        for (size_t n = 0; r == 0 && n < count; n++)
            s->body.v[n] += layer.v[n] * layers[i].share;
    }
    return r;
}

/* Lightness of the subject alone, blurred; where there is none, that of what is near. */
static int light_make(struct scene *s, struct error *e)
{
    PLANE_ON_EXIT struct plane share = {0};
    int r = plane_band(&s->colour, 3, &share, e);
    if (r == 0)
        r = plane_init(&s->light, s->colour.width, s->colour.height, 1, e);
    if (r == 0)
        r = plane_init(&s->form, s->colour.width, s->colour.height, 1, e);
    if (r < 0)
        return r;
    size_t count = (size_t)s->colour.width * s->colour.height;
    const v4 *colour = plane_row4(&s->colour, 0);
    for (size_t i = 0; i < count; i++) {
        s->form.v[i] = sqrtf(MAX(luminance(colour[i]), 0.0f));
        share.v[i] += 1e-3f;
        s->light.v[i] = s->form.v[i] * share.v[i];
    }
    r = plane_blur(&s->crew, &s->light, 0.16f * s->size, e);
    if (r == 0)
        r = plane_blur(&s->crew, &share, 0.16f * s->size, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        s->light.v[i] /= share.v[i];
    return r < 0 ? r : plane_blur(&s->crew, &s->form, 8 * s->unit, e);
}

static inline float slope_limited(float slope)
{
    return slope / sqrtf(1 + slope * slope / (form_most * form_most));
}

static v4 normal_at(const struct scene *s, uint32_t x, uint32_t y)
{
    uint32_t left = x ? x - 1 : 0, right = MIN(x + 1, s->body.width - 1);
    const float *form = plane_row(&s->form, y), *body = plane_row(&s->body, y);
    uint32_t up = y ? y - 1 : 0, down = MIN(y + 1, s->body.height - 1);
    float fx = form[right] - form[left], fy = plane_row(&s->form, down)[x] - plane_row(&s->form, up)[x];
    float bx = body[right] - body[left], by = plane_row(&s->body, down)[x] - plane_row(&s->body, up)[x];
    float form_scale = 0.5f * form_slope * 10 * s->unit, body_scale = 0.5f * body_slope * s->size;
    float nx = -slope_limited(fx * form_scale) - bx * body_scale;
    float ny = -slope_limited(fy * form_scale) - by * body_scale;
    float length = sqrtf(nx * nx + ny * ny + 1);
    return (v4){nx / length, ny / length, 1 / length, 0};
}

/* 1 nearest to the light … 0 farthest from it. */
static float nearness(const struct scene *s, float x, float y)
{
    float dx = x / (float)s->colour.width - 0.5f, dy = y / (float)s->colour.height - 0.5f;
    float flat = sqrtf(s->to_light[0] * s->to_light[0] + s->to_light[1] * s->to_light[1]);
    if (flat < 0.3f) /* from the front: a pool of light around the middle */
        return clampf(1 - 2.2f * (dx * dx + dy * dy), 0, 1);
    return clampf(0.5f + (dx * s->to_light[0] + dy * s->to_light[1]) / flat, 0, 1);
}

/* How much of the key light arrives at a place of the subject: the harder the light, the nearer its source,
 * and the faster it falls off. */
static float falloff(const struct scene *s, uint32_t x, uint32_t y)
{
    float dx = ((float)x - s->middle[0]) / s->size, dy = ((float)y - s->middle[1]) / s->size;
    float along = dx * s->to_light[0] + dy * s->to_light[1];
    return exp2f((2.4f - 2 * s->mood.wrap) * tanhf(1.5f * along));
}

static v4 subject_light(const struct scene *s, uint32_t x, uint32_t y)
{
    const struct relight_mood *m = &s->mood;
    v4 n = normal_at(s, x, y);
    float towards = n[0] * s->to_light[0] + n[1] * s->to_light[1] + n[2] * s->to_light[2];
    float diffuse = MAX((towards + m->wrap) / (1 + m->wrap), 0.0f);
    float side = n[0] * s->to_light[0] + n[1] * s->to_light[1], turned = 1 - n[2];
    float edge = smoothstep(0.15f, 0.75f, turned);
    float kick = edge * MAX(side, 0.0f), rim = edge * MAX(-side, 0.0f);
    return m->ambient + m->key * (s->strength * falloff(s, x, y) * (diffuse + 0.9f * kick)) +
           m->rim * (0.8f * rim);
}

static v4 behind_light(const struct scene *s, float near)
{
    const struct relight_mood *m = &s->mood;
    float pool = near * near;
    return m->back * (0.42f + 0.75f * pool) + m->key * (0.22f * s->strength * pool * pool);
}

/* Takes back part of the photo's own light: what it has in plenty is darkened, what lies in shade is lifted.
 */
static float own_light(const struct scene *s, size_t i)
{
    float had = clampf(s->light.v[i], 0.08f, 1), usual = 0.5f;
    return powf(usual / had, 2 * take_back);
}

/* Straight to 0.6, then ever slower towards 1: nothing clips, and a hue stays what it is. */
static v4 shoulder(v4 c)
{
    const float knee = 0.6f, bend = 1.5f;
    float most = MAX(MAX(c[0], c[1]), c[2]);
    if (most <= knee)
        return c;
    float past = (most - knee) / (1 - knee);
    float kept = knee + (1 - knee) * past / powf(1 + powf(past, bend), 1 / bend);
    v4 held = c * (kept / most);
    float white = 0.35f * smoothstep(1, 3, most); /* the strongest light bleaches a little */
    return held + (kept - held) * white;
}

static v4 lit(const struct scene *s, uint32_t x, uint32_t y)
{
    size_t i = (size_t)y * s->colour.width + x;
    v4 colour = plane_row4(&s->colour, 0)[i], behind = plane_row4(&s->behind, 0)[i];
    float near = nearness(s, (float)x + 0.5f, (float)y + 0.5f), a = colour[3];
    v4 out = {0};
    if (a > 0)
        out += colour * subject_light(s, x, y) * (s->lift * own_light(s, i) * a);
    if (a < 1)
        out += behind * behind_light(s, near) * (1 - a);
    /* Light in the air lies before what is behind, and a little before the subject. */
    float air = s->mood.haze * near * near * near * (1 - 0.75f * a) * s->strength;
    out += s->mood.key * (0.8f * air);
    float grey = luminance(out);
    out = (out - grey) * s->mood.colour + grey;
    return shoulder(out);
}

struct painting {
    const struct scene *scene;
    struct pixels *to;
};

static void paint_row(void *ctx, uint32_t y)
{
    const struct painting *p = ctx;
    uint8_t *to = p->to->data + (size_t)y * p->to->width * 3;
    for (uint32_t x = 0; x < p->to->width; x++, to += 3) {
        v4 c = lit(p->scene, x, y);
        /* A dark gradient shows steps in bytes, unless they are broken up. */
        float grain = noise_white(p->scene->seed, (int32_t)x, (int32_t)y);
        for (unsigned b = 0; b < 3; b++)
            to[b] = (uint8_t)clampf(srgb_from_linear(clampf(c[b], 0, 1)) * 255 + grain, 0, 255);
    }
}

/* So that the subject is as bright as the mood wants, whichever way it is turned: measured on a lattice. */
static void lift_make(struct scene *s)
{
    double before = 1e-4, after = 1e-4;
    uint32_t step = MAX(MIN(s->colour.width, s->colour.height) / 128, 1u);
    s->lift = 1;
    for (uint32_t y = 0; y < s->colour.height; y += step) {
        for (uint32_t x = 0; x < s->colour.width; x += step) {
            size_t i = (size_t)y * s->colour.width + x;
            v4 c = plane_row4(&s->colour, 0)[i];
            before += (double)(luminance(c) * c[3]);
            after += (double)(luminance(c * subject_light(s, x, y)) * own_light(s, i) * c[3]);
        }
    }
    s->lift = clampf(s->mood.exposure * (float)(before / after), 0.45f, 2.2f);
}

/* −1…1, well spread for neighbouring numbers; 0 for 0. */
static float spread(unsigned variant, double stride)
{
    double v = variant * stride + 0.5;
    return (float)(2 * (v - floor(v)) - 1);
}

static void light_place(struct scene *s, const struct relight_rule *rule)
{
    struct rng r;
    rng_seed(&r, rule->seed);
    float swing = 0.45f * spread(rule->variant, 0.381966) + 0.06f * ((float)rng_unit(&r) - 0.5f);
    float height = 0.55f + 0.15f * spread(rule->variant, 0.754878); /* towards the viewer */
    s->strength = 1 + 0.15f * spread(rule->variant, 0.569840);
    static const float from[][2] = {[RELIGHT_NONE] = {0, -0.25f},
                                    [RELIGHT_LEFT] = {-1, -0.25f},
                                    [RELIGHT_RIGHT] = {1, -0.25f},
                                    [RELIGHT_TOP] = {0, -1},
                                    [RELIGHT_BOTTOM] = {0, 1}};
    float x = from[rule->side][0], y = from[rule->side][1];
    if (x != 0)
        y += swing;
    else
        x += swing * (rule->side == RELIGHT_NONE ? 0.5f : 1);
    if (rule->side == RELIGHT_NONE)
        height = 1.2f;
    float length = sqrtf(x * x + y * y + height * height);
    s->to_light = (v4){x / length, y / length, height / length, 0};
}

/* in is used up. */
static int relight_fitted(struct scene *s, struct pixels *in, const struct pixels *alpha, struct pixels *ret,
                          struct error *e)
{
    CHECK(in->width > 0 && in->height > 0);
    struct pixels out = {malloc((size_t)in->width * in->height * 3), in->width, in->height, 3};
    int r = out.data
                ? 0
                : error_set(e, ERR_INTERNAL, "no memory for a picture of %u × %u", in->width, in->height);
    if (r == 0)
        r = load(s, in, alpha, e);
    if (r == 0)
        r = behind_make(s, e);
    if (r == 0 && alpha)
        r = subject_take(s, in, alpha, e);
    if (r == 0)
        r = body_make(s, e);
    if (r == 0)
        r = light_make(s, e);
    if (r == 0) {
        lift_make(s);
        struct painting p = {s, &out};
        r = parallel_rows(&s->crew, in->height, paint_row, &p, e);
    }
    scene_release(s);
    if (r < 0)
        pixels_release(&out);
    else
        *ret = out;
    return r;
}

int relight_render(const struct pixels *in, const struct pixels *alpha, const struct relight_rule *rule,
                   struct pixels *ret, struct error *e)
{
    CHECK(in->bands == 3 || in->bands == 4);
    CHECK(!alpha || (alpha->bands == 1 && alpha->width == in->width && alpha->height == in->height));
    struct fit fit = fit_of(in, alpha, rule);
    struct scene s = {
        .crew = {rule->threads, rule->cancelled},
        .mood = relight_mood(rule->prompt),
        .unit = sqrtf((float)fit.out_width * (float)fit.out_height) / 1000,
        .seed = rule->seed + rule->variant,
    };
    light_place(&s, rule);
    struct pixels picture, mask = {0};
    int r = fit_pixels(in, &fit, &picture, e);
    if (r < 0)
        return r;
    if (alpha)
        r = fit_pixels(alpha, &fit, &mask, e);
    if (r == 0)
        r = relight_fitted(&s, &picture, alpha ? &mask : NULL, ret, e);
    pixels_release(&picture);
    pixels_release(&mask);
    return r;
}
