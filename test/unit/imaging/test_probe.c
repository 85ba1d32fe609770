#include "samples.h"

static void assert_refused(const struct blob *b, enum err code, const char *word)
{
    struct image_info info = {.width = 77};
    struct error e = {0};
    int r = image_probe(b, &sample_limits, &info, &e);
    if (r != -(int)code || !strstr(e.reason, word) || strcmp(e.field, "image") != 0) {
        print_error("returned %d (%s: %s), not %d with \"%s\"\n", r, e.field, e.reason, -(int)code, word);
        fail();
    }
    assert_int_equal(e.code, code);
    assert_int_equal(info.width, 77); /* untouched */
}

/* Takes the reference. */
static void refused(struct blob *b, enum err code, const char *word)
{
    assert_refused(b, code, word);
    blob_unref(b);
}

static struct blob *changed(const struct blob *in, size_t at, const void *bytes, size_t size)
{
    uint8_t *copy = mem_alloc(in->size);
    memcpy(copy, in->data, in->size);
    memcpy(copy + at, bytes, size);
    return blob_take(copy, in->size, free);
}

/* Where the frame header's height is. */
static size_t jpeg_size_at(const struct blob *b)
{
    for (size_t at = 2; at + 4 < b->size; at += 2 + (size_t)(b->data[at + 2] << 8 | b->data[at + 3]))
        if (b->data[at + 1] >= 0xc0 && b->data[at + 1] <= 0xc2)
            return at + 5;
    fail();
    return 0;
}

static void tells_size_and_kind(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *b = sample_blob(sample_pixels(123, 45, 3), t);
        struct image_info info = sample_info(b);
        assert_int_equal(info.type, t);
        assert_int_equal(info.width, 123);
        assert_int_equal(info.height, 45);
        assert_int_equal(info.orientation, 1);
        assert_false(info.has_alpha);
        assert_false(info.has_profile);
        if (t == IMAGE_JPEG)
            continue;
        BLOB_ON_EXIT struct blob *clear = sample_blob(sample_pixels(40, 30, 4), t);
        assert_true(sample_info(clear).has_alpha);
    }
}

static void turns_the_size_upright(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_AVIF; t++)
        for (unsigned orientation = 1; orientation <= 8; orientation++) {
            BLOB_ON_EXIT struct blob *b =
                sample_oriented(sample_blob(sample_pixels(60, 40, 3), t), t, orientation);
            struct image_info info = sample_info(b);
            assert_int_equal(info.orientation, orientation);
            assert_int_equal(info.width, orientation >= 5 ? 40 : 60);
            assert_int_equal(info.height, orientation >= 5 ? 60 : 40);
        }
    BLOB_ON_EXIT struct blob *odd =
        sample_oriented(sample_blob(sample_pixels(60, 40, 3), IMAGE_JPEG), IMAGE_JPEG, 9);
    assert_int_equal(sample_info(odd).orientation, 1);
}

static void sees_profiles(void **state)
{
    (void)state;
    struct pixels p = sample_pixels(64, 48, 3);
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
    pixels_release(&p);
    PICTURE_ON_EXIT VipsImage *srgb = NULL, *p3 = NULL, *cmyk = NULL;
    VIPS_OK(vips_icc_transform(im, &srgb, "srgb", NULL));
    VIPS_OK(vips_icc_transform(im, &p3, "p3", NULL));
    VIPS_OK(vips_colourspace(im, &cmyk, VIPS_INTERPRETATION_CMYK, NULL));
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *plain = sample_save(srgb, t);
        assert_false(sample_info(plain).has_profile);
        BLOB_ON_EXIT struct blob *wide = sample_save(p3, t);
        assert_true(sample_info(wide).has_profile);
    }
    BLOB_ON_EXIT struct blob *ink = sample_save(cmyk, IMAGE_JPEG);
    assert_true(sample_info(ink).has_profile);
    assert_false(sample_info(ink).has_alpha);
}

static void refuses_what_is_not_whole(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *b = sample_blob(sample_photo(97, 61, 3), t);
        for (size_t part = 0; part < 20; part++) {
            size_t size = b->size * part / 20;
            if (size == 0)
                refused(blob_copy("", 0), ERR_VALIDATION, "empty");
            else
                refused(blob_copy(b->data, size), ERR_VALIDATION, "cut off");
        }
        refused(blob_copy(b->data, b->size - 1), ERR_VALIDATION, "cut off");
        if (t != IMAGE_AVIF) { /* what follows the end is nobody's business */
            BLOB_ON_EXIT struct blob *longer =
                sample_joined(b->data, b->size, (const uint8_t *)"trailing", 8, b->data, 0);
            sample_info(longer);
        }
    }
}

