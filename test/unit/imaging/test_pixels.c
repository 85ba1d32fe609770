#include "samples.h"

static struct blob *encode(struct pixels p, enum image_type type, int quality)
{
    struct blob *b = NULL;
    struct error e;
    assert_int_equal(image_encode(&p, type, quality, &b, &e), 0);
    pixels_release(&p);
    return b;
}

static struct pixels decode(const struct blob *b)
{
    struct image_info info = sample_info(b);
    struct pixels p = {0};
    struct error e;
    assert_int_equal(image_decode(b, &info, &p, &e), 0);
    assert_int_equal(p.width, info.width);
    assert_int_equal(p.height, info.height);
    return p;
}

static void png_is_lossless(void **state)
{
    (void)state;
    for (uint8_t bands = 3; bands <= 4; bands++) {
        struct pixels p = sample_photo(131, 77, bands);
        BLOB_ON_EXIT struct blob *b = encode(sample_photo(131, 77, bands), IMAGE_PNG, 90);
        struct pixels back = decode(b);
        assert_int_equal(back.bands, bands);
        assert_memory_equal(back.data, p.data, (size_t)131 * 77 * bands);
        pixels_release(&back);
        pixels_release(&p);
    }
}

static void grey_decodes_to_three_bands(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t <= IMAGE_WEBP; t++) {
        BLOB_ON_EXIT struct blob *b = encode(sample_pixels(256, 16, 1), t, 95);
        struct pixels p = decode(b);
        assert_int_equal(p.bands, 3);
        for (uint32_t x = 0; x < 256; x += 15)
            sample_assert_colour(sample_at(&p, x, 8), (int)x, (int)x, (int)x, 4);
        pixels_release(&p);
    }
}

static void encodes_near_the_original(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t <= IMAGE_WEBP; t++) {
        BLOB_ON_EXIT struct blob *b = encode(sample_pixels(64, 48, 3), t, 95);
        struct pixels p = decode(b);
        sample_assert_colour(sample_at(&p, 0, 0), 220, 20, 20, 6);
        sample_assert_colour(sample_at(&p, 63, 0), 20, 200, 20, 6);
        sample_assert_colour(sample_at(&p, 0, 47), 20, 20, 220, 6);
        sample_assert_colour(sample_at(&p, 63, 47), 250, 250, 250, 6);
        pixels_release(&p);
    }
    BLOB_ON_EXIT struct blob *clear = encode(sample_pixels(64, 48, 4), IMAGE_WEBP, 95);
    struct pixels p = decode(clear);
    assert_int_equal(p.bands, 4);
    assert_int_equal(sample_at(&p, 0, 0)[3], 0);
    assert_int_equal(sample_at(&p, 63, 0)[3], 255);
    pixels_release(&p);
}

static void quality_counts(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t <= IMAGE_WEBP; t += IMAGE_WEBP - IMAGE_JPEG) {
        BLOB_ON_EXIT struct blob *good = encode(sample_photo(200, 150, 3), t, 95);
        BLOB_ON_EXIT struct blob *poor = encode(sample_photo(200, 150, 3), t, 30);
        assert_true(poor->size * 2 < good->size);
    }
}

static void writes_no_metadata(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *jpeg = encode(sample_pixels(64, 48, 3), IMAGE_JPEG, 95);
    assert_null(memmem(jpeg->data, jpeg->size, "Exif", 4));
    assert_null(memmem(jpeg->data, jpeg->size, "ICC_PROFILE", 11));
}

static void reports_what_cannot_be_encoded(void **state)
{
    (void)state;
    struct pixels p = sample_pixels(17000, 2, 3); /* too wide for WebP */
    struct blob *b = NULL;
    struct error e = {0};
    assert_int_equal(image_encode(&p, IMAGE_WEBP, 80, &b, &e), -ERR_INTERNAL);
    assert_null(b);
    assert_string_equal(e.reason, "The image could not be encoded");
    pixels_release(&p);
}

/* Every byte in turn is overwritten in a small file, and every cut is tried on what probe let through: an
 * error or a picture of the right size, nothing else. */
