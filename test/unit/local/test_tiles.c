#include "fixture.h"

#include "base/rng.h"
#include "local/tiles.h"

/* Everything that must hold for one axis, pixel by pixel. */
static void check_axis(const struct tile_axis *a, uint32_t longest, uint32_t overlap)
{
    assert_true(a->count >= 1);
    assert_int_equal(a->size % TILE_STEP, 0);
    assert_true(a->size >= TILE_LEAST && a->size <= longest);
    assert_int_equal(tile_from(a, 0), 0);
    assert_int_equal(tile_to(a, a->count - 1), a->length);
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t start = tile_start(a, i), from = tile_from(a, i), to = tile_to(a, i);
        assert_true(from >= start && to > from && to - start <= a->size);
        if (a->count > 1)
            assert_true(start + a->size <= a->length);
        if (i == 0)
            continue;
        /* The seam lies inside both tiles, is as wide as it should be, and touches no other seam. */
        assert_true(tile_start(a, i - 1) + a->size >= start + overlap);
        assert_int_equal(tile_to(a, i - 1) - from, TILE_BLEND);
        assert_true(from >= start + (overlap - TILE_BLEND) / 2);
        assert_true(from >= tile_from(a, i - 1) + TILE_BLEND);
    }
}

/* The tiles' weights at each pixel of the enlarged axis add up to one. */
static void check_weights(const struct tile_axis *a, uint32_t factor)
{
    FREE_ON_EXIT uint32_t *sum = mem_zalloc(sizeof(*sum) * a->length * factor);
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t seam = factor * TILE_BLEND, from = factor * tile_from(a, i), to = factor * tile_to(a, i);
        for (uint32_t x = from; x < to; x++) {
            uint32_t weight = TILE_ONE;
            if (i > 0 && x < from + seam)
                weight = tile_fade(x - from, seam);
            if (i + 1 < a->count && x >= to - seam)
                weight = TILE_ONE - tile_fade(x - (to - seam), seam);
            assert_true(weight > 0 && weight <= TILE_ONE);
            sum[x] += weight;
        }
    }
    for (uint32_t x = 0; x < a->length * factor; x++)
        assert_int_equal(sum[x], TILE_ONE);
}

static void test_every_size_is_covered_once(void **state)
{
    static const struct {
        uint32_t longest, overlap;
    } shapes[] = {{224, 16}, {224, 24}, {128, 8}, {64, 16}, {32, 8}, {96, 24}};
    for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
        for (uint32_t length = 1; length <= 3000; length++) {
            struct tile_plan p = tile_plan(length, 1, shapes[s].longest, shapes[s].overlap);
            check_axis(&p.x, shapes[s].longest, shapes[s].overlap);
            if (length % 7 == 0 || length < 300)
                check_weights(&p.x, 4);
        }
    }
}

static void test_axes_are_independent(void **state)
{
    struct rng r;
    rng_seed(&r, 7);
    for (int i = 0; i < 2000; i++) {
        uint32_t w = 1 + (uint32_t)rng_below(&r, 5000), h = 1 + (uint32_t)rng_below(&r, 5000);
        struct tile_plan a = tile_plan(w, h, 224, 24), b = tile_plan(h, w, 224, 24);
        assert_memory_equal(&a.x, &b.y, sizeof(a.x));
        assert_memory_equal(&a.y, &b.x, sizeof(a.y));
        assert_int_equal(tile_count(&a), a.x.count * a.y.count);
        assert_int_equal(tile_work_px(&a), (uint64_t)a.x.size * a.y.size * tile_count(&a));
    }
}

/* Fitted tiles: little more goes through the network than the picture and the overlaps. */
static void test_little_is_computed_twice(void **state)
{
    for (uint32_t side = 225; side <= 2048; side++) {
        struct tile_plan p = tile_plan(side, side, 224, 16);
        double least = side + 16.0 * (p.x.count - 1), most = least + 8.0 * p.x.count;
        assert_true((double)tile_work_px(&p) <= most * most);
    }
    struct tile_plan p = tile_plan(200, 100, 224, 16);
    assert_int_equal(tile_count(&p), 1);
    assert_int_equal(p.x.size, 200);
    assert_int_equal(p.y.size, 104);
}

static void test_fading_is_even(void **state)
{
    for (uint32_t width = 1; width <= 128; width++) {
        for (uint32_t n = 0; n < width; n++) {
            assert_in_range(tile_fade(n, width), 1, TILE_ONE - 1);
            assert_int_equal(tile_fade(n, width) + tile_fade(width - 1 - n, width), TILE_ONE);
            if (n > 0)
                assert_true(tile_fade(n, width) >= tile_fade(n - 1, width));
        }
    }
}

static void test_cut_takes_the_right_pixels(void **state)
{
    struct pixels p = pixels_new(50, 40, 4);
    for (size_t i = 0; i < bytes_of(&p); i++)
        p.data[i] = (uint8_t)(i * 31 + i / 7);
    struct tile_plan plan = tile_plan(50, 40, 32, 8);
    size_t plane = (size_t)plan.x.size * plan.y.size;
    FREE_ON_EXIT float *planes = mem_alloc(sizeof(*planes) * 3 * plane);
    for (uint32_t j = 0; j < plan.y.count; j++) {
        for (uint32_t i = 0; i < plan.x.count; i++) {
            tile_cut(&plan, i, j, &p, planes);
            for (size_t n = 0; n < 3 * plane; n++) {
                uint32_t x = tile_start(&plan.x, i) + (uint32_t)(n % plan.x.size);
                uint32_t y = tile_start(&plan.y, j) + (uint32_t)(n % plane / plan.x.size);
                uint8_t value = p.data[4 * (y * 50 + x) + n / plane];
                assert_true(planes[n] == (float)value / 255.0f);
            }
        }
    }
    free(p.data);
}

static void test_small_pictures_are_mirrored(void **state)
{
    uint8_t bytes[] = {10, 20, 30, 40, 50, 60, 70, 80, 90};
    struct pixels p = {bytes, 3, 1, 3};
    struct tile_plan plan = tile_plan(3, 1, 64, 16);
    assert_int_equal(plan.x.size, TILE_LEAST);
    float planes[3 * TILE_LEAST * TILE_LEAST];
    tile_cut(&plan, 0, 0, &p, planes);
    static const float red[] = {10, 40, 70, 40, 10, 40, 70, 40, 10};
    for (uint32_t y = 0; y < TILE_LEAST; y++)
        for (uint32_t x = 0; x < ARRAY_LEN(red); x++)
            assert_true(planes[y * TILE_LEAST + x] == red[x] / 255.0f);

    p = (struct pixels){bytes, 1, 1, 3};
    plan = tile_plan(1, 1, 64, 16);
    tile_cut(&plan, 0, 0, &p, planes);
    for (size_t n = 0; n < ARRAY_LEN(planes); n++)
        assert_true(planes[n] == (float)bytes[n / (TILE_LEAST * TILE_LEAST)] / 255.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size_is_covered_once), cmocka_unit_test(test_axes_are_independent),
        cmocka_unit_test(test_little_is_computed_twice),   cmocka_unit_test(test_fading_is_even),
        cmocka_unit_test(test_cut_takes_the_right_pixels), cmocka_unit_test(test_small_pictures_are_mirrored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
