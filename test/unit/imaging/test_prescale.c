#include "samples.h"

#include <math.h>

#include "base/rng.h"
#include "imaging/prescale.h"

static const struct prescale_rule usual = {
    .max_pixels = 2000000, .max_side = 2048, .format = PRESCALE_JPEG, .quality = 92, .keep_alpha = true};

static struct prescaled prescale(struct blob *in, const struct prescale_rule *rule)
{
    struct image_info info = sample_info(in);
    struct prescaled out = {0};
    struct error e = {0};
    if (image_prescale(in, &info, rule, &out, &e)) {
        print_error("prescale: %s\n", e.reason);
        fail();
    }
    /* What it says of the result is what a probe finds. */
    struct image_info found = sample_info(out.image);
    assert_int_equal(found.type, out.info.type);
    assert_int_equal(found.width, out.info.width);
    assert_int_equal(found.height, out.info.height);
    assert_int_equal(found.orientation, out.info.orientation);
    assert_int_equal(found.has_alpha, out.info.has_alpha);
    assert_int_equal(found.has_profile, out.info.has_profile);
    assert_int_equal(out.original_width, info.width);
    assert_int_equal(out.original_height, info.height);
    return out;
}

static struct pixels decode(const struct blob *b)
{
    struct image_info info = sample_info(b);
    struct pixels p = {0};
    struct error e = {0};
    if (image_decode(b, &info, &p, &e)) {
        print_error("decode: %s\n", e.reason);
        fail();
    }
    return p;
}

/* ---- the size ---- */

/* The largest side within both limits, by trying: n² × other ≤ max_pixels × side and n × longer ≤ side ×
 * max_side. */
static bool fits(uint64_t n, uint64_t side, uint64_t other, uint64_t max_pixels, uint64_t max_side)
{
    return n <= side && (unsigned __int128)n * n * other <= (unsigned __int128)max_pixels * side &&
           n * MAX(side, other) <= side * max_side;
}

static void assert_floor(uint32_t got, uint32_t side, uint32_t other, uint64_t max_pixels, uint32_t max_side)
{
    if (got > 1)
        assert_true(fits(got, side, other, max_pixels, max_side));
    if (got < side)
        assert_false(fits(got + 1, side, other, max_pixels, max_side));
}

static void check_size(uint32_t w, uint32_t h, uint64_t max_pixels, uint32_t max_side)
{
    uint32_t rw, rh, tw, th;
    prescale_size(w, h, max_pixels, max_side, &rw, &rh);
    assert_true(rw >= 1 && rh >= 1 && rw <= w && rh <= h);
    assert_true((uint64_t)rw * rh <= max_pixels);
    assert_true(rw <= max_side && rh <= max_side);
    if (rw > 1 && rh > 1) {
        assert_floor(rw, w, h, max_pixels, max_side);
        assert_floor(rh, h, w, max_pixels, max_side);
        /* and it is what floating point says, off its rounding errors */
        long double scale = fminl(1, fminl(sqrtl((long double)max_pixels / ((long double)w * h)),
                                           (long double)max_side / MAX(w, h)));
        assert_true(fabsl((long double)rw - floorl((long double)w * scale)) <= 1);
    }
    prescale_size(h, w, max_pixels, max_side, &th, &tw); /* turning the picture turns the result */
    assert_true(tw == rw && th == rh);
    prescale_size(rw, rh, max_pixels, max_side, &tw, &th); /* twice is once */
    assert_true(tw == rw && th == rh);
}

static void size_is_the_exact_floor(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = 1 + (uint32_t)rng_below(&r, 17);
        uint32_t w = 1 + (uint32_t)rng_below(&r, 1u << bits);
        uint32_t h = 1 + (uint32_t)rng_below(&r, 1u << (1 + rng_below(&r, 17)));
        uint64_t max_pixels = 1 + rng_below(&r, 1u << (1 + rng_below(&r, 30)));
        uint32_t max_side = 1 + (uint32_t)rng_below(&r, 1u << (1 + rng_below(&r, 16)));
        check_size(w, h, max_pixels, max_side);
        check_size(w, h, 2000000, 2048);
    }
    for (uint32_t w = 1; w < 6000; w += 7)
        for (uint32_t h = 1; h < 6000; h += 61)
            check_size(w, h, 2000000, 2048);
    check_size(INT32_MAX, INT32_MAX, 1000000000, 65535);
    check_size(INT32_MAX, 1, UINT64_MAX, UINT32_MAX);
}

