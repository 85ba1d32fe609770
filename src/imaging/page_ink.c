#include "imaging/page_ink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { GROW_STEPS = 32 };

struct area {
    uint32_t left, top, right, bottom; /* of the pixels that are painted on */
};

/* What of a rectangle lies on p. */
static struct area clip(const struct pixels *p, int x, int y, int width, int height)
{
    struct area a = {
        .left = (uint32_t)MIN(MAX(x, 0), (int)p->width),
        .top = (uint32_t)MIN(MAX(y, 0), (int)p->height),
    };
    a.right = (uint32_t)MIN(MAX(x + width, (int)a.left), (int)p->width);
    a.bottom = (uint32_t)MIN(MAX(y + height, (int)a.top), (int)p->height);
    return a;
}

static uint8_t *pixel_at(const struct pixels *p, uint32_t x, uint32_t y)
{
    return p->data + ((size_t)y * p->width + x) * p->bands;
}

/* colour over what is there; alpha in 0…255 */
static void mix(uint8_t *to, struct ink colour, unsigned alpha)
{
    to[0] = (uint8_t)((to[0] * (255 - alpha) + colour.r * alpha + 127) / 255);
    to[1] = (uint8_t)((to[1] * (255 - alpha) + colour.g * alpha + 127) / 255);
    to[2] = (uint8_t)((to[2] * (255 - alpha) + colour.b * alpha + 127) / 255);
}

static void fill(struct pixels *p, struct area a, struct ink colour)
{
    if (a.top >= a.bottom || a.left >= a.right)
        return;
    for (uint32_t x = a.left; x < a.right; x++)
        memcpy(pixel_at(p, x, a.top), &colour, 3);
    for (uint32_t y = a.top + 1; y < a.bottom; y++)
        memcpy(pixel_at(p, a.left, y), pixel_at(p, a.left, a.top), (size_t)3 * (a.right - a.left));
}

int ink_new(uint32_t width, uint32_t height, struct ink colour, struct pixels *ret)
{
    struct pixels p = {malloc((size_t)width * height * 3), width, height, 3};
    if (!p.data)
        return -1;
    fill(&p, clip(&p, 0, 0, (int)width, (int)height), colour);
    *ret = p;
    return 0;
}

int ink_picture(struct pixels *p, VipsImage *im, int x, int y)
{
    CHECK(vips_image_get_bands(im) == 3 && vips_image_get_format(im) == VIPS_FORMAT_UCHAR);
    const uint8_t *data = vips_image_get_data(im);
    if (!data)
        return -1;
    int width = vips_image_get_width(im);
    struct area a = clip(p, x, y, width, vips_image_get_height(im));
    for (uint32_t row = a.top; row < a.bottom && a.left < a.right; row++)
        memcpy(pixel_at(p, a.left, row),
               data + ((size_t)((int)row - y) * (size_t)width + (size_t)((int)a.left - x)) * 3,
               (size_t)3 * (a.right - a.left));
    return 0;
}

void ink_frame(struct pixels *p, int x, int y, int width, int height, int thick, struct ink colour)
{
    fill(p, clip(p, x, y, width, thick), colour);
    fill(p, clip(p, x, y + height - thick, width, thick), colour);
    fill(p, clip(p, x, y, thick, height), colour);
    fill(p, clip(p, x + width - thick, y, thick, height), colour);
}

void ink_mask(struct pixels *p, const struct pixels *mask, int x, int y, struct ink colour, unsigned strength)
{
    CHECK(p->bands == 3 && mask->bands == 1);
    struct area a = clip(p, x, y, (int)mask->width, (int)mask->height);
    for (uint32_t row = a.top; row < a.bottom; row++)
        for (uint32_t column = a.left; column < a.right; column++) {
            unsigned alpha = *pixel_at(mask, (uint32_t)((int)column - x), (uint32_t)((int)row - y));
            if (alpha > 0)
                mix(pixel_at(p, column, row), colour, (alpha * strength + 127) / 255);
        }
}

/* The lighter of both, mask's left upper corner at x, y, all of it within p. */
static void stamp(struct pixels *p, const struct pixels *mask, uint32_t x, uint32_t y)
{
    CHECK(x + mask->width <= p->width && y + mask->height <= p->height);
    for (uint32_t row = 0; row < mask->height; row++) {
        uint8_t *to = pixel_at(p, x, y + row);
        const uint8_t *from = pixel_at(mask, 0, row);
        for (uint32_t column = 0; column < mask->width; column++)
            to[column] = MAX(to[column], from[column]);
    }
}

