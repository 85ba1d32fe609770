#include <math.h>

#include "imaging/foreground.h"
#include "samples.h"

enum { WIDTH = 240, HEIGHT = 160 };

/* A disc with an edge as wide as `soft` pixels. */
static struct pixels disc(uint32_t width, uint32_t height, double radius, double soft)
{
    struct pixels p = {mem_alloc((size_t)width * height), width, height, 1};
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            double inside = radius - hypot(x - width / 2.0, y - height / 2.0);
            p.data[(size_t)y * width + x] = (uint8_t)lround(255 * fmin(1, fmax(0, inside / soft + 0.5)));
        }
    return p;
}

/* The subject: a slope of skin colours. */
static void subject_colour(uint32_t x, uint32_t y, int to[3])
{
    to[0] = (int)(170 + x / 4);
    to[1] = (int)(120 + y / 4);
    to[2] = 90;
}

/* The subject before a green wall that grows lighter to the right. */
static struct pixels photo_of(const struct pixels *alpha)
{
    struct pixels p = {mem_alloc((size_t)WIDTH * HEIGHT * 3), WIDTH, HEIGHT, 3};
    for (uint32_t y = 0; y < HEIGHT; y++)
        for (uint32_t x = 0; x < WIDTH; x++) {
            size_t at = (size_t)y * WIDTH + x;
            int a = alpha->data[at], colour[3], wall[3] = {20, (int)(150 + x / 3), 40};
            subject_colour(x, y, colour);
            for (unsigned b = 0; b < 3; b++)
                p.data[3 * at + b] = (uint8_t)((colour[b] * a + wall[b] * (255 - a) + 127) / 255);
        }
    return p;
}

static void estimate(struct pixels *photo, const struct pixels *alpha, const struct pixels *shown)
{
    struct error e;
    assert_int_equal(foreground_estimate(photo, alpha, shown, &e), 0);
}

static void takes_the_old_background_out(void **state)
{
    (void)state;
    struct pixels alpha = disc(WIDTH, HEIGHT, 50, 8), before = photo_of(&alpha), after = photo_of(&alpha);
    estimate(&after, &alpha, &alpha);
    double old_error = 0, new_error = 0, weights = 0;
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
        int a = alpha.data[i], colour[3];
        subject_colour(i % WIDTH, i / WIDTH, colour);
        if (a == 0 || a == 255) {
            assert_memory_equal(after.data + 3 * i, before.data + 3 * i, 3);
            continue;
        }
        if (a > 25) /* fainter ones do not show */
            sample_assert_colour(after.data + 3 * i, colour[0], colour[1], colour[2], 20);
        for (unsigned b = 0; b < 3; b++) {
            old_error += a * abs(before.data[3 * i + b] - colour[b]);
            new_error += a * abs(after.data[3 * i + b] - colour[b]);
        }
        weights += 3 * a;
    }
    assert_true(old_error / weights > 20);
    assert_true(new_error / weights < 3);
    pixels_release(&alpha);
    pixels_release(&before);
    pixels_release(&after);
}

/* For edges that are softened outwards: there the photo shows wall, but the subject's colour is wanted. */
static void carries_colours_on(void **state)
{
    (void)state;
    struct pixels alpha = disc(WIDTH, HEIGHT, 50, 1), shown = disc(WIDTH, HEIGHT, 60, 1);
    struct pixels photo = photo_of(&alpha), wall = photo_of(&alpha);
    estimate(&photo, &alpha, &shown);
    unsigned carried = 0;
    for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
        int colour[3];
        subject_colour(i % WIDTH, i / WIDTH, colour);
        if (alpha.data[i] == 0 && shown.data[i] > 0)
            sample_assert_colour(photo.data + 3 * i, colour[0], colour[1], colour[2], 20), carried++;
        else if (alpha.data[i] == 0)
            assert_memory_equal(photo.data + 3 * i, wall.data + 3 * i, 3);
    }
    assert_true(carried > 2000);
    pixels_release(&alpha);
    pixels_release(&shown);
    pixels_release(&photo);
    pixels_release(&wall);
}

/* Sides of one pixel, no subject, nothing but subject, everything half: nothing is read outside, and what
 * needs no estimate is not touched. */
static void takes_any_shape(void **state)
{
    (void)state;
    static const uint32_t sides[][2] = {{1, 1}, {1, 90}, {90, 1}, {2, 3}, {37, 5}, {300, 2}};
    for (size_t i = 0; i < ARRAY_LEN(sides); i++)
        for (unsigned level = 0; level < 3; level++) {
            uint32_t width = sides[i][0], height = sides[i][1];
            struct pixels alpha = {mem_alloc((size_t)width * height), width, height, 1};
            memset(alpha.data, (int)(level * 255 / 2), (size_t)width * height);
            struct pixels photo = sample_photo(width, height, 3), before = sample_photo(width, height, 3);
            estimate(&photo, &alpha, &alpha);
            if (level != 1)
                assert_memory_equal(photo.data, before.data, (size_t)width * height * 3);
            pixels_release(&alpha);
            pixels_release(&photo);
            pixels_release(&before);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_old_background_out),
        cmocka_unit_test(carries_colours_on),
        cmocka_unit_test(takes_any_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
