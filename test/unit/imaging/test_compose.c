#include "imaging/compose.h"

#include <math.h>

#include "imaging/backdrop.h"
#include "samples.h"

enum { WIDTH = 160, HEIGHT = 120 };

/* A cut-out from a model: whatever colours, and a disc of alpha in the middle, `soft` pixels wide at its
 * edge.
 */
static struct blob *cutout_of(uint32_t width, uint32_t height, double soft)
{
    struct pixels p = sample_photo(width, height, 4);
    double radius = MIN(width, height) * 0.3;
    for (uint32_t i = 0; i < width * height; i++) {
        double inside = radius - hypot(i % width + 0.5 - width / 2.0, i / width + 0.5 - height / 2.0);
        p.data[4 * i + 3] = (uint8_t)lround(255 * fmin(1, fmax(0, inside / soft + 0.5)));
    }
    return sample_blob(p, IMAGE_PNG);
}

static struct blob *plain(uint32_t width, uint32_t height, uint8_t r, uint8_t g, uint8_t b)
{
    struct pixels p = sample_photo(width, height, 3);
    for (uint32_t i = 0; i < width * height; i++)
        memcpy(p.data + 3 * i, (uint8_t[]){r, g, b}, 3);
    return sample_blob(p, IMAGE_PNG);
}

/* Takes the blobs; what they show is probed as in the program. */
static struct compose_request request(struct blob *foreground, struct blob *cutout, struct blob *background)
{
    struct compose_request q = {
        .cutout = cutout,
        .cutout_info = sample_info(cutout),
        .foreground = foreground,
        .foreground_info = sample_info(foreground),
        .background = background,
        .output = IMAGE_PNG,
        .quality = 95,
        .max_pixels = 1000000,
    };
    if (background)
        q.background_info = sample_info(background);
    return q;
}

static void drop(struct compose_request *q)
{
    blob_unref((struct blob *)(uintptr_t)q->cutout);
    blob_unref((struct blob *)(uintptr_t)q->foreground);
    blob_unref((struct blob *)(uintptr_t)q->background);
}
#define REQUEST_ON_EXIT CLEANUP(drop)

static struct pixels decoded(const struct blob *b)
{
    struct image_info info = sample_info(b);
    struct pixels p = {0};
    struct error e;
    assert_int_equal(image_decode(b, &info, &p, &e), 0);
    return p;
}

static struct pixels compose(const struct compose_request *q)
{
    struct composed out = {0};
    struct error e = {0};
    if (image_compose(q, &out, &e)) {
        print_error("%s: %s\n", e.field, e.reason);
        fail();
    }
    assert_int_equal(sample_info(out.image).type, q->output);
    assert_int_equal(out.type, q->output);
    struct pixels p = decoded(out.image);
    assert_true(p.width == out.width && p.height == out.height);
    blob_unref(out.image);
    return p;
}

static void copies_what_is_not_mixed(void **state)
{
    (void)state;
    struct blob *photo = sample_blob(sample_photo(WIDTH, HEIGHT, 3), IMAGE_PNG);
    struct blob *background = sample_blob(sample_pixels(WIDTH, HEIGHT, 3), IMAGE_PNG);
    REQUEST_ON_EXIT struct compose_request q = request(photo, cutout_of(WIDTH, HEIGHT, 6), background);
    struct pixels out = compose(&q), in = decoded(photo), behind = decoded(background),
                  alpha = decoded(q.cutout);
    unsigned solid = 0, clear = 0;
    assert_int_equal(out.bands, 3);
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
        if (alpha.data[4 * i + 3] == 255)
            assert_memory_equal(out.data + 3 * i, in.data + 3 * i, 3), solid++;
        else if (alpha.data[4 * i + 3] == 0)
            assert_memory_equal(out.data + 3 * i, behind.data + 3 * i, 3), clear++;
    assert_true(solid > 2000 && clear > 10000);
    pixels_release(&out);
    pixels_release(&in);
    pixels_release(&behind);
    pixels_release(&alpha);
}

