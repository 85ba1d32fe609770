#include "planes.h"

enum { SIDE = 64 };

static double angle; /* of the edge, radians */

static float edge(uint32_t x, uint32_t y)
{
    double across = cos(angle) * (y - SIDE / 2.0) - sin(angle) * (x - SIDE / 2.0);
    return (float)(0.5 + 0.3 * tanh(across));
}

/* Along an edge of any direction the flow is that direction. */
static void test_follows_an_edge(void **state)
{
    for (angle = 0; angle < M_PI; angle += M_PI / 12) {
        PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, edge);
        PLANE_ON_EXIT struct plane flow = flow_of(&p, 2);
        for (int t = -20; t <= 20; t += 4) {
            uint32_t x = (uint32_t)lrint(SIDE / 2.0 + t * cos(angle)),
                     y = (uint32_t)lrint(SIDE / 2.0 + t * sin(angle));
            v4 f = plane_row4(&flow, y)[x];
            double along = fabs((double)f[FLOW_X] * cos(angle) + (double)f[FLOW_Y] * sin(angle));
            if (along < cos(3 * M_PI / 180))
                fail_msg("%g degrees: (%g, %g)", angle * 180 / M_PI, (double)f[FLOW_X], (double)f[FLOW_Y]);
            assert_true(f[FLOW_ANISOTROPY] > 0.9f && f[FLOW_ANISOTROPY] <= 1.001f);
            assert_true(f[FLOW_STRENGTH] > 0.02f);
        }
    }
}

static float nothing(uint32_t x, uint32_t y)
{
    return 0.5f;
}

/* A flat picture has no direction, but its vectors are still unit vectors. */
static void test_flat_has_no_direction(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, 9, 4, nothing);
    PLANE_ON_EXIT struct plane flow = flow_of(&p, 2);
    for (size_t i = 0; i < (size_t)SIDE * 9; i++) {
        float x = flow.v[4 * i], y = flow.v[4 * i + 1];
        assert_true(fabsf(x * x + y * y - 1) < 1e-5f);
        assert_true(flow.v[4 * i + FLOW_STRENGTH] < 1e-6f);
    }
}

static float stripes(uint32_t x, uint32_t y)
{
    return y % 8 < 4 ? 0.2f : 0.8f;
}

/* Noise smoothed along level stripes changes slowly along them and still fast across. */
static void test_smooths_along_only(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, stripes);
    PLANE_ON_EXIT struct plane flow = flow_of(&p, 1);
    PLANE_ON_EXIT struct plane noise = plane_of(SIDE, SIDE, 1, nothing), fibres = {0};
    add_noise(&noise, 0.5f, 2);
    struct error e;
    assert_int_equal(flow_smooth(&two, &noise, &flow, 5, &fibres, &e), 0);
    double along = 0, across = 0;
    for (uint32_t y = 9; y < SIDE - 9; y++) {
        for (uint32_t x = 9; x < SIDE - 9; x++) {
            along += pow((double)(plane_row(&fibres, y)[x + 1] - plane_row(&fibres, y)[x]), 2);
            across += pow((double)(plane_row(&fibres, y + 1)[x] - plane_row(&fibres, y)[x]), 2);
        }
    }
    if (across < 8 * along)
        fail_msg("along %g, across %g", along, across);
}

static void test_cancelled(void **state)
{
    PLANE_ON_EXIT struct plane p = plane_of(SIDE, SIDE, 4, stripes);
    atomic_bool gone = true;
    struct plane out;
    struct error e;
    assert_int_equal(flow_make(&(struct crew){2, &gone}, &p, 2, 0, &out, &e), -ERR_CLIENT_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_an_edge),
        cmocka_unit_test(test_flat_has_no_direction),
        cmocka_unit_test(test_smooths_along_only),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