int ink_grow(const struct pixels *mask, unsigned radius, struct pixels *ret)
{
    CHECK(mask->bands == 1);
    struct pixels p = {.width = mask->width + 2 * radius, .height = mask->height + 2 * radius, .bands = 1};
    p.data = calloc(p.width, p.height);
    if (!p.data)
        return -1;
    /* Copies on two circles leave no hole between them and the shape, which is thicker than half the radius.
     */
    for (unsigned ring = 0; ring < 2; ring++)
        for (unsigned i = 0; i < GROW_STEPS; i++) {
            double angle = 2 * G_PI * i / GROW_STEPS, far = radius / (ring + 1.0);
            stamp(&p, mask, (uint32_t)lround(radius + far * cos(angle)),
                  (uint32_t)lround(radius + far * sin(angle)));
        }
    stamp(&p, mask, radius, radius);
    *ret = p;
    return 0;
}

void ink_shade(struct pixels *p, int y, int height, struct ink colour, unsigned from, unsigned to)
{
    struct area a = clip(p, 0, y, (int)p->width, height);
    for (uint32_t row = a.top; row < a.bottom; row++) {
        unsigned done = (unsigned)((int)row - y), rest = (unsigned)height - done;
        unsigned alpha = (from * rest + to * done) / (unsigned)height;
        for (uint32_t x = a.left; x < a.right; x++)
            mix(pixel_at(p, x, row), colour, alpha);
    }
}

static VipsImage *text_picture(const struct text_drawn *text)
{
    return text->mask ? text->mask : text->colour;
}

void drawn_size(const struct text_drawn *text, int *ret_width, int *ret_height)
{
    VipsImage *im = text_picture(text);
    *ret_width = im ? vips_image_get_width(im) : 0;
    *ret_height = im ? vips_image_get_height(im) : 0;
}

int drawn_mask(const struct text_drawn *text, struct pixels *ret)
{
    PICTURE_ON_EXIT VipsImage *alpha = NULL;
    if (!text->colour)
        return text->mask ? picture_take(text->mask, ret) : -1;
    if (vips_extract_band(text->colour, &alpha, vips_image_get_bands(text->colour) - 1, NULL))
        return -1;
    return picture_take(alpha, ret);
}

/* Letters have no colour, emoji do. */
static bool is_letter(const uint8_t *rgba)
{
    return rgba[0] == rgba[1] && rgba[1] == rgba[2];
}

int ink_text(struct pixels *p, const struct text_drawn *text, int x, int y, struct ink colour)
{
    CLEANUP(pixels_release) struct pixels from = {0};
    VipsImage *im = text_picture(text);
    if (!im)
        return 0;
    if (picture_take(im, &from))
        return -1;
    if (from.bands == 1) {
        ink_mask(p, &from, x, y, colour, 255);
        return 0;
    }
    CHECK(from.bands == 4);
    struct area a = clip(p, x, y, (int)from.width, (int)from.height);
    for (uint32_t row = a.top; row < a.bottom; row++)
        for (uint32_t column = a.left; column < a.right; column++) {
            const uint8_t *f = pixel_at(&from, (uint32_t)((int)column - x), (uint32_t)((int)row - y));
            mix(pixel_at(p, column, row), is_letter(f) ? colour : (struct ink){f[0], f[1], f[2]}, f[3]);
        }
    return 0;
}

void drawn_release(struct text_drawn *text)
{
    if (text->mask)
        g_object_unref(text->mask);
    if (text->colour)
        g_object_unref(text->colour);
    *text = (struct text_drawn){0};
}

static VipsImage *with_meaning(VipsImage *im)
{
    if (im)
        im->Type = vips_image_get_bands(im) == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    return im;
}

VipsImage *ink_view(const struct pixels *p)
{
    return with_meaning(vips_image_new_from_memory(p->data, (size_t)p->width * p->height * p->bands,
                                                   (int)p->width, (int)p->height, p->bands,
                                                   VIPS_FORMAT_UCHAR));
}

VipsImage *ink_copy(const struct pixels *p)
{
    return with_meaning(vips_image_new_from_memory_copy(p->data, (size_t)p->width * p->height * p->bands,
                                                        (int)p->width, (int)p->height, p->bands,
                                                        VIPS_FORMAT_UCHAR));
}