/* Red stays solid inside, and neither the model's colours nor the wall's get in. */
static void has_no_fringe(void **state)
{
    (void)state;
    struct pixels p = sample_photo(WIDTH, HEIGHT, 3);
    struct blob *cutout = cutout_of(WIDTH, HEIGHT, 8);
    struct pixels alpha = decoded(cutout);
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) { /* a grey subject before a green screen */
        int a = alpha.data[4 * i + 3];
        for (unsigned b = 0; b < 3; b++)
            p.data[3 * i + b] = (uint8_t)((150 * a + (b == 1 ? 220 : 20) * (255 - a) + 127) / 255);
    }
    REQUEST_ON_EXIT struct compose_request q =
        request(sample_blob(p, IMAGE_PNG), cutout, plain(40, 40, 200, 0, 0));
    struct pixels out = compose(&q);
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
        int a = alpha.data[4 * i + 3];
        sample_assert_colour(out.data + 3 * i, (150 * a + 200 * (255 - a)) / 255, 150 * a / 255,
                             150 * a / 255, 6);
    }
    pixels_release(&alpha);
    pixels_release(&out);
}

static void has_the_upright_size_of_the_upload(void **state)
{
    (void)state;
    for (unsigned orientation = 1; orientation <= 8; orientation++)
        for (enum image_type t = IMAGE_JPEG; t <= IMAGE_PNG; t++) {
            struct blob *photo = sample_oriented(sample_blob(sample_pixels(200, 120, 3), t), t, orientation);
            uint32_t width = orientation >= 5 ? 120 : 200, height = orientation >= 5 ? 200 : 120;
            REQUEST_ON_EXIT struct compose_request q =
                request(photo, cutout_of(width / 2, height / 2, 2), plain(30, 30, 128, 128, 128));
            struct pixels out = compose(&q), in = decoded(photo);
            assert_true(out.width == width && out.height == height);
            for (int dy = -9; dy <= 9; dy += 18) /* in the disc, in each quarter */
                for (int dx = -9; dx <= 9; dx += 18) {
                    const uint8_t *wanted =
                        sample_at(&in, (uint32_t)((int)width / 2 + dx), (uint32_t)((int)height / 2 + dy));
                    sample_assert_colour(
                        sample_at(&out, (uint32_t)((int)width / 2 + dx), (uint32_t)((int)height / 2 + dy)),
                        wanted[0], wanted[1], wanted[2], 1);
                }
            sample_assert_colour(sample_at(&out, 0, 0), 128, 128, 128, 1);
            pixels_release(&out);
            pixels_release(&in);
        }
}

/* The background's quarters are red, green, blue and white; 200 × 100 of them come onto a canvas of
 * 160 × 120. A pixel of each corner says what is seen there; '.': no background. */