/* Every length, not only twentieths. */
static void refuses_every_prefix(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *b = sample_blob(sample_pixels(16, 12, 3), t);
        struct image_info info;
        struct error e;
        for (size_t size = 0; size < b->size; size++) {
            BLOB_ON_EXIT struct blob *part = blob_copy(b->data, size);
            int r = image_probe(part, &sample_limits, &info, &e);
            assert_true(r == -ERR_VALIDATION || r == -ERR_UNSUPPORTED_MEDIA_TYPE);
            assert_true(e.reason[0] != '\0');
        }
    }
}

static void refuses_animations(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *png = sample_blob(sample_pixels(20, 20, 3), IMAGE_PNG);
    uint8_t piece[20], frames[8] = {0, 0, 0, 2, 0, 0, 0, 0};
    refused(sample_inserted(png, SAMPLE_IHDR_END, piece, sample_chunk(piece, "acTL", frames, 8)),
            ERR_VALIDATION, "animated");

    struct pixels p = sample_photo(20, 60, 3);
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
    pixels_release(&p);
    PICTURE_ON_EXIT VipsImage *pages = NULL;
    VIPS_OK(vips_copy(im, &pages, NULL));
    vips_image_set_int(pages, VIPS_META_PAGE_HEIGHT, 20);
    refused(sample_save(pages, IMAGE_WEBP), ERR_VALIDATION, "animated");

    BLOB_ON_EXIT struct blob *avif = sample_blob(sample_pixels(20, 20, 3), IMAGE_AVIF);
    refused(changed(avif, 8, "avis", 4), ERR_VALIDATION, "animated");
    refused(sample_joined(avif->data, avif->size, (const uint8_t *)"\0\0\0\x08moov", 8, avif->data, 0),
            ERR_VALIDATION, "animated");
}

static void refuses_other_types(void **state)
{
    (void)state;
    struct pixels p = sample_pixels(20, 20, 3);
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
    pixels_release(&p);
    void *data;
    size_t size;
    VIPS_OK(vips_gifsave_buffer(im, &data, &size, NULL));
    refused(blob_take(data, size, g_free), ERR_UNSUPPORTED_MEDIA_TYPE, "GIF");
    VIPS_OK(vips_tiffsave_buffer(im, &data, &size, NULL));
    refused(blob_take(data, size, g_free), ERR_UNSUPPORTED_MEDIA_TYPE, "TIFF");

    static const char svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>";
    refused(blob_static(svg, sizeof(svg) - 1), ERR_UNSUPPORTED_MEDIA_TYPE, "SVG");
    refused(blob_static("%PDF-1.4\n", 9), ERR_UNSUPPORTED_MEDIA_TYPE, "PDF");
    refused(blob_static("just some words", 15), ERR_UNSUPPORTED_MEDIA_TYPE, "not an image");
    refused(blob_static("\0", 1), ERR_UNSUPPORTED_MEDIA_TYPE, "not an image");
}

static struct blob *png_declaring(uint32_t width, uint32_t height)
{
    uint8_t file[8 + 25 + 12 + 11 + 12] = "\x89PNG\r\n\x1a\n", ihdr[13] = {[8] = 8, [9] = 2};
    static const uint8_t idat[11] = {0x78, 0x9c, 0x63, 0x60, 0x60, 0x60, 0x00, 0x00, 0x00, 0x04, 0x00};
    sample_put32(ihdr, width);
    sample_put32(ihdr + 4, height);
    size_t at = 8;
    at += sample_chunk(file + at, "IHDR", ihdr, 13);
    at += sample_chunk(file + at, "IDAT", idat, 11);
    at += sample_chunk(file + at, "IEND", "", 0);
    return blob_copy(file, at);
}

