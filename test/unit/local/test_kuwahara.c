#include "planes.h"

#include "local/kuwahara.h"

enum { SIDE = 96 };

static float step(uint32_t x, uint32_t y)
{
    return x < SIDE / 2 ? 0.3f : 0.7f;
}

static float flat(uint32_t x, uint32_t y)
{
    return 0.4f;
}

static struct plane filtered(struct plane *p, float radius)
{
    PLANE_ON_EXIT struct plane flow = flow_of(p, 2);
    struct plane out;
    struct error e;
    assert_int_equal(kuwahara_filter(&two, p, &flow, radius, &out, &e), 0);
    return out;
}

static void test_noise_goes_the_edge_stays(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, step);
    add_noise(&p, 0.08f, 1);
    double before = variance(&p, 4, 4, 36, 92);
    PLANE_ON_EXIT struct plane out = filtered(&p, 6);
    double after = variance(&out, 4, 4, 36, 92);
    if (after * 8 > before)
        fail_msg("variance %g became only %g", before, after);
    /* Beside the edge each side is what it was: nothing has run over. */
    double left = 0, right = 0;
    for (uint32_t y = 8; y < SIDE - 8; y++) {
        left += (double)plane_row4(&out, y)[SIDE / 2 - 2][0] / (SIDE - 16);
        right += (double)plane_row4(&out, y)[SIDE / 2 + 1][0] / (SIDE - 16);
    }
    assert_true(fabs(left - 0.3) < 0.03 && fabs(right - 0.7) < 0.03);
}

static void test_flat_stays_flat(void **state)
{
    static const float radii[] = {1, 2.4f, 5, 11, 40};
    for (unsigned i = 0; i < ARRAY_LEN(radii); i++) {
        PLANE_ON_EXIT struct plane p = plane_of(37, 21, 4, flat);
        PLANE_ON_EXIT struct plane out = filtered(&p, radii[i]);
        for (size_t n = 0; n < (size_t)37 * 21; n++)
            assert_true(fabsf(out.v[4 * n] - 0.4f) < 1e-4f);
    }
}

/* What stretches along the flow keeps a thin line whole where a round filter would eat it. */
static float line(uint32_t x, uint32_t y)
{
    return x >= 46 && x < 50 ? 0.2f : 0.8f;
}

static void test_a_thin_line_survives(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, line);
    PLANE_ON_EXIT struct plane out = filtered(&p, 6);
    for (uint32_t y = 0; y < SIDE; y++)
        assert_true(plane_row4(&out, y)[47][0] < 0.35f && plane_row4(&out, y)[40][0] > 0.75f);
}

static void test_cancelled(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, step);
    PLANE_ON_EXIT struct plane flow = flow_of(&p, 2);
    atomic_bool gone = true;
    struct plane out;
    struct error e;
    assert_int_equal(kuwahara_filter(&(struct crew){2, &gone}, &p, &flow, 4, &out, &e), -ERR_CLIENT_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_goes_the_edge_stays),
        cmocka_unit_test(test_flat_stays_flat),
        cmocka_unit_test(test_a_thin_line_survives),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
