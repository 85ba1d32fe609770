#include "fixture.h"

#include "base/rng.h"
#include "local/canvas.h"

enum { FACTOR = 4 };

/* Stands for a network: every pixel becomes FACTOR × FACTOR of its kind. */
static void enlarge(const struct tile_plan *plan, const float *from, float *to)
{
    size_t wide = plan->x.size * (size_t)FACTOR, high = plan->y.size * (size_t)FACTOR;
    for (size_t n = 0; n < 3 * wide * high; n++) {
        size_t x = n % wide, y = n / wide % high, plane = n / (wide * high);
        to[n] = from[(plane * plan->y.size + y / FACTOR) * plan->x.size + x / FACTOR];
    }
}

static struct pixels enlarged(const struct pixels *p)
{
    struct pixels large = pixels_new(p->width * FACTOR, p->height * FACTOR, 3);
    for (size_t n = 0; n < bytes_of(&large); n++) {
        size_t x = n / 3 % large.width, y = n / 3 / large.width;
        large.data[n] = p->data[(y / FACTOR * p->width + x / FACTOR) * p->bands + n % 3];
    }
    return large;
}

static struct pixels assemble(const struct pixels *p, uint32_t longest, uint32_t overlap, unsigned scale,
                              uint8_t bands)
{
    struct tile_plan plan = tile_plan(p->width, p->height, longest, overlap);
    size_t plane = (size_t)plan.x.size * plan.y.size;
    FREE_ON_EXIT float *in = mem_alloc(sizeof(float) * 3 * plane);
    FREE_ON_EXIT float *out = mem_alloc(sizeof(float) * 3 * plane * FACTOR * FACTOR);
    CANVAS_ON_EXIT struct canvas c;
    struct error e;
    assert_int_equal(canvas_init(&c, &plan, FACTOR, scale, bands, &e), 0);
    for (uint32_t j = 0; j < plan.y.count; j++) {
        for (uint32_t i = 0; i < plan.x.count; i++) {
            tile_cut(&plan, i, j, p, in);
            enlarge(&plan, in, out);
            assert_int_equal(canvas_paste(&c, i, j, out, &e), 0);
        }
    }
    return canvas_take(&c);
}

static struct pixels noise(uint32_t width, uint32_t height, uint64_t seed)
{
    struct pixels p = pixels_new(width, height, 3);
    struct rng r;
    rng_seed(&r, seed);
    for (size_t i = 0; i < bytes_of(&p); i++)
        p.data[i] = (uint8_t)rng_next(&r);
    return p;
}

/* Where tiles agree, the picture is the same as without tiles, to the last bit. */
static void test_whole_size_is_exact(void **state)
{
    struct rng r;
    rng_seed(&r, 3);
    for (uint64_t n = 0; n < 60; n++) {
        uint32_t w = n < 4 ? (uint32_t)n + 1 : 1 + (uint32_t)rng_below(&r, 200);
        uint32_t h = n < 4 ? 1 : 1 + (uint32_t)rng_below(&r, 200);
        struct pixels p = noise(w, h, n), expected = enlarged(&p), got = assemble(&p, 64, 16, 4, 3);
        assert_int_equal(got.width, expected.width);
        assert_int_equal(got.height, expected.height);
        assert_memory_equal(got.data, expected.data, bytes_of(&expected));
        pixels_release(&p);
        pixels_release(&expected);
        pixels_release(&got);
    }
}