static void refuses_bombs_without_decoding(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *jpeg = sample_blob(sample_pixels(40, 30, 3), IMAGE_JPEG);
    BLOB_ON_EXIT struct blob *avif = sample_blob(sample_pixels(40, 30, 3), IMAGE_AVIF);
    size_t before = vips_tracked_get_mem_highwater();
    refused(png_declaring(30000, 30000), ERR_VALIDATION,
            "The image declares 30000 x 30000 pixels; at most 100 megapixels are accepted");
    refused(png_declaring(0x7fffffff, 0x7fffffff), ERR_VALIDATION, "at most 100 megapixels");
    refused(png_declaring(9000, 9000), ERR_VALIDATION, "pixels a byte");
    refused(png_declaring(0, 9), ERR_VALIDATION, "zero");
    refused(png_declaring(9, 0), ERR_VALIDATION, "zero");
    refused(png_declaring(0x80000000, 1), ERR_VALIDATION, "");

    size_t at = jpeg_size_at(jpeg);
    refused(changed(jpeg, at, "\xff\xff\xff\xff", 4), ERR_VALIDATION, "declares 65535 x 65535 pixels");
    refused(changed(jpeg, at, "\x27\x10\x27\x10", 4), ERR_VALIDATION, "pixels a byte");
    refused(changed(jpeg, at, "\0\0\0\x10", 4), ERR_VALIDATION, "zero");

    static const uint8_t lossless[] = "RIFF\x14\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xff\xff\x0f\0\0";
    refused(blob_static(lossless, 28), ERR_VALIDATION, "declares 16384 x 16384 pixels");
    static const uint8_t canvas[] = "RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff";
    refused(blob_static(canvas, 34), ERR_VALIDATION, "declares 16777216 x 16777216 pixels");
    const uint8_t *ispe = memmem(avif->data, avif->size, "ispe", 4);
    assert_non_null(ispe);
    at = (size_t)(ispe - avif->data) + 8;
    refused(changed(avif, at, "\0\0\x75\x30\0\0\x75\x30", 8), ERR_VALIDATION,
            "declares 30000 x 30000 pixels");
    refused(changed(avif, at, "\x5a\0\0\x28\0\0\0\x1e", 8), ERR_VALIDATION, "at most 100 megapixels");
    refused(changed(avif, at, "\0\0\x27\0\0\0\x27\0", 8), ERR_VALIDATION, "pixels a byte");
    refused(changed(avif, at, "\0\0\0\0\0\0\0\1", 8), ERR_VALIDATION, "zero");
    assert_true(vips_tracked_get_mem_highwater() - before < 1000000);
}

/* Flat pictures compress extremely well and are no attack. */
static void accepts_honest_flat_pictures(void **state)
{
    (void)state;
    PICTURE_ON_EXIT VipsImage *im = NULL;
    VIPS_OK(vips_black(&im, 4000, 3000, NULL));
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_AVIF; t++) {
        BLOB_ON_EXIT struct blob *b = sample_save(im, t);
        assert_int_equal(sample_info(b).width, 4000);
    }
}

static void refuses_too_many_passes(void **state)
{
    (void)state;
    struct pixels p = sample_photo(64, 64, 3);
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
    pixels_release(&p);
    void *data;
    size_t size;
    VIPS_OK(vips_jpegsave_buffer(im, &data, &size, "interlace", TRUE, NULL));
    BLOB_ON_EXIT struct blob *b = blob_take(data, size, g_free);
    assert_int_equal(sample_info(b).width, 64); /* the ten usual ones */

    static const uint8_t pass[] = {0xff, 0xda, 0, 8, 1, 1, 0, 1, 1, 0};
    uint8_t many[101 * sizeof(pass)];
    for (size_t i = 0; i < 101; i++)
        memcpy(many + i * sizeof(pass), pass, sizeof(pass));
    refused(sample_inserted(b, b->size - 2, many, sizeof(many)), ERR_VALIDATION, "passes");
}

static void refuses_contradictions(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *jpeg = sample_blob(sample_pixels(40, 30, 3), IMAGE_JPEG);
    refused(changed(jpeg, 4, "\0\1", 2), ERR_VALIDATION,
            "damaged"); /* a segment shorter than its own length */
    refused(blob_static("\xff\xd8\xff\xd9", 4), ERR_VALIDATION, "damaged");
    BLOB_ON_EXIT struct blob *png = sample_blob(sample_pixels(40, 30, 3), IMAGE_PNG);
    refused(changed(png, 12, "IDAT", 4), ERR_VALIDATION, "damaged");
    BLOB_ON_EXIT struct blob *avif = sample_blob(sample_pixels(40, 30, 3), IMAGE_AVIF);
    refused(changed(avif, 36, "xxxx", 4), ERR_VALIDATION, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_size_and_kind),
        cmocka_unit_test(turns_the_size_upright),
        cmocka_unit_test(sees_profiles),
        cmocka_unit_test(refuses_what_is_not_whole),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(refuses_animations),
        cmocka_unit_test(refuses_other_types),
        cmocka_unit_test(refuses_bombs_without_decoding),
        cmocka_unit_test(accepts_honest_flat_pictures),
        cmocka_unit_test(refuses_too_many_passes),
        cmocka_unit_test(refuses_contradictions),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