static void size_at_known_places(void **state)
{
    (void)state;
    static const struct {
        uint32_t w, h, rw, rh;
    } rows[] = {
        {4000, 3000, 1632, 1224},
        {3000, 4000, 1224, 1632},
        {1414, 1414, 1414, 1414},
        {1415, 1415, 1414, 1414},
        {2000, 1000, 2000, 1000},
        {2000, 1001, 1999, 1000},
        {2048, 976, 2048, 976},
        {2049, 100, 2048, 99},
        {5000, 1, 2048, 1},
        {1, 5000, 1, 2048},
        {1, 1, 1, 1},
        {20000, 20000, 1414, 1414},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t w, h;
        prescale_size(rows[i].w, rows[i].h, 2000000, 2048, &w, &h);
        assert_int_equal(w, rows[i].rw);
        assert_int_equal(h, rows[i].rh);
    }
}

/* ---- pictures ---- */

static void leaves_small_ones_alone(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *in = sample_blob(sample_pixels(300, 200, 3), t);
        struct prescaled out = prescale(in, &usual);
        assert_ptr_equal(out.image, in);
        assert_int_equal(in->refs, 2);
        assert_false(out.scaled);
        blob_unref(out.image);
        assert_int_equal(in->refs, 1);
    }
}

/* Big enough that an eighth of a side is more than filter and JPEG blocks blur. */
static void assert_quarters(const struct blob *b, int tolerance)
{
    struct pixels p = decode(b);
    uint32_t x = p.width / 8, y = p.height / 8;
    sample_assert_colour(sample_at(&p, x, y), 220, 20, 20, tolerance);
    sample_assert_colour(sample_at(&p, p.width - 1 - x, y), 20, 200, 20, tolerance);
    sample_assert_colour(sample_at(&p, x, p.height - 1 - y), 20, 20, 220, tolerance);
    sample_assert_colour(sample_at(&p, p.width - 1 - x, p.height - 1 - y), 250, 250, 250, tolerance);
    pixels_release(&p);
}

/* The pixels as a camera held otherwise would store them: what EXIF orientation 1…8 turns upright. */
static struct pixels stored_as(unsigned orientation, uint32_t width, uint32_t height)
{
    bool lies = orientation >= 5;
    struct pixels up = sample_pixels(width, height, 3);
    struct pixels p = {mem_alloc((size_t)width * height * 3), lies ? height : width, lies ? width : height,
                       3};
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint32_t right = width - 1 - x, bottom = height - 1 - y;
            uint32_t to[9][2] = {{0, 0}, {x, y},     {right, y},      {right, bottom}, {x, bottom},
                                 {y, x}, {y, right}, {bottom, right}, {bottom, x}};
            memcpy(p.data + ((size_t)to[orientation][1] * p.width + to[orientation][0]) * 3,
                   sample_at(&up, x, y), 3);
        }
    pixels_release(&up);
    return p;
}

static void turns_all_orientations_upright(void **state)
{
    (void)state;
    const struct prescale_rule small = {9000, 100, PRESCALE_JPEG, 92, true, false};
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_AVIF; t++)
        for (unsigned orientation = 1; orientation <= 8; orientation++) {
            BLOB_ON_EXIT struct blob *in =
                sample_oriented(sample_blob(stored_as(orientation, 160, 96), t), t, orientation);
            assert_quarters(in, 12); /* image_decode */

            struct prescaled same = prescale(in, &usual);
            assert_false(same.scaled);
            assert_int_equal(same.info.width, 160);
            assert_int_equal(same.info.height, 96);
            assert_int_equal(same.info.type, t);
            assert_int_equal(same.info.orientation, 1);
            assert_int_equal(same.image == in, orientation == 1);
            assert_quarters(same.image, 14);
            blob_unref(same.image);

            struct prescaled less = prescale(in, &small);
            assert_true(less.scaled);
            assert_int_equal(less.info.width, 100);
            assert_int_equal(less.info.height, 60);
            assert_int_equal(less.info.type, IMAGE_JPEG);
            assert_quarters(less.image, 14);
            blob_unref(less.image);
        }
}

