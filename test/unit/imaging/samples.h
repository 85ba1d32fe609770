/* samples.h: pictures for the tests of src/imaging, made by libvips or by hand when a test starts. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "imaging/picture.h"
#include "imaging_group.h"

static const struct image_limits sample_limits = {.max_pixels = 100000000, .max_pixels_per_byte = 2000};

#define VIPS_OK(expr)                                                                                        \
    do {                                                                                                     \
        if (expr) {                                                                                          \
            print_error("%s: %s\n", #expr, vips_error_buffer());                                             \
            fail();                                                                                          \
        }                                                                                                    \
    } while (0)

static inline void sample_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void sample_put32(uint8_t *p, uint32_t v)
{
    sample_put16(p, v >> 16);
    sample_put16(p + 2, v & 0xffff);
}

/* Red and green above, blue and white below: shows each of the eight orientations. bands 1: a ramp of greys;
 * 4: alpha goes from clear on the left to solid on the right. */
static inline struct pixels sample_pixels(uint32_t width, uint32_t height, uint8_t bands)
{
    static const uint8_t quarters[4][3] = {{220, 20, 20}, {20, 200, 20}, {20, 20, 220}, {250, 250, 250}};
    struct pixels p = {mem_alloc((size_t)width * height * bands), width, height, bands};
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint8_t *at = p.data + ((size_t)y * width + x) * bands;
            const uint8_t *colour = quarters[(y >= (height + 1) / 2) * 2 + (x >= (width + 1) / 2)];
            for (unsigned b = 0; b < bands; b++)
                at[b] = (uint8_t)(b < 3 && bands > 1 ? colour[b] : width > 1 ? x * 255 / (width - 1) : 255);
        }
    return p;
}

/* Noise over a slope: compresses like a photo, so that every part of the file matters. */
static inline struct pixels sample_photo(uint32_t width, uint32_t height, uint8_t bands)
{
    struct pixels p = {mem_alloc((size_t)width * height * bands), width, height, bands};
    uint32_t random = 12345;
    for (size_t i = 0; i < (size_t)width * height * bands; i++) {
        random = random * 1664525u + 1013904223u;
        p.data[i] = (uint8_t)((i / bands % width) * 160 / width + (random >> 26));
    }
    return p;
}

static inline VipsImage *sample_view(const struct pixels *p)
{
    VipsImage *im =
        vips_image_new_from_memory_copy(p->data, (size_t)p->width * p->height * p->bands, (int)p->width,
                                        (int)p->height, p->bands, VIPS_FORMAT_UCHAR);
    assert_non_null(im);
    im->Type = p->bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    return im;
}

static inline struct blob *sample_save(VipsImage *im, enum image_type type)
{
    void *data = NULL;
    size_t size = 0;
    switch (type) {
    case IMAGE_JPEG:
        VIPS_OK(vips_jpegsave_buffer(im, &data, &size, "Q", 95, NULL));
        break;
    case IMAGE_PNG:
        VIPS_OK(vips_pngsave_buffer(im, &data, &size, NULL));
        break;
    case IMAGE_WEBP:
        VIPS_OK(vips_webpsave_buffer(im, &data, &size, "Q", 95, "effort", 0, "keep", VIPS_FOREIGN_KEEP_ICC,
                                     NULL));
        break;
    case IMAGE_AVIF:
        VIPS_OK(vips_heifsave_buffer(im, &data, &size, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
                                     "effort", 0, "Q", 90, NULL));
        break;
    default:
        fail();
    }
    return blob_take(data, size, g_free);
}

/* Takes the pixels. */
static inline struct blob *sample_blob(struct pixels p, enum image_type type)
{
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
    pixels_release(&p);
    return sample_save(im, type);
}

static inline struct blob *sample_joined(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                         const uint8_t *c, size_t c_size)
{
    uint8_t *all = mem_alloc(a_size + b_size + c_size);
    memcpy(all, a, a_size);
    memcpy(all + a_size, b, b_size);
    memcpy(all + a_size + b_size, c, c_size);
    return blob_take(all, a_size + b_size + c_size, free);
}

static inline struct blob *sample_inserted(const struct blob *in, size_t at, const uint8_t *piece,
                                           size_t size)
{
    return sample_joined(in->data, at, piece, size, in->data + at, in->size - at);
}

