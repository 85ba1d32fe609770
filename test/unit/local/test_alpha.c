#include "fixture.h"

#include "local/alpha.h"

static void test_split_keeps_what_is_visible(void **state)
{
    struct pixels p = pixels_new(37, 23, 4), colour, alpha;
    struct error e;
    for (size_t i = 0; i < bytes_of(&p); i++)
        p.data[i] = (uint8_t)(i * 97 + i / 11);
    assert_int_equal(alpha_split(&p, &colour, &alpha, &e), 0);
    assert_int_equal(colour.bands, 3);
    assert_int_equal(alpha.bands, 1);
    for (size_t i = 0; i < 37 * 23; i++) {
        assert_int_equal(alpha.data[i], p.data[4 * i + 3]);
        if (alpha.data[i])
            assert_memory_equal(colour.data + 3 * i, p.data + 4 * i, 3);
    }
    pixels_release(&p);
    pixels_release(&colour);
    pixels_release(&alpha);
}

/* Two visible pixels in the corners: every other one takes the colour of the nearer. */
static void test_colours_spread(void **state)
{
    enum { W = 40, H = 30 };
    struct pixels p = pixels_new(W, H, 4), colour, alpha;
    struct error e;
    memset(p.data, 0, bytes_of(&p));
    memcpy(p.data, (uint8_t[]){10, 20, 30, 1}, 4);
    memcpy(p.data + bytes_of(&p) - 4, (uint8_t[]){200, 210, 220, 255}, 4);
    assert_int_equal(alpha_split(&p, &colour, &alpha, &e), 0);
    for (int i = 0; i < W * H; i++) {
        int first = i % W + i / W, last = W - 1 - i % W + H - 1 - i / W;
        if (first != last)
            assert_int_equal(colour.data[3 * i], first < last ? 10 : 200);
        assert_true(colour.data[3 * i] == 10 || colour.data[3 * i] == 200);
    }
    pixels_release(&p);
    pixels_release(&colour);
    pixels_release(&alpha);
}

static void test_nothing_visible(void **state)
{
    uint8_t bytes[] = {1, 2, 3, 0, 4, 5, 6, 0};
    struct pixels p = {bytes, 2, 1, 4}, colour, alpha;
    struct error e;
    assert_int_equal(alpha_split(&p, &colour, &alpha, &e), 0);
    assert_memory_equal(colour.data, ((uint8_t[]){1, 2, 3, 4, 5, 6}), 6);
    pixels_release(&colour);
    pixels_release(&alpha);
}

static void test_join_fills_the_fourth_band(void **state)
{
    struct pixels alpha = pixels_new(8, 8, 1), to = pixels_new(24, 16, 4);
    struct error e;
    memset(alpha.data, 77, 64);
    memset(to.data, 5, bytes_of(&to));
    assert_int_equal(alpha_join(&alpha, &to, &e), 0);
    for (size_t i = 0; i < bytes_of(&to); i++)
        assert_int_equal(to.data[i], i % 4 == 3 ? 77 : 5);
    pixels_release(&alpha);
    pixels_release(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_keeps_what_is_visible),
        cmocka_unit_test(test_colours_spread),
        cmocka_unit_test(test_nothing_visible),
        cmocka_unit_test(test_join_fills_the_fourth_band),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