static void survives_damage(void **state)
{
    (void)state;
    unsigned refused[IMAGE_TYPE_COUNT] = {0};
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *in = sample_blob(sample_photo(40, 30, 3), t);
        size_t step = in->size / 400 + 1;
        for (size_t at = 0; at < in->size; at += step) {
            uint8_t *copy = mem_alloc(in->size);
            memcpy(copy, in->data, in->size);
            copy[at] ^= 0x5a;
            BLOB_ON_EXIT struct blob *bad = blob_take(copy, in->size, free);
            struct image_info info;
            struct pixels p = {0};
            struct error e = {0};
            int r = image_probe(bad, &sample_limits, &info, &e);
            if (r == 0)
                r = image_decode(bad, &info, &p, &e);
            assert_true(r == 0 || r == -ERR_VALIDATION || r == -ERR_UNSUPPORTED_MEDIA_TYPE);
            assert_int_equal(r != 0, e.reason[0] != '\0');
            refused[t] += r != 0;
            pixels_release(&p);
        }
    }
    assert_true(refused[IMAGE_PNG] > 300); /* checksums see everything */
    assert_true(refused[IMAGE_JPEG] > 10); /* most of a JPEG's bytes can be anything */
    assert_true(refused[IMAGE_WEBP] > 10);
    assert_true(refused[IMAGE_AVIF] > 100);
}

/* Cameras and programs write JPEG headers that make decoders warn. They are read all the same. */
static void reads_odd_but_sound_headers(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *in = sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG);
    const uint8_t *scan = memmem(in->data, in->size, "\xff\xda\0\x0c", 4);
    assert_non_null(scan);
    uint8_t *copy = mem_alloc(in->size);
    memcpy(copy, in->data, in->size);
    memset(copy + (scan - in->data) + 11, 0, 3); /* spectral selection 0…0 in a sequential file */
    BLOB_ON_EXIT struct blob *phone = blob_take(copy, in->size, free);
    struct pixels p = decode(phone);
    sample_assert_colour(sample_at(&p, 0, 0), 220, 20, 20, 8);
    pixels_release(&p);

    BLOB_ON_EXIT struct blob *padded = sample_inserted(in, 20, (const uint8_t *)"\0\0\0", 3);
    p = decode(padded);
    sample_assert_colour(sample_at(&p, 63, 47), 250, 250, 250, 8);
    pixels_release(&p);
}

static void reads_progressive_and_interlaced(void **state)
{
    (void)state;
    struct pixels p = sample_pixels(64, 48, 3);
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
    pixels_release(&p);
    void *data;
    size_t size;
    VIPS_OK(vips_jpegsave_buffer(im, &data, &size, "interlace", TRUE, "Q", 95, NULL));
    BLOB_ON_EXIT struct blob *jpeg = blob_take(data, size, g_free);
    VIPS_OK(vips_pngsave_buffer(im, &data, &size, "interlace", TRUE, NULL));
    BLOB_ON_EXIT struct blob *png = blob_take(data, size, g_free);
    VIPS_OK(vips_pngsave_buffer(im, &data, &size, "palette", TRUE, NULL));
    BLOB_ON_EXIT struct blob *palette = blob_take(data, size, g_free);
    struct blob *all[] = {jpeg, png, palette};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        p = decode(all[i]);
        sample_assert_colour(sample_at(&p, 3, 3), 220, 20, 20, 8);
        sample_assert_colour(sample_at(&p, 60, 3), 20, 200, 20, 8);
        pixels_release(&p);
    }
}

static void resizes_exactly(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1},   {7, 3},    {63, 48},   {64, 48},
                                        {65, 48}, {200, 10}, {640, 481}, {3, 500}};
    static const uint8_t bands[] = {1, 3, 4};
    for (size_t b = 0; b < ARRAY_LEN(bands); b++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct pixels p = sample_pixels(64, 48, bands[b]), out = {0};
            struct error e;
            assert_int_equal(image_resize(&p, sizes[i][0], sizes[i][1], &out, &e), 0);
            assert_int_equal(out.width, sizes[i][0]);
            assert_int_equal(out.height, sizes[i][1]);
            assert_int_equal(out.bands, bands[b]);
            if (bands[b] == 3 && out.width > 20 && out.height > 20)
                sample_assert_colour(sample_at(&out, 3, 3), 220, 20, 20, 3);
            pixels_release(&out);
            pixels_release(&p);
        }
}