static void keeps_to_awkward_sizes(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1},      {1, 5000},   {5000, 1}, {2, 4099},
                                        {999, 1001}, {1237, 811}, {3001, 7}};
    static const struct prescale_rule rules[] = {
        {2000000, 2048, PRESCALE_JPEG, 92, true, false}, {10007, 2048, PRESCALE_JPEG, 92, true, false},
        {2000000, 97, PRESCALE_PNG, 92, true, false},    {311, 65535, PRESCALE_WEBP, 80, true, false},
        {256, 16, PRESCALE_JPEG, 1, false, false},
    };
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_AVIF; t++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            BLOB_ON_EXIT struct blob *in = sample_blob(sample_pixels(sizes[i][0], sizes[i][1], 3), t);
            for (size_t k = 0; k < ARRAY_LEN(rules); k++) {
                uint32_t w, h;
                prescale_size(sizes[i][0], sizes[i][1], rules[k].max_pixels, rules[k].max_side, &w, &h);
                struct prescaled out = prescale(in, &rules[k]);
                assert_int_equal(out.info.width, w);
                assert_int_equal(out.info.height, h);
                assert_int_equal(out.scaled, w != sizes[i][0] || h != sizes[i][1]);
                blob_unref(out.image);
            }
        }
}

/* Through each of the loader's own shrinking steps. */
static void shrinks_a_lot(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *in = sample_blob(sample_pixels(1601, 1203, 3), t);
        for (uint32_t side = 40; side < 1600; side = side * 3 / 2) {
            struct prescale_rule rule = usual;
            rule.max_side = side;
            struct prescaled out = prescale(in, &rule);
            assert_int_equal(out.info.width, side);
            assert_int_equal(out.info.height, side * 1203 / 1601);
            assert_quarters(out.image, 14);
            blob_unref(out.image);
        }
    }
}

static void keeps_or_flattens_alpha(void **state)
{
    (void)state;
    struct prescale_rule rule = {20000, 2048, PRESCALE_JPEG, 95, true, false};
    BLOB_ON_EXIT struct blob *in = sample_blob(sample_pixels(400, 200, 4), IMAGE_PNG);

    struct prescaled kept = prescale(in, &rule);
    assert_int_equal(kept.info.type, IMAGE_PNG);
    assert_true(kept.info.has_alpha);
    struct pixels p = decode(kept.image);
    assert_int_equal(p.bands, 4);
    assert_in_range(sample_at(&p, 0, 20)[3], 0, 3);
    assert_in_range(sample_at(&p, p.width / 2, 20)[3], 120, 135);
    assert_in_range(sample_at(&p, p.width - 1, 20)[3], 252, 255);
    sample_assert_colour(sample_at(&p, p.width - 8, 20), 20, 200, 20, 6); /* premultiplied: no dark veil */
    sample_assert_colour(sample_at(&p, 20, 20), 220, 20, 20, 12);
    pixels_release(&p);
    blob_unref(kept.image);

    rule.format = PRESCALE_WEBP;
    struct prescaled webp = prescale(in, &rule);
    assert_int_equal(webp.info.type, IMAGE_WEBP);
    assert_true(webp.info.has_alpha);
    blob_unref(webp.image);

    struct pixels solid = sample_pixels(400, 200, 4);
    for (size_t i = 0; i < 400 * 200; i++)
        solid.data[i * 4 + 3] = 255;
    BLOB_ON_EXIT struct blob *opaque = sample_blob(solid, IMAGE_PNG);
    webp = prescale(opaque, &rule); /* prescale() compares what is said with what is found */
    blob_unref(webp.image);

    rule.format = PRESCALE_JPEG;
    rule.keep_alpha = false;
    struct prescaled flat = prescale(in, &rule);
    assert_int_equal(flat.info.type, IMAGE_JPEG);
    assert_false(flat.info.has_alpha);
    p = decode(flat.image);
    assert_int_equal(p.bands, 3);
    sample_assert_colour(sample_at(&p, 1, 20), 255, 253, 253, 8);                /* clear: white */
    sample_assert_colour(sample_at(&p, p.width / 2 - 4, 20), 238, 140, 140, 12); /* half */
    sample_assert_colour(sample_at(&p, p.width - 3, 20), 23, 200, 23, 14);       /* solid */
    pixels_release(&p);
    blob_unref(flat.image);
}

/* A bright edge beside clear pixels: the filter overshoots there, and colours must not wrap around to dark.
 */
