#include "local/oklab.h"

#include <math.h>

#include "base/check.h"

enum { CODES = 4096 };

struct convert {
    const struct plane *lab;
    const struct pixels *pixels;
    float linear[256];
    uint8_t code[CODES]; /* by the square root of linear light, which spends steps where the eye does */
};

float srgb_to_linear(float v)
{
    return v <= 0.04045f ? v / 12.92f : powf((v + 0.055f) / 1.055f, 2.4f);
}

float srgb_from_linear(float v)
{
    return v <= 0.0031308f ? v * 12.92f : 1.055f * powf(v, 1 / 2.4f) - 0.055f;
}

v4 oklab_of_linear(float r, float g, float b)
{
    float l = cbrtf(0.4122214708f * r + 0.5363325363f * g + 0.0514459929f * b);
    float m = cbrtf(0.2119034982f * r + 0.6806995451f * g + 0.1073969566f * b);
    float s = cbrtf(0.0883024619f * r + 0.2817188376f * g + 0.6299787005f * b);
    return (v4){0.2104542553f * l + 0.7936177850f * m - 0.0040720468f * s,
                1.9779984951f * l - 2.4285922050f * m + 0.4505937099f * s,
                0.0259040371f * l + 0.7827717662f * m - 0.8086757660f * s, 0};
}

static v4 linear_of(v4 lab)
{
    float l = lab[0] + 0.3963377774f * lab[1] + 0.2158037573f * lab[2];
    float m = lab[0] - 0.1055613458f * lab[1] - 0.0638541728f * lab[2];
    float s = lab[0] - 0.0894841775f * lab[1] - 1.2914855480f * lab[2];
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (v4){4.0767416621f * l - 3.3077115913f * m + 0.2309699292f * s,
                -1.2684380046f * l + 2.6097574011f * m - 0.3413193965f * s,
                -0.0041960863f * l - 0.7034186147f * m + 1.7076147010f * s, 0};
}

static void from_row(void *ctx, uint32_t y)
{
    const struct convert *c = ctx;
    unsigned bands = c->pixels->bands, g = bands == 1 ? 0 : 1, b = bands == 1 ? 0 : 2;
    const uint8_t *from = c->pixels->data + (size_t)y * c->pixels->width * bands;
    v4 *to = plane_row4(c->lab, y);
    for (uint32_t x = 0; x < c->pixels->width; x++, from += bands)
        to[x] = oklab_of_linear(c->linear[from[0]], c->linear[from[g]], c->linear[from[b]]);
}

int oklab_from(const struct crew *crew, const struct pixels *in, struct plane *ret, struct error *e)
{
    struct plane lab;
    int r = plane_init(&lab, in->width, in->height, 4, e);
    if (r < 0)
        return r;
    struct convert c = {.lab = &lab, .pixels = in};
    for (unsigned i = 0; i < 256; i++)
        c.linear[i] = srgb_to_linear((float)i / 255);
    r = parallel_rows(crew, in->height, from_row, &c, e);
    if (r < 0)
        plane_release(&lab);
    else
        *ret = lab;
    return r;
}

/* Towards grey of the same luminance, as far as it takes. */
static v4 fit(v4 c)
{
    float grey = clampf(0.2126f * c[0] + 0.7152f * c[1] + 0.0722f * c[2], 0, 1), keep = 1;
    for (unsigned i = 0; i < 3; i++) {
        if (c[i] > 1)
            keep = MIN(keep, (1 - grey) / (c[i] - grey));
        else if (c[i] < 0)
            keep = MIN(keep, grey / (grey - c[i]));
    }
    return keep < 1 ? (c - grey) * keep + grey : c;
}

static void into_row(void *ctx, uint32_t y)
{
    const struct convert *c = ctx;
    unsigned bands = c->pixels->bands;
    uint8_t *to = c->pixels->data + (size_t)y * c->pixels->width * bands;
    const v4 *from = plane_row4(c->lab, y);
    for (uint32_t x = 0; x < c->pixels->width; x++, to += bands) {
        v4 rgb = fit(linear_of(from[x]));
        for (unsigned i = 0; i < 3; i++)
            to[i] = c->code[(unsigned)(sqrtf(clampf(rgb[i], 0, 1)) * (CODES - 1) + 0.5f)];
    }
}

int oklab_into(const struct crew *crew, const struct plane *lab, struct pixels *to, struct error *e)
{
    CHECK(lab->bands == 4 && to->bands >= 3 && lab->width == to->width && lab->height == to->height);
    struct convert c = {.lab = lab, .pixels = to};
    for (unsigned i = 0; i < CODES; i++) {
        float root = (float)i / (CODES - 1);
        c.code[i] = (uint8_t)(srgb_from_linear(root * root) * 255 + 0.5f);
    }
    return parallel_rows(crew, to->height, into_row, &c, e);
}
