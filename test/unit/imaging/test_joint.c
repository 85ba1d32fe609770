#include "imaging/joint.h"

#include <math.h>

#include "samples.h"

static struct pixels enlarge(const struct pixels *alpha, const struct pixels *photo)
{
    struct pixels p = {0};
    struct error e;
    assert_int_equal(joint_enlarge(alpha, photo, &p, &e), 0);
    assert_true(p.width == photo->width && p.height == photo->height && p.bands == 1);
    return p;
}

/* A slanting stripe of 3 pixels and a disc, `size` large; x and y in pixels of the photo. */
static bool inside(double x, double y)
{
    return hypot(x - 200, y - 160) < 80.3 || fabs(x * 0.8 - y * 0.6 - 190) < 1.5;
}

static double covered(double x, double y, double size)
{
    double sum = 0;
    for (int i = 0; i < 64; i++)
        sum += inside(x + (i % 8 + 0.5) / 8 * size, y + (i / 8 + 0.5) / 8 * size);
    return sum / 64;
}

/* The alpha a network would give for a third of the size, and the photo, as sharp as it is. */
static void edges_become_as_sharp_as_the_photo(void **state)
{
    (void)state;
    enum { WIDTH = 480, HEIGHT = 360, TIMES = 3 };
    struct pixels photo = sample_photo(WIDTH, HEIGHT, 3), true_alpha = sample_photo(WIDTH, HEIGHT, 1);
    struct pixels alpha = sample_photo(WIDTH / TIMES, HEIGHT / TIMES, 1);
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
        double share = covered(i % WIDTH, i / WIDTH, 1);
        true_alpha.data[i] = (uint8_t)lround(255 * share);
        for (unsigned b = 0; b < 3; b++) { /* brown on light blue, some noise left */
            static const int brown[3] = {120, 80, 50}, blue[3] = {150, 190, 230};
            photo.data[3 * i + b] =
                (uint8_t)(brown[b] * share + blue[b] * (1 - share) + photo.data[3 * i + b] % 8);
        }
    }
    for (uint32_t i = 0; i < WIDTH * HEIGHT / (TIMES * TIMES); i++) {
        uint32_t x = i % (WIDTH / TIMES) * TIMES, y = i / (WIDTH / TIMES) * TIMES;
        alpha.data[i] = (uint8_t)lround(255 * covered(x, y, TIMES));
    }
    struct pixels joint = enlarge(&alpha, &photo), plain = {0};
    struct error e;
    assert_int_equal(image_resize(&alpha, WIDTH, HEIGHT, &plain, &e), 0);
    double joint_error = 0, plain_error = 0;
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
        joint_error += abs(joint.data[i] - true_alpha.data[i]);
        plain_error += abs(plain.data[i] - true_alpha.data[i]);
    }
    print_message("error beside plain enlarging: %.2f\n", joint_error / plain_error);
    assert_true(joint_error < plain_error / 3);
    pixels_release(&photo);
    pixels_release(&true_alpha);
    pixels_release(&alpha);
    pixels_release(&joint);
    pixels_release(&plain);
}

/* However wild the photo: solid stays solid, empty stays empty, and beyond the 3 × 3 neighbours' range
 * nothing goes. */
static void keeps_to_the_range(void **state)
{
    (void)state;
    struct pixels photo = sample_photo(203, 151, 3), alpha = sample_photo(50, 37, 1);
    for (uint32_t i = 0; i < 50 * 37; i++)
        alpha.data[i] = i % 50 < 15 ? 255 : i % 50 < 30 ? 0 : alpha.data[i];
    struct pixels p = enlarge(&alpha, &photo);
    for (uint32_t y = 0; y < 151; y++)
        for (uint32_t x = 0; x < 203; x++) {
            uint32_t cx = (2 * x + 1) * 50 / 406, cy = (2 * y + 1) * 37 / 302, low = 255, high = 0;
            for (uint32_t j = MAX(cy, 1) - 1; j <= MIN(cy + 1, 36); j++)
                for (uint32_t i = MAX(cx, 1) - 1; i <= MIN(cx + 1, 49); i++) {
                    low = MIN(low, *sample_at(&alpha, i, j));
                    high = MAX(high, *sample_at(&alpha, i, j));
                }
            assert_in_range(*sample_at(&p, x, y), low, high);
        }
    pixels_release(&photo);
    pixels_release(&alpha);
    pixels_release(&p);
}

static void takes_any_size(void **state)
{
    (void)state;
    static const uint32_t sides[][4] = {
        {1, 1, 1, 1}, {1, 1, 40, 30}, {1, 9, 3, 9}, {7, 5, 7, 5}, {3, 2, 400, 2}};
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        struct pixels alpha = sample_photo(sides[i][0], sides[i][1], 1);
        struct pixels photo = sample_photo(sides[i][2], sides[i][3], 3);
        struct pixels p = enlarge(&alpha, &photo);
        pixels_release(&alpha);
        pixels_release(&photo);
        pixels_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_become_as_sharp_as_the_photo),
        cmocka_unit_test(keeps_to_the_range),
        cmocka_unit_test(takes_any_size),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