static void edges_of_alpha_stay_clean(void **state)
{
    (void)state;
    struct pixels p = {mem_alloc(300 * 300 * 4), 300, 300, 4};
    for (size_t i = 0; i < 300 * 300; i++) {
        bool inside = i % 300 / 30 % 2 == i / 300 / 30 % 2;
        memcpy(p.data + i * 4, inside ? "\xff\xff\xff\xff" : "\xff\xff\xff\0", 4);
    }
    BLOB_ON_EXIT struct blob *in = sample_blob(p, IMAGE_PNG);
    const struct prescale_rule rule = {15000, 2048, PRESCALE_PNG, 90, true, false};
    struct prescaled out = prescale(in, &rule);
    p = decode(out.image);
    for (size_t i = 0; i < (size_t)p.width * p.height; i++)
        if (p.data[i * 4 + 3] > 0)
            sample_assert_colour(p.data + i * 4, 255, 255, 255, 2);
    pixels_release(&p);
    blob_unref(out.image);
}

static void converts_colours(void **state)
{
    (void)state;
    const struct prescale_rule rule = {9000, 2048, PRESCALE_JPEG, 95, true, false};
    struct pixels p = sample_pixels(320, 200, 3);
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
    pixels_release(&p);
    PICTURE_ON_EXIT VipsImage *p3 = NULL, *cmyk = NULL;
    VIPS_OK(vips_icc_transform(im, &p3, "p3", NULL));
    VIPS_OK(vips_icc_transform(im, &cmyk, "cmyk", NULL));

    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        BLOB_ON_EXIT struct blob *in = sample_save(p3, t);
        struct prescaled out = prescale(in, &rule);
        assert_false(out.info.has_profile);
        assert_quarters(out.image, 14);
        assert_quarters(in, 10);
        assert_null(memmem(out.image->data, out.image->size, "ICC_PROFILE", 11));
        blob_unref(out.image);
    }
    BLOB_ON_EXIT struct blob *ink = sample_save(cmyk, IMAGE_JPEG);
    struct prescaled out = prescale(ink, &rule);
    assert_false(out.info.has_profile);
    assert_quarters(out.image, 110); /* ink cannot show these colours */
    blob_unref(out.image);
    out = prescale(ink, &usual); /* within the limits: as it is */
    assert_ptr_equal(out.image, ink);
    blob_unref(out.image);
}

static void brings_depth_to_eight_bits(void **state)
{
    (void)state;
    const struct prescale_rule rule = {9000, 2048, PRESCALE_PNG, 95, true, false};
    for (uint8_t bands = 3; bands <= 4; bands++) {
        struct pixels p = sample_pixels(320, 200, bands);
        PICTURE_ON_EXIT VipsImage *im = sample_view(&p);
        pixels_release(&p);
        PICTURE_ON_EXIT VipsImage *deep = NULL;
        VIPS_OK(vips_colourspace(im, &deep, VIPS_INTERPRETATION_RGB16, NULL));
        BLOB_ON_EXIT struct blob *in = sample_save(deep, IMAGE_PNG);
        assert_int_equal(in->data[24], 16);
        struct prescaled out = prescale(in, &rule);
        assert_int_equal(out.image->data[24], 8);
        assert_quarters(out.image, bands == 3 ? 4 : 12);
        blob_unref(out.image);
        struct prescale_rule flat = rule;
        flat.keep_alpha = false;
        out = prescale(in, &flat);
        p = decode(out.image);
        assert_int_equal(p.bands, 3);
        sample_assert_colour(sample_at(&p, p.width - 2, 4), 22, 200, 22, 8);
        pixels_release(&p);
        blob_unref(out.image);
    }
}

static void grey_stays_grey(void **state)
{
    (void)state;
    const struct prescale_rule rule = {9000, 2048, PRESCALE_JPEG, 95, true, false};
    BLOB_ON_EXIT struct blob *in = sample_blob(sample_pixels(320, 200, 1), IMAGE_PNG);
    struct prescaled out = prescale(in, &rule);
    PICTURE_ON_EXIT VipsImage *im = NULL;
    assert_int_equal(picture_open(out.image, IMAGE_JPEG, 1, &im), 0);
    assert_int_equal(vips_image_get_bands(im), 1);
    struct pixels p = decode(out.image);
    assert_int_equal(p.bands, 3);
    sample_assert_colour(sample_at(&p, p.width / 2, 9), 127, 127, 127, 5);
    pixels_release(&p);
    blob_unref(out.image);
}

