#include <math.h>

#include "imaging/guided.h"
#include "samples.h"

static float *noise(size_t count, uint32_t seed)
{
    float *p = mem_alloc(count * sizeof(*p));
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) / (float)(1 << 24);
    }
    return p;
}

/* One window as the paper says: mean and covariance, epsilon on the diagonal, solved by Cramer's rule. */
static void reference_fit(const struct guided_input *g, int cx, int cy, double to[4])
{
    int w = (int)g->width, h = (int)g->height, r = (int)g->radius, n = (int)g->planes;
    double m[4] = {0}, c[3][4] = {{0}}, count = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int y = MAX(cy - r, 0); y <= MIN(cy + r, h - 1); y++)
            for (int x = MAX(cx - r, 0); x <= MIN(cx + r, w - 1); x++) {
                double v[4] = {0};
                for (int i = 0; i < n; i++)
                    v[i] = (double)g->guide[(i * h + y) * w + x];
                v[3] = (double)g->in[y * w + x];
                for (int i = 0; i < 4 && pass == 0; i++)
                    m[i] += v[i];
                for (int i = 0; i < 3 && pass == 1; i++)
                    for (int j = 0; j < 4; j++)
                        c[i][j] += (v[i] - m[i]) * (v[j] - m[j]) / count;
                count += pass == 0;
            }
        for (int i = 0; i < 4 && pass == 0; i++)
            m[i] /= count;
    }
    for (int i = 0; i < 3; i++)
        c[i][i] += (double)g->epsilon;
    double d[4];
    for (int k = 0; k < 4; k++) { /* k < 3: column k replaced by the right side */
        double a[3][3];
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                a[i][j] = j == k ? c[i][3] : c[i][j];
        d[k] = a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
               a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
               a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
    }
    to[3] = m[3];
    for (int k = 0; k < 3; k++) {
        to[k] = d[k] / d[3];
        to[3] -= to[k] * m[k];
    }
}

static double reference(const struct guided_input *g, int px, int py)
{
    int w = (int)g->width, h = (int)g->height, r = (int)g->radius;
    double mean[4] = {0}, count = 0;
    for (int y = MAX(py - r, 0); y <= MIN(py + r, h - 1); y++)
        for (int x = MAX(px - r, 0); x <= MIN(px + r, w - 1); x++, count++) {
            double one[4];
            reference_fit(g, x, y, one);
            for (int k = 0; k < 4; k++)
                mean[k] += one[k];
        }
    double v = mean[3];
    for (int i = 0; i < (int)g->planes; i++)
        v += mean[i] * (double)g->guide[(i * h + py) * w + px];
    return v / count;
}

static void equals_the_definition(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        unsigned radius;
        float epsilon;
    } cases[] = {
        {23, 17, 2, 1e-4f}, {9, 31, 5, 1e-2f}, {5, 4, 7, 1e-3f}, {1, 12, 1, 1e-3f}, {14, 1, 3, 1e-5f}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (unsigned planes = 1; planes <= 3; planes += 2) {
            uint32_t w = cases[i].width, h = cases[i].height;
            FREE_ON_EXIT float *guide = noise(3 * (size_t)w * h, 1);
            FREE_ON_EXIT float *in = noise((size_t)w * h, 2), *out = noise((size_t)w * h, 3);
            struct guided_input g = {guide, planes, in, w, h, cases[i].radius, cases[i].epsilon};
            struct error e;
            assert_int_equal(guided_filter(&g, out, &e), 0);
            for (uint32_t y = 0; y < h; y++)
                for (uint32_t x = 0; x < w; x++)
                    assert_true(fabs((double)out[y * w + x] - reference(&g, (int)x, (int)y)) < 1e-5);
        }
}

/* A thousand rows of sums added to and taken from leave nothing behind. */
static void does_not_drift(void **state)
{
    (void)state;
    const uint32_t w = 8, h = 20000;
    FREE_ON_EXIT float *guide = noise(3 * (size_t)w * h, 1);
    FREE_ON_EXIT float *in = mem_zalloc((size_t)w * h * sizeof(*in)), *out = noise((size_t)w * h, 3);
    for (size_t i = 0; i < (size_t)w * h; i++)
        in[i] = i < (size_t)w * h / 2 ? 1000.0f * guide[i] : 1.0f;
    struct guided_input g = {guide, 3, in, w, h, 3, 1e-6f};
    struct error e;
    assert_int_equal(guided_filter(&g, out, &e), 0);
    for (size_t i = (size_t)w * h / 2 + 10 * w; i < (size_t)w * h; i++)
        assert_true(fabsf(out[i] - 1.0f) < 1e-4f);
}

/* A blurred edge of the plane becomes as sharp as the photo's, and where the photo says nothing it stays. */
static void edges_follow_the_guide(void **state)
{
    (void)state;
    const uint32_t w = 64, h = 32;
    FREE_ON_EXIT float *guide = mem_zalloc(3 * (size_t)w * h * sizeof(*guide));
    FREE_ON_EXIT float *in = noise((size_t)w * h, 1), *out = noise((size_t)w * h, 2);
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++) {
            guide[w * h + y * w + x] = x < 32 ? 0.2f : 0.7f; /* in the second plane alone */
            in[y * w + x] = x < 28 ? 0 : x > 36 ? 1 : (float)(x - 28) / 8;
        }
    struct guided_input g = {guide, 3, in, w, h, 8, 1e-5f};
    struct error e;
    assert_int_equal(guided_filter(&g, out, &e), 0);
    float before = in[16 * w + 32] - in[16 * w + 31], after = out[16 * w + 32] - out[16 * w + 31];
    assert_true(before < 0.13f);
    assert_true(after > 0.6f);
    assert_true(fabsf(out[16 * w + 2]) < 1e-4f && fabsf(out[16 * w + 61] - 1) < 1e-4f);
}

static void rows_are_the_functions(void **state)
{
    (void)state;
    const uint32_t w = 13, h = 9;
    FREE_ON_EXIT float *guide = noise((size_t)w * h, 1);
    FREE_ON_EXIT float *in = noise((size_t)w * h, 2);
    for (size_t i = 0; i < (size_t)w * h; i++)
        in[i] = 0.5f * guide[i] + 0.25f;
    struct guided_input g = {guide, 1, in, w, h, 4, 1e-7f};
    struct error e;
    GUIDED_ON_EXIT struct guided *f = NULL;
    assert_int_equal(guided_new(&g, &f, &e), 0);
    for (uint32_t y = 0; y < h; y++) {
        const float *row = guided_next(f);
        for (uint32_t x = 0; x < w; x++) {
            assert_true(fabsf(row[2 * x] - 0.5f) < 1e-3f);
            assert_true(fabsf(row[2 * x + 1] - 0.25f) < 1e-3f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition),
        cmocka_unit_test(does_not_drift),
        cmocka_unit_test(edges_follow_the_guide),
        cmocka_unit_test(rows_are_the_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
