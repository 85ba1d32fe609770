#include "imaging/mask.h"

#include <math.h>

#include "samples.h"

static struct pixels mask_of(uint32_t width, uint32_t height, uint8_t level)
{
    struct pixels p = {mem_alloc((size_t)width * height), width, height, 1};
    memset(p.data, level, (size_t)width * height);
    return p;
}

/* Solid from (left, top) to before (right, bottom). */
static void box(struct pixels *p, uint32_t left, uint32_t top, uint32_t right, uint32_t bottom)
{
    for (uint32_t y = top; y < bottom; y++)
        memset(p->data + (size_t)y * p->width + left, 255, right - left);
}

static uint8_t at(const struct pixels *p, uint32_t x, uint32_t y)
{
    return *sample_at(p, x, y);
}

static double reference_blur(const struct pixels *p, int cx, int cy, int r)
{
    double sum = 0;
    for (int y = cy - r; y <= cy + r; y++)
        for (int x = cx - r; x <= cx + r; x++)
            sum += at(p, (uint32_t)MAX(0, MIN(x, (int)p->width - 1)),
                      (uint32_t)MAX(0, MIN(y, (int)p->height - 1)));
    return sum / ((2 * r + 1) * (2 * r + 1));
}

static void blur_is_the_mean(void **state)
{
    (void)state;
    static const uint32_t cases[][3] = {{31, 23, 1}, {40, 9, 6}, {7, 50, 20},
                                        {1, 9, 3},   {9, 1, 2},  {3, 3, 9}};
    struct error e;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pixels p = sample_photo(cases[i][0], cases[i][1], 1),
                      old = sample_photo(cases[i][0], cases[i][1], 1);
        assert_int_equal(mask_blur(&p, cases[i][2], &e), 0);
        for (uint32_t y = 0; y < p.height; y++)
            for (uint32_t x = 0; x < p.width; x++) {
                double mean = reference_blur(&old, (int)x, (int)y, (int)cases[i][2]);
                assert_true(fabs(at(&p, x, y) - mean) < 1.01); /* rounded twice */
            }
        pixels_release(&p);
        pixels_release(&old);
    }
    struct pixels solid = mask_of(500, 3, 255);
    assert_int_equal(mask_blur(&solid, 2000, &e), 0);
    for (uint32_t i = 0; i < 1500; i++)
        assert_int_equal(solid.data[i], 255);
    pixels_release(&solid);
}

static void feather_widens_the_edge(void **state)
{
    (void)state;
    for (uint32_t radius = 0; radius <= 20; radius++) {
        struct pixels p = mask_of(160, 90, 0);
        struct error e;
        box(&p, 80, 0, 160, 90);
        assert_int_equal(mask_feather(&p, radius, &e), 0);
        uint32_t soft = 0;
        for (uint32_t x = 0; x < 160; x++) {
            soft += at(&p, x, 45) > 0 && at(&p, x, 45) < 255;
            if (x > 0)
                assert_true(at(&p, x, 45) >= at(&p, x - 1, 45));
        }
        assert_in_range(soft, radius ? 2 * radius - 1 : 0, 2 * radius);
        assert_int_equal(at(&p, 79 - radius, 45), 0);
        assert_int_equal(at(&p, 80 + radius, 45), 255); /* solid inside */
        if (radius)
            assert_in_range(at(&p, 79, 45) + at(&p, 80, 45), 253, 257); /* half at the edge itself */
        pixels_release(&p);
    }
}

static void feather_keeps_thin_things(void **state)
{
    (void)state;
    struct pixels p = mask_of(120, 120, 0);
    struct error e;
    box(&p, 20, 60, 100, 120); /* a head */
    box(&p, 50, 0, 52, 60);    /* a hair of two pixels */
    box(&p, 10, 20, 40, 21);   /* one of one pixel, apart */
    assert_int_equal(mask_feather(&p, 6, &e), 0);
    for (uint32_t y = 0; y < 60; y++)
        assert_true(at(&p, 50, y) == 255 && at(&p, 51, y) == 255);
    for (uint32_t x = 10; x < 40; x++)
        assert_int_equal(at(&p, x, 20), 255);
    assert_int_equal(at(&p, 60, 90), 255);
    assert_in_range(at(&p, 20, 90), 100, 160);
    pixels_release(&p);
}

/* What is solid or empty everywhere has no edge, not even at the border. */
static void feather_leaves_plain_masks(void **state)
{
    (void)state;
    for (unsigned level = 0; level < 256; level += 51) {
        struct pixels p = mask_of(33, 21, (uint8_t)level);
        struct error e;
        assert_int_equal(mask_feather(&p, 9, &e), 0);
        for (uint32_t i = 0; i < 33 * 21; i++)
            assert_int_equal(p.data[i], level);
        pixels_release(&p);
    }
}

/* The spread of a point that became a shadow is sigma, and nothing of it is lost. */
static void shadow_is_nearly_gaussian(void **state)
{
    (void)state;
    static const double sigmas[] = {0, 1, 2.5, 8, 20};
    for (size_t i = 0; i < ARRAY_LEN(sigmas); i++) {
        struct pixels p = mask_of(401, 3, 0);
        struct error e;
        box(&p, 0, 0, 200, 3); /* an edge becomes the integral of the kernel */
        assert_int_equal(mask_shadow(&p, sigmas[i], &e), 0);
        double sum = 0, square = 0;
        for (uint32_t x = 1; x < 401; x++) {
            double weight = (at(&p, x - 1, 1) - at(&p, x, 1)) / 255.0, off = x - 200.0;
            sum += weight;
            square += weight * off * off;
        }
        assert_true(fabs(sum - 1) < 1e-9);
        assert_true(fabs(sqrt(square) - sigmas[i]) < 0.5);
        pixels_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blur_is_the_mean),          cmocka_unit_test(feather_widens_the_edge),
        cmocka_unit_test(feather_keeps_thin_things), cmocka_unit_test(feather_leaves_plain_masks),
        cmocka_unit_test(shadow_is_nearly_gaussian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