static void drops_metadata(void **state)
{
    (void)state;
    const struct prescale_rule rule = {9000, 2048, PRESCALE_JPEG, 95, true, false};
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_AVIF; t++) {
        BLOB_ON_EXIT struct blob *in = sample_oriented(sample_blob(sample_pixels(320, 200, 3), t), t, 6);
        struct prescaled out = prescale(in, &rule);
        assert_null(memmem(out.image->data, out.image->size, "Exif", 4));
        blob_unref(out.image);
        out = prescale(in, &usual);
        assert_null(memmem(out.image->data, out.image->size, "Exif", 4));
        assert_null(memmem(out.image->data, out.image->size, "eXIf", 4));
        assert_null(memmem(out.image->data, out.image->size, "EXIF", 4));
        blob_unref(out.image);
    }
}

/* What a model does not take becomes what it does, however small it is. */
static void converts_types(void **state)
{
    struct prescale_rule rule = usual;
    rule.convert = true;
    for (uint8_t bands = 3; bands <= 4; bands++) {
        BLOB_ON_EXIT struct blob *in = sample_blob(sample_photo(97, 61, bands), IMAGE_AVIF);
        struct prescaled out = prescale(in, &rule);
        assert_int_equal(out.info.type, bands == 4 ? IMAGE_PNG : IMAGE_JPEG);
        assert_int_equal(out.info.has_alpha, bands == 4);
        assert_false(out.scaled);
        assert_int_equal(out.info.width, 97);
        blob_unref(out.image);
    }
    struct pixels p = sample_pixels(64, 48, 3);
    PICTURE_ON_EXIT VipsImage *im = sample_view(&p), *cmyk = NULL;
    pixels_release(&p);
    VIPS_OK(vips_icc_transform(im, &cmyk, "cmyk", NULL));
    BLOB_ON_EXIT struct blob *ink = sample_save(cmyk, IMAGE_JPEG);
    assert_true(sample_info(ink).is_cmyk);
    struct prescaled out = prescale(ink, &rule);
    assert_false(sample_info(out.image).is_cmyk);
    assert_false(out.scaled);
    assert_quarters(out.image, 110);
    blob_unref(out.image);
}

static void reports_damage(void **state)
{
    (void)state;
    const struct prescale_rule rule = {9000, 2048, PRESCALE_JPEG, 95, true, false};
    for (enum image_type t = IMAGE_JPEG; t <= IMAGE_PNG; t++) {
        BLOB_ON_EXIT struct blob *in = sample_blob(sample_photo(320, 200, 3), t);
        uint8_t *copy = mem_alloc(in->size);
        memcpy(copy, in->data, in->size);
        /* A hole in a JPEG shifts what follows; PNG has checksums. */
        size_t hole = t == IMAGE_JPEG ? in->size / 4 : 0;
        memmove(copy + in->size / 2, copy + in->size / 2 + hole, in->size - in->size / 2 - hole);
        if (!hole)
            memset(copy + in->size / 2, 0x55, 64);
        BLOB_ON_EXIT struct blob *bad = blob_take(copy, in->size - hole, free);
        struct image_info info = sample_info(bad);
        struct prescaled out = {.image = bad};
        struct error e = {0};
        assert_int_equal(image_prescale(bad, &info, &rule, &out, &e), -ERR_VALIDATION);
        assert_string_equal(e.field, "image");
        assert_non_null(strstr(e.reason, "damaged"));
        assert_ptr_equal(out.image, bad); /* untouched */
        assert_string_equal(vips_error_buffer(), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_is_the_exact_floor), cmocka_unit_test(size_at_known_places),
        cmocka_unit_test(leaves_small_ones_alone), cmocka_unit_test(turns_all_orientations_upright),
        cmocka_unit_test(keeps_to_awkward_sizes),  cmocka_unit_test(shrinks_a_lot),
        cmocka_unit_test(keeps_or_flattens_alpha), cmocka_unit_test(edges_of_alpha_stay_clean),
        cmocka_unit_test(converts_colours),        cmocka_unit_test(brings_depth_to_eight_bits),
        cmocka_unit_test(grey_stays_grey),         cmocka_unit_test(drops_metadata),
        cmocka_unit_test(converts_types),          cmocka_unit_test(reports_damage),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
