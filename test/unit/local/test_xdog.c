#include "planes.h"

#include "local/xdog.h"

enum { SIDE = 64, MIDDLE = SIDE / 2 };

static const struct xdog_pen pen = {.width = 1, .length = 3, .threshold = 0.01f, .sharpness = 100};

static float step(uint32_t x, uint32_t y)
{
    return x < MIDDLE ? 0.7f : 0.4f;
}

static float flat(uint32_t x, uint32_t y)
{
    return 0.5f;
}

static struct plane drawn(const struct plane *p, const struct xdog_pen *with)
{
    PLANE_ON_EXIT struct plane flow = flow_of(p, 2), light = {0};
    struct plane out;
    struct error e;
    assert_int_equal(plane_band(p, 0, &light, &e), 0);
    assert_int_equal(xdog_lines(&two, &light, &flow, with, &out, &e), 0);
    return out;
}

/* One line, on the dark side of the edge, from the top to the bottom, and nothing elsewhere. */
static void test_a_line_at_an_edge(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, step);
    add_noise(&p, 0.01f, 1);
    PLANE_ON_EXIT struct plane out = drawn(&p, &pen);
    for (uint32_t y = 0; y < SIDE; y++) {
        const float *row = plane_row(&out, y);
        assert_true(row[MIDDLE] < 0.3f);
        for (uint32_t x = 0; x < SIDE; x++) {
            assert_true(row[x] >= 0 && row[x] <= 1);
            if (x < MIDDLE - 1 || x > MIDDLE + 5)
                assert_true(row[x] > 0.95f);
        }
    }
}

static void test_nothing_on_what_is_flat(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, flat);
    add_noise(&p, 0.02f, 1);
    PLANE_ON_EXIT struct plane out = drawn(&p, &pen);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        assert_true(out.v[i] > 0.9f);
}

static void test_a_broader_pen_draws_a_broader_line(void **state)
{
    double ink[2] = {0};
    for (unsigned n = 0; n < 2; n++) {
        struct xdog_pen with = pen;
        with.width = n ? 2.5f : 1;
        PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, step);
        PLANE_ON_EXIT struct plane out = drawn(&p, &with);
        for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
            ink[n] += 1 - (double)out.v[i];
    }
    assert_true(ink[1] > 1.5 * ink[0] && ink[1] < 4 * ink[0]);
}

static void test_shadow_is_all_ink(void **state)
{
    struct xdog_pen with = pen;
    with.shadow = 0.5f;
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, step);
    PLANE_ON_EXIT struct plane out = drawn(&p, &with);
    for (uint32_t y = 0; y < SIDE; y++)
        assert_true(plane_row(&out, y)[SIDE - 4] < 0.01f && plane_row(&out, y)[4] > 0.99f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_at_an_edge),
        cmocka_unit_test(test_nothing_on_what_is_flat),
        cmocka_unit_test(test_a_broader_pen_draws_a_broader_line),
        cmocka_unit_test(test_shadow_is_all_ink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