/* What is clear has no say in the colour of what is not. */
static void resizes_with_alpha_premultiplied(void **state)
{
    (void)state;
    struct pixels p = {mem_alloc(64 * 64 * 4), 64, 64, 4}, out = {0};
    for (size_t i = 0; i < 64 * 64; i++)
        memcpy(p.data + i * 4, i % 2 ? "\xf0\x20\x20\xff" : "\0\xff\0\0", 4);
    struct error e;
    assert_int_equal(image_resize(&p, 16, 16, &out, &e), 0);
    for (uint32_t i = 1; i < 15; i++) {
        sample_assert_colour(sample_at(&out, i, i), 0xf0, 0x20, 0x20, 3);
        assert_in_range(sample_at(&out, i, i)[3], 115, 140);
    }
    pixels_release(&out);
    pixels_release(&p);
    pixels_release(&p); /* zeroed by now */
}

/* A flat colour stays what it is, to the bit, whichever way it goes. */
static void resizing_keeps_flat_colours(void **state)
{
    (void)state;
    for (int value = 0; value < 256; value += 5) {
        struct pixels p = {mem_alloc(40 * 30 * 3), 40, 30, 3}, out = {0};
        memset(p.data, value, 40 * 30 * 3);
        struct error e;
        assert_int_equal(image_resize(&p, 91, 17, &out, &e), 0);
        for (size_t i = 0; i < 91 * 17 * 3; i++)
            assert_int_equal(out.data[i], value);
        pixels_release(&out);
        pixels_release(&p);
    }
}

/* How far a ramp of 1 a pixel, rising or falling to the right and down, is from where it should be, as a mean
 * over the middle of the picture. */
static double ramp_error(uint32_t width, uint32_t height, int direction)
{
    enum { SIDE = 64 };
    struct pixels p = {malloc(SIDE * SIDE), SIDE, SIDE, 1}, out;
    struct error e;
    for (int i = 0; i < SIDE * SIDE; i++)
        p.data[i] = (uint8_t)(128 + direction * (i % SIDE + i / SIDE - SIDE));
    assert_int_equal(image_resize(&p, width, height, &out, &e), 0);
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    double sum = 0;
    unsigned count = 0;
    for (uint32_t y = height / 4; y < height * 3 / 4; y++)
        for (uint32_t x = width / 4; x < width * 3 / 4; x++, count++)
            sum += out.data[y * width + x] - 128 -
                   direction * ((x + 0.5) * SIDE / width + (y + 0.5) * SIDE / height - 1 - SIDE);
    pixels_release(&p);
    pixels_release(&out);
    return sum / count;
}

/* The middle of a picture stays in the middle, whatever the size. Roundings are the same for both ramps. */
static void test_resizing_moves_nothing(void **state)
{
    static const uint32_t sizes[][2] = {{32, 32}, {48, 96},   {64, 64},  {80, 80},
                                        {80, 40}, {200, 130}, {256, 512}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        double moved = ramp_error(sizes[i][0], sizes[i][1], 1) - ramp_error(sizes[i][0], sizes[i][1], -1);
        assert_true(fabs(moved) < 0.1); /* half a pixel of the result at 80 × 80 would be 0.8 */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_is_lossless),
        cmocka_unit_test(grey_decodes_to_three_bands),
        cmocka_unit_test(encodes_near_the_original),
        cmocka_unit_test(quality_counts),
        cmocka_unit_test(writes_no_metadata),
        cmocka_unit_test(reports_what_cannot_be_encoded),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(reads_odd_but_sound_headers),
        cmocka_unit_test(reads_progressive_and_interlaced),
        cmocka_unit_test(resizes_exactly),
        cmocka_unit_test(resizes_with_alpha_premultiplied),
        cmocka_unit_test(resizing_keeps_flat_colours),
        cmocka_unit_test(test_resizing_moves_nothing),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