/* Shrinking in strips gives what shrinking the whole picture gives. */
static void test_strips_leave_no_trace(void **state)
{
    struct rng r;
    rng_seed(&r, 5);
    for (uint64_t n = 0; n < 80; n++) {
        unsigned scale = 2 + (unsigned)(n & 1);
        uint32_t w = n < 8 ? (uint32_t)n / 2 + 1 : 1 + (uint32_t)rng_below(&r, 150);
        uint32_t h = n < 8 ? 1 : 1 + (uint32_t)rng_below(&r, 400);
        struct pixels p = noise(w, h, n), large = enlarged(&p);
        struct pixels expected = resized(&large, w * scale, h * scale), got = assemble(&p, 40, 8, scale, 3);
        assert_int_equal(got.width, expected.width);
        assert_int_equal(got.height, expected.height);
        assert_in_range(largest_difference(&got, &expected), 0, 1);
        pixels_release(&p);
        pixels_release(&large);
        pixels_release(&expected);
        pixels_release(&got);
    }
}

static void test_room_for_alpha(void **state)
{
    for (unsigned scale = 2; scale <= 4; scale++) {
        struct pixels p = noise(90, 70, 1);
        struct pixels three = assemble(&p, 40, 8, scale, 3), four = assemble(&p, 40, 8, scale, 4);
        assert_int_equal(four.bands, 4);
        for (size_t i = 0; i < (size_t)three.width * three.height; i++)
            assert_memory_equal(three.data + 3 * i, four.data + 4 * i, 3);
        pixels_release(&p);
        pixels_release(&three);
        pixels_release(&four);
    }
}

/* Two tiles that do not agree: from one to the other in small steps, never outside the two. */
static void test_seams_are_gradual(void **state)
{
    struct tile_plan plan = tile_plan(100, 16, 64, 16);
    assert_int_equal(plan.x.count, 2);
    assert_int_equal(plan.y.count, 1);
    size_t count = (size_t)plan.x.size * plan.y.size * FACTOR * FACTOR * 3;
    FREE_ON_EXIT float *planes = mem_alloc(sizeof(float) * count);
    CANVAS_ON_EXIT struct canvas c;
    struct error e;
    assert_int_equal(canvas_init(&c, &plan, FACTOR, 4, 3, &e), 0);
    for (uint32_t i = 0; i < 2; i++) {
        for (size_t n = 0; n < count; n++)
            planes[n] = i ? 200.0f / 255.0f : 100.0f / 255.0f;
        assert_int_equal(canvas_paste(&c, i, 0, planes, &e), 0);
    }
    struct pixels p = canvas_take(&c);
    assert_int_equal(p.data[0], 100);
    assert_int_equal(p.data[3 * (p.width - 1)], 200);
    for (uint32_t x = 1; x < p.width; x++) {
        int step = p.data[3 * x] - p.data[3 * (x - 1)];
        assert_in_range(step, 0, 4);
    }
    pixels_release(&p);
}

static void test_values_are_clamped_and_rounded(void **state)
{
    static const struct {
        float value;
        uint8_t byte;
    } cases[] = {{-0.5f, 0},         {1.5f, 255}, {0.0f, 0},         {1.0f, 255},     {0.5f, 128},
                 {99.6f / 255, 100}, {NAN, 0},    {99.4f / 255, 99}, {INFINITY, 255}, {-INFINITY, 0}};
    struct tile_plan plan = tile_plan(1, 1, 64, 16);
    size_t count = (size_t)TILE_LEAST * TILE_LEAST * FACTOR * FACTOR * 3;
    FREE_ON_EXIT float *planes = mem_alloc(sizeof(float) * count);
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        struct canvas c;
        struct error e;
        assert_int_equal(canvas_init(&c, &plan, FACTOR, 4, 3, &e), 0);
        for (size_t n = 0; n < count; n++)
            planes[n] = cases[k].value;
        assert_int_equal(canvas_paste(&c, 0, 0, planes, &e), 0);
        struct pixels p = canvas_take(&c);
        assert_int_equal(p.data[0], cases[k].byte);
        pixels_release(&p);
        canvas_release(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_size_is_exact),
        cmocka_unit_test(test_strips_leave_no_trace),
        cmocka_unit_test(test_room_for_alpha),
        cmocka_unit_test(test_seams_are_gradual),
        cmocka_unit_test(test_values_are_clamped_and_rounded),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