static void fits_and_positions(void **state)
{
    (void)state;
    static const struct {
        enum compose_fit fit;
        const char *position, *corners; /* left top, right top, left bottom, right bottom, middle of top */
    } cases[] = {
        {COMPOSE_COVER, "centre", "rgbwr"},       {COMPOSE_COVER, "center", "rgbwr"},
        {COMPOSE_COVER, "left", "rgbwr"},         {COMPOSE_COVER, "right", "rgbwg"},
        {COMPOSE_COVER, "top", "rgbwr"},          {COMPOSE_COVER, "left top", "rgbwr"},
        {COMPOSE_COVER, "right bottom", "rgbwg"}, {COMPOSE_FILL, "right", "rgbwr"},
        {COMPOSE_CONTAIN, "centre", "....."},     {COMPOSE_CONTAIN, "top", "rg..r"},
        {COMPOSE_CONTAIN, "right top", "rg..r"},  {COMPOSE_CONTAIN, "left bottom", "..bw."},
        {COMPOSE_CONTAIN, "left", "....."},       {COMPOSE_INSIDE, "top", "....."},
        {COMPOSE_OUTSIDE, "right", "rgbwr"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (unsigned turned = 0; turned < 2; turned++) { /* JPEG without alpha: white; PNG: clear */
            struct blob *photo = sample_blob(sample_photo(WIDTH, HEIGHT, 3), IMAGE_PNG);
            REQUEST_ON_EXIT struct compose_request q = request(
                photo, cutout_of(WIDTH, HEIGHT, 1), sample_blob(sample_pixels(200, 100, 3), IMAGE_PNG));
            q.fit = cases[i].fit;
            q.output = turned ? IMAGE_JPEG : IMAGE_PNG;
            assert_true(compose_position_parse(cases[i].position, &q.position));
            struct pixels out = compose(&q);
            const uint32_t at[5][2] = {{2, 2}, {157, 2}, {2, 117}, {157, 117}, {72, 2}};
            for (unsigned k = 0; k < 5; k++) {
                const uint8_t *p = sample_at(&out, at[k][0], at[k][1]);
                switch (cases[i].corners[k]) {
                case 'r':
                    sample_assert_colour(p, 220, 20, 20, 8);
                    break;
                case 'g':
                    sample_assert_colour(p, 20, 200, 20, 8);
                    break;
                case 'b':
                    sample_assert_colour(p, 20, 20, 220, 8);
                    break;
                case 'w':
                    sample_assert_colour(p, 250, 250, 250, 4);
                    break;
                default:
                    if (turned)
                        sample_assert_colour(p, 255, 255, 255, 0);
                    else
                        assert_int_equal(p[3], 0);
                }
            }
            pixels_release(&out);
        }
}

static void places_by_numbers(void **state)
{
    (void)state;
    struct placement p;
    backdrop_place(400, 100, 200, 200, COMPOSE_COVER, COMPOSE_RIGHT, &p);
    assert_true(p.width == 200 && p.height == 200 && p.left == 0 && p.top == 0);
    assert_true(fabs(p.part.left - 0.75) < 1e-9 && fabs(p.part.width - 0.25) < 1e-9 && p.part.height == 1);
    backdrop_place(400, 100, 200, 200, COMPOSE_CONTAIN, COMPOSE_RIGHT_BOTTOM, &p);
    assert_true(p.width == 200 && p.height == 50 && p.left == 0 && p.top == 150 && p.part.width == 1);
    backdrop_place(100, 50, 200, 200, COMPOSE_INSIDE, COMPOSE_TOP, &p); /* enlarges, as sharp does */
    assert_true(p.width == 200 && p.height == 100 && p.top == 50);
    backdrop_place(1, 65500, 4000, 3000, COMPOSE_COVER, COMPOSE_CENTRE, &p);
    assert_true(p.width == 4000 && p.height == 3000 && p.part.height > 0);
    backdrop_place(1, 65500, 4000, 3000, COMPOSE_CONTAIN, COMPOSE_CENTRE, &p);
    assert_true(p.width == 1 && p.height == 3000 && p.left == 1999);
}

static void draws_extreme_backgrounds(void **state)
{
    (void)state;
    static const uint32_t sides[][2] = {{1, 5000}, {5000, 1}, {1, 1}, {3000, 2000}};
    for (size_t i = 0; i < ARRAY_LEN(sides); i++)
        for (enum compose_fit fit = 0; fit < COMPOSE_FIT_COUNT; fit++) {
            REQUEST_ON_EXIT struct compose_request q =
                request(sample_blob(sample_photo(WIDTH, HEIGHT, 3), IMAGE_PNG), cutout_of(80, 60, 1),
                        plain(sides[i][0], sides[i][1], 9, 99, 199));
            q.fit = fit;
            q.output = IMAGE_JPEG;
            struct pixels out = compose(&q);
            assert_true(out.width == WIDTH && out.height == HEIGHT);
            pixels_release(&out);
        }
}

static void parses_the_words(void **state)
{
    (void)state;
    static const char *const fits[] = {"cover", "contain", "fill", "inside", "outside"};
    static const char *const positions[] = {"centre", "top",         "right top", "right",   "right bottom",
                                            "bottom", "left bottom", "left",      "left top"};
    enum compose_fit fit = COMPOSE_FIT_COUNT;
    enum compose_position position = COMPOSE_POSITION_COUNT;
    for (unsigned i = 0; i < ARRAY_LEN(fits); i++)
        assert_true(compose_fit_parse(fits[i], &fit) && fit == i);
    for (unsigned i = 0; i < ARRAY_LEN(positions); i++)
        assert_true(compose_position_parse(positions[i], &position) && position == i);
    assert_true(compose_position_parse("center", &position) && position == COMPOSE_CENTRE);
    assert_false(compose_fit_parse("Cover", &fit) || compose_fit_parse("", &fit));
    assert_false(compose_position_parse("top right", &position));
    assert_true(fit == COMPOSE_OUTSIDE && position == COMPOSE_CENTRE);
}

/* How much of a Gaussian of 8 pixels around (x, y) lies on the disc of cutout_of. */
static double shade_at(double x, double y)
{
    double sum = 0, all = 0;
    for (int dy = -30; dy <= 30; dy++)
        for (int dx = -30; dx <= 30; dx++) {
            double weight = exp(-(dx * dx + dy * dy) / (2 * 8.0 * 8.0));
            all += weight;
            sum += hypot(x + dx + 0.5 - WIDTH / 2.0, y + dy + 0.5 - HEIGHT / 2.0) < HEIGHT * 0.3 ? weight : 0;
        }
    return sum / all;
}

static void shadow_darkens_around(void **state)
{
    (void)state;
    struct blob *photo = sample_blob(sample_photo(WIDTH, HEIGHT, 3), IMAGE_PNG);
    REQUEST_ON_EXIT struct compose_request q =
        request(photo, cutout_of(WIDTH, HEIGHT, 1), plain(30, 30, 200, 200, 200));
    q.shadow = true;
    struct pixels out = compose(&q), in = decoded(photo);
    for (uint32_t x = 118; x < WIDTH; x++) /* the disc ends at column 116 */
        assert_true(fabs(*sample_at(&out, x, 60) - 200 * (1 - 0.35 * shade_at(x, 60))) < 2);
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
        if (hypot(i % WIDTH - 79.5, i / WIDTH - 59.5) > 38)
            assert_in_range(out.data[3 * i], 200 * 65 / 100, 200);
    assert_int_equal(*sample_at(&out, 0, 0), 200);
    assert_memory_equal(sample_at(&out, 80, 60), sample_at(&in, 80, 60), 3);
    pixels_release(&out);

    blob_unref((struct blob *)(uintptr_t)TAKE(q.background)); /* and on nothing: black, at most 35 % */
    out = compose(&q);
    assert_int_equal(out.bands, 4);
    sample_assert_colour(sample_at(&out, 120, 60), 0, 0, 0, 0);
    assert_true(fabs(sample_at(&out, 118, 60)[3] - 255 * 0.35 * shade_at(118, 60)) < 2);
    assert_int_equal(sample_at(&out, 0, 0)[3], 0);
    assert_memory_equal(sample_at(&out, 80, 60), sample_at(&in, 80, 60), 3);
    assert_int_equal(sample_at(&out, 80, 60)[3], 255);
    pixels_release(&out);
    pixels_release(&in);
}

static void feather_softens_the_edge(void **state)
{
    (void)state;
    REQUEST_ON_EXIT struct compose_request q =
        request(sample_blob(sample_photo(WIDTH, HEIGHT, 3), IMAGE_PNG), cutout_of(WIDTH, HEIGHT, 1), NULL);
    unsigned soft[2];
    for (unsigned i = 0; i < 2; i++) {
        q.feather_px = 6 * i;
        struct pixels out = compose(&q);
        soft[i] = 0;
        for (uint32_t x = 80; x < WIDTH; x++)
            soft[i] += sample_at(&out, x, 60)[3] % 255 != 0;
        assert_int_equal(sample_at(&out, 107, 60)[3], 255);
        assert_int_equal(sample_at(&out, 125, 60)[3], 0);
        pixels_release(&out);
    }
    assert_in_range(soft[0], 0, 2);
    assert_in_range(soft[1], 10, 14);
}

/* The upload's own transparency and the background's are respected. */
static void mixes_all_kinds_of_alpha(void **state)
{
    (void)state;
    REQUEST_ON_EXIT struct compose_request q =
        request(sample_blob(sample_pixels(WIDTH, HEIGHT, 4), IMAGE_PNG), cutout_of(WIDTH, HEIGHT, 1),
                sample_blob(sample_pixels(WIDTH, HEIGHT, 4), IMAGE_PNG));
    struct pixels out = compose(&q);
    assert_int_equal(out.bands, 4);
    assert_in_range(sample_at(&out, 40, 2)[3], 62, 66); /* the background alone */
    sample_assert_colour(sample_at(&out, 40, 2), 220, 20, 20, 2);
    double a = 100 * 255.0 / 159; /* both half there, at column 100: a + a - a² */
    assert_true(fabs(sample_at(&out, 100, 60)[3] - (2 * a - a * a / 255)) < 2);
    pixels_release(&out);

    q.output = IMAGE_JPEG; /* white shines through */
    out = compose(&q);
    assert_int_equal(out.bands, 3);
    sample_assert_colour(sample_at(&out, 2, 2), 255, 251, 251, 6);
    pixels_release(&out);
}

static void larger_uploads_are_composed_smaller(void **state)
{
    (void)state;
    REQUEST_ON_EXIT struct compose_request q = request(sample_blob(sample_photo(400, 300, 3), IMAGE_JPEG),
                                                       cutout_of(200, 150, 1), plain(30, 30, 1, 2, 3));
    struct composed out;
    struct error e;
    assert_int_equal(image_compose(&q, &out, &e), 0);
    assert_true(out.width == 400 && out.height == 300 && !out.scaled);
    blob_unref(out.image);
    q.max_pixels = 100 * 75;
    q.feather_px = 20;
    assert_int_equal(image_compose(&q, &out, &e), 0);
    assert_true(out.width == 100 && out.height == 75 && out.scaled);
    blob_unref(out.image);
}

static void assert_refused(const struct compose_request *q, int code, const char *field, const char *reason)
{
    struct composed out = {0};
    struct error e = {0};
    assert_int_equal(image_compose(q, &out, &e), code);
    assert_string_equal(e.field, field);
    assert_non_null(strstr(e.reason, reason));
    assert_null(out.image);
}

/* The second half of the pixels is missing, behind a sound header. Takes in. */
static struct blob *damaged(struct blob *in)
{
    uint8_t *copy = mem_alloc(in->size);
    memcpy(copy, in->data, in->size);
    memset(copy + in->size / 2, 0x55, 64);
    struct blob *out = blob_take(copy, in->size, free);
    blob_unref(in);
    return out;
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    struct blob *good = sample_blob(sample_photo(WIDTH, HEIGHT, 3), IMAGE_PNG);
    struct blob *bad = damaged(sample_blob(sample_photo(WIDTH, HEIGHT, 3), IMAGE_PNG));
    struct blob *cutout = cutout_of(WIDTH, HEIGHT, 1), *bad_cutout = damaged(cutout_of(WIDTH, HEIGHT, 1));
    struct compose_request q = request(good, cutout, bad);
    assert_refused(&q, -ERR_VALIDATION, "bg", "damaged");
    q = request(bad, cutout, good);
    assert_refused(&q, -ERR_VALIDATION, "fg", "damaged");
    q = request(good, good, good); /* a model that gave back what it got */
    assert_refused(&q, -ERR_UPSTREAM, "", "without transparency");
    q = request(good, bad_cutout, NULL);
    assert_refused(&q, -ERR_UPSTREAM, "", "cannot be read");
    blob_unref(good);
    blob_unref(bad);
    blob_unref(cutout);
    blob_unref(bad_cutout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_what_is_not_mixed),
        cmocka_unit_test(has_no_fringe),
        cmocka_unit_test(has_the_upright_size_of_the_upload),
        cmocka_unit_test(fits_and_positions),
        cmocka_unit_test(places_by_numbers),
        cmocka_unit_test(draws_extreme_backgrounds),
        cmocka_unit_test(parses_the_words),
        cmocka_unit_test(shadow_darkens_around),
        cmocka_unit_test(feather_softens_the_edge),
        cmocka_unit_test(mixes_all_kinds_of_alpha),
        cmocka_unit_test(larger_uploads_are_composed_smaller),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
