#include "samples.h"

#include "imaging/scan.h"

static enum image_type sniff(const char *data, size_t size)
{
    return image_sniff(data, size);
}

#define SNIFF(text) sniff(text, sizeof(text) - 1)

static void knows_the_four_types(void **state)
{
    (void)state;
    assert_int_equal(SNIFF("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0"), IMAGE_JPEG);
    assert_int_equal(SNIFF("\xff\xd8\xff"), IMAGE_JPEG);
    assert_int_equal(SNIFF("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), IMAGE_PNG);
    assert_int_equal(SNIFF("RIFF\x24\0\0\0WEBPVP8 "), IMAGE_WEBP);
    assert_int_equal(SNIFF("\0\0\0\x20"
                           "ftypavif\0\0\0\0"),
                     IMAGE_AVIF);
    assert_int_equal(SNIFF("\0\0\0\x20"
                           "ftypavis\0\0\0\0"),
                     IMAGE_AVIF);
}

static void refuses_all_else(void **state)
{
    (void)state;
    assert_int_equal(SNIFF(""), IMAGE_UNKNOWN);
    assert_int_equal(SNIFF("\xff\xd8"), IMAGE_UNKNOWN);
    assert_int_equal(SNIFF("\x89PNG\r\n\x1a"), IMAGE_UNKNOWN);
    assert_int_equal(SNIFF("\x89PNG\n\n\x1a\n"), IMAGE_UNKNOWN); /* line ends mangled by a text transfer */
    assert_int_equal(SNIFF("RIFF\x24\0\0\0WAVE"), IMAGE_UNKNOWN);
    assert_int_equal(SNIFF("RIFF\x24\0\0\0WEB"), IMAGE_UNKNOWN);
    assert_int_equal(SNIFF("\0\0\0\x20"
                           "ftypheic"),
                     IMAGE_UNKNOWN);
    assert_int_equal(SNIFF("GIF89a"), IMAGE_UNKNOWN);
    assert_int_equal(SNIFF("hello, this is plain text"), IMAGE_UNKNOWN);
}

static void sixteen_bytes_are_enough(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *b = sample_blob(sample_pixels(32, 24, 3), t);
        assert_int_equal(image_sniff(b->data, 16), t);
        assert_int_equal(image_sniff(b->data, b->size), t);
    }
}

static void names_what_it_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *data, *name;
    } rows[] = {
        {"GIF89a", "a GIF image"},
        {"%PDF-1.7", "a PDF document"},
        {"<?xml version='1.0'?>\n<svg xmlns=", "an SVG drawing"},
        {"<!DOCTYPE html><p>", "a web page"},
        {"BM1234", "a BMP image"},
        {"abcdftypheic", "a HEIC photo"},
        {"abcdftypisom", "a video"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(sniff_foreign((const uint8_t *)rows[i].data, strlen(rows[i].data)), rows[i].name);
    assert_string_equal(sniff_foreign((const uint8_t *)"II*\0", 4), "a TIFF or camera raw image");
    assert_null(sniff_foreign((const uint8_t *)"", 0));
    assert_null(sniff_foreign((const uint8_t *)"hello", 5));
}

static void names_of_types(void **state)
{
    (void)state;
    assert_string_equal(image_mime(IMAGE_JPEG), "image/jpeg");
    assert_string_equal(image_mime(IMAGE_AVIF), "image/avif");
    assert_string_equal(image_mime(IMAGE_UNKNOWN), "application/octet-stream");
    assert_string_equal(image_extension(IMAGE_JPEG), "jpg");
    assert_string_equal(image_extension(IMAGE_WEBP), "webp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_four_types),     cmocka_unit_test(refuses_all_else),
        cmocka_unit_test(sixteen_bytes_are_enough), cmocka_unit_test(names_what_it_is_not),
        cmocka_unit_test(names_of_types),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
