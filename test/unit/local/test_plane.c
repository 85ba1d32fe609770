#include "planes.h"

#include "local/noise.h"
#include "local/oklab.h"

static float dot(uint32_t x, uint32_t y)
{
    return x == 100 && y == 90 ? 1 : 0;
}

/* A point becomes a Gaussian of the sigma asked for, narrow or wide, and loses nothing. */
static void test_blur_is_a_gaussian(void **state)
{
    static const float sigmas[] = {0.7f, 2, 7.9f, 8.1f, 15, 25};
    for (unsigned n = 0; n < ARRAY_LEN(sigmas); n++) {
        for (uint32_t bands = 1; bands <= 4; bands += 3) {
            PLANE_ON_EXIT struct plane p = plane_of(201, 181, bands, dot);
            struct error e;
            assert_int_equal(plane_blur(&two, &p, sigmas[n], &e), 0);
            double sum = 0, wide = 0, high = 0;
            for (uint32_t y = 0; y < p.height; y++) {
                for (uint32_t x = 0; x < p.width; x++) {
                    double v = (double)plane_row(&p, y)[x * bands];
                    sum += v;
                    wide += v * pow((double)x - 100, 2);
                    high += v * pow((double)y - 90, 2);
                }
            }
            assert_true(fabs(sum - 1) < 0.02);
            assert_true(fabs(sqrt(wide / sum) / (double)sigmas[n] - 1) < 0.03);
            assert_true(fabs(sqrt(high / sum) / (double)sigmas[n] - 1) < 0.03);
        }
    }
}

static float half(uint32_t x, uint32_t y)
{
    return x < 100 ? 0 : 1;
}

/* A wide blur, made on a smaller copy, has no kinks: its slope changes as slowly as that of the real one. */
static void test_a_wide_blur_is_smooth(void **state)
{
    enum { SIGMA = 20 };
    PLANE_ON_EXIT struct plane p = plane_of(201, 9, 1, half);
    struct error e;
    assert_int_equal(plane_blur(&two, &p, SIGMA, &e), 0);
    float most = 0.2420f / (SIGMA * SIGMA); /* of a Gaussian's slope's change */
    for (uint32_t x = 40; x < 160; x++)
        assert_true(fabsf(p.v[x + 1] - 2 * p.v[x] + p.v[x - 1]) < 1.5f * most);
}

static float ramp(uint32_t x, uint32_t y)
{
    return 0.1f * (float)x + 0.01f * (float)y;
}

static void test_between_pixels(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(7, 5, 1, ramp), four = plane_of(7, 5, 4, ramp);
    assert_true(fabsf(plane_at(&p, 2.25f, 3.5f) - 0.26f) < 1e-6f);
    assert_true(fabsf(plane_at4(&four, 2.25f, 3.5f)[0] - 0.26f) < 1e-6f);
    assert_true(fabsf(plane_at(&p, -9, -9)) < 1e-6f); /* past an edge: the edge */
    assert_true(fabsf(plane_at(&p, 99, 99) - 0.64f) < 1e-6f);
}

static void test_oklab_and_back(void **state)
{
    struct pixels p = pixels_new(64, 64, 4), back = pixels_new(64, 64, 4);
    struct rng r;
    rng_seed(&r, 4);
    for (size_t i = 0; i < bytes_of(&p); i++)
        p.data[i] = (uint8_t)rng_next(&r);
    memcpy(back.data, p.data, bytes_of(&p));
    PLANE_ON_EXIT struct plane lab = {0};
    struct error e;
    assert_int_equal(oklab_from(&two, &p, &lab, &e), 0);
    assert_int_equal(oklab_into(&two, &lab, &back, &e), 0);
    assert_true(largest_difference(&p, &back) <= 1);
    pixels_release(&p);
    pixels_release(&back);
}

/* A colour that no screen shows keeps its hue and stays a colour. */
static void test_too_much_chroma_is_taken_back(void **state)
{
    PLANE_ON_EXIT struct plane lab = plane_of(1, 1, 4, ramp);
    struct pixels p = pixels_new(1, 1, 3);
    *plane_row4(&lab, 0) = (v4){0.6f, 0.5f, 0.25f, 0};
    struct error e;
    assert_int_equal(oklab_into(&two, &lab, &p, &e), 0);
    assert_int_equal(MIN(p.data[1], p.data[2]), 0); /* as strong as there is */
    assert_true(p.data[0] > 180 && p.data[1] < 100 && p.data[2] < 100);
    pixels_release(&p);
}

static void test_noise_is_even_and_repeats(void **state)
{
    double sum = 0, squares = 0;
    for (int32_t y = -50; y < 50; y++) {
        for (int32_t x = -50; x < 50; x++) {
            double v = (double)noise_white(7, x, y);
            sum += v;
            squares += v * v;
        }
    }
    assert_true(fabs(sum / 10000 - 0.5) < 0.02);
    assert_true(fabs(squares / 10000 - 1.0 / 3) < 0.02);
    assert_true(noise_fractal(7, 3.3f, -2.1f, 4) == noise_fractal(7, 3.3f, -2.1f, 4));
    assert_true(noise_fractal(7, 3.3f, -2.1f, 4) != noise_fractal(8, 3.3f, -2.1f, 4));
    for (int i = -40; i < 40; i++) { /* no jump from one bump to the next, also left of nought */
        float at = (float)i / 4;
        assert_true(fabsf(noise_smooth(7, at, 0.5f) - noise_smooth(7, at + 0.01f, 0.5f)) < 0.05f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blur_is_a_gaussian),
        cmocka_unit_test(test_a_wide_blur_is_smooth),
        cmocka_unit_test(test_between_pixels),
        cmocka_unit_test(test_oklab_and_back),
        cmocka_unit_test(test_too_much_chroma_is_taken_back),
        cmocka_unit_test(test_noise_is_even_and_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