static inline uint32_t sample_crc(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* A PNG chunk; piece has room for size + 12. */
static inline size_t sample_chunk(uint8_t *piece, const char *name, const void *body, size_t size)
{
    sample_put32(piece, (uint32_t)size);
    memcpy(piece + 4, name, 4);
    memcpy(piece + 8, body, size);
    sample_put32(piece + 8 + size, sample_crc(piece + 4, size + 4));
    return size + 12;
}

enum { SAMPLE_IHDR_END = 8 + 25 };

/* TIFF structure with one entry: the orientation. */
static inline size_t sample_exif(uint8_t exif[static 26], unsigned orientation)
{
    static const uint8_t tiff[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1};
    memcpy(exif, tiff, sizeof(tiff));
    exif[19] = (uint8_t)orientation;
    return sizeof(tiff);
}

/* Drops the reference to in; the EXIF data are put there by hand, not by libvips. */
static inline struct blob *sample_oriented(struct blob *in, enum image_type type, unsigned orientation)
{
    uint8_t exif[26], piece[64], head[30];
    size_t exif_size = sample_exif(exif, orientation);
    struct blob *out;
    if (type == IMAGE_JPEG) {
        uint8_t app1[10] = {0xff, 0xe1, 0, 0, 'E', 'x', 'i', 'f', 0, 0};
        sample_put16(app1 + 2, (unsigned)(8 + exif_size));
        memcpy(piece, app1, sizeof(app1));
        memcpy(piece + sizeof(app1), exif, exif_size);
        out = sample_inserted(in, 2, piece, sizeof(app1) + exif_size);
    } else if (type == IMAGE_PNG) {
        out = sample_inserted(in, SAMPLE_IHDR_END, piece, sample_chunk(piece, "eXIf", exif, exif_size));
    } else { /* a plain VP8 or VP8L file becomes an extended one */
        struct image_info info;
        struct error e;
        assert_int_equal(image_probe(in, &sample_limits, &info, &e), 0);
        assert_true(memcmp(in->data + 12, "VP8X", 4) != 0);
        memcpy(head, in->data, 12);
        uint8_t vp8x[18] = {'V',
                            'P',
                            '8',
                            'X',
                            10,
                            0,
                            0,
                            0,
                            0x08,
                            0,
                            0,
                            0,
                            (uint8_t)(info.width - 1),
                            (uint8_t)((info.width - 1) >> 8),
                            0,
                            (uint8_t)(info.height - 1),
                            (uint8_t)((info.height - 1) >> 8),
                            0};
        memcpy(head + 12, vp8x, sizeof(vp8x));
        uint8_t chunk[8] = {'E', 'X', 'I', 'F', (uint8_t)exif_size, 0, 0, 0};
        memcpy(piece, chunk, 8);
        memcpy(piece + 8, exif, exif_size);
        uint32_t riff = (uint32_t)(in->size - 8 + sizeof(vp8x) + 8 + exif_size);
        for (int i = 0; i < 4; i++)
            head[4 + i] = (uint8_t)(riff >> 8 * i);
        out = sample_joined(head, 30, in->data + 12, in->size - 12, piece, 8 + exif_size);
    }
    blob_unref(in);
    return out;
}

static inline struct image_info sample_info(const struct blob *b)
{
    struct image_info info = {0};
    struct error e = {0};
    if (image_probe(b, &sample_limits, &info, &e)) {
        print_error("probe: %s\n", e.reason);
        fail();
    }
    return info;
}

static inline const uint8_t *sample_at(const struct pixels *p, uint32_t x, uint32_t y)
{
    assert_true(x < p->width && y < p->height);
    return p->data + ((size_t)y * p->width + x) * p->bands;
}

static inline void sample_assert_colour(const uint8_t *at, int r, int g, int b, int tolerance)
{
    if (abs(at[0] - r) > tolerance || abs(at[1] - g) > tolerance || abs(at[2] - b) > tolerance) {
        print_error("%d %d %d is not %d %d %d\n", at[0], at[1], at[2], r, g, b);
        fail();
    }
}

/* libvips holds nothing any more. Its own threads give back what they hold a moment after the call. */
static inline bool sample_idle(void)
{
    for (int i = 0; i < 500; i++) {
        if (vips_tracked_get_mem() == 0 && vips_tracked_get_allocs() == 0 && vips_tracked_get_files() == 0)
            return true;
        g_usleep(10000);
    }
    print_error("libvips holds %zu bytes in %d pieces, %d files\n", vips_tracked_get_mem(),
                vips_tracked_get_allocs(), vips_tracked_get_files());
    return false;
}

static inline int sample_group_stop(void **state)
{
    (void)state;
    imaging_thread_stop();
    if (blob_live_count() != 0)
        print_error("left behind: %zu blobs\n", blob_live_count());
    bool clean = sample_idle() && blob_live_count() == 0;
    imaging_stop();
    return clean ? 0 : -1;
}
