#include "fixture.h"

#include "local/style.h"

static const char *const names[LOCAL_STYLE_COUNT] = {"anime",        "ghibli",   "watercolor",
                                                     "oil-painting", "sketches", "cartoon"};

static struct pixels rendered(const struct pixels *p, enum local_style style, unsigned threads, uint64_t seed)
{
    struct style_run run = {.threads = threads, .seed = seed};
    struct pixels out;
    const char *model;
    struct error e;
    assert_int_equal(style_render(p, style, &run, &out, &model, &e), 0);
    assert_memory_equal(model, "limner-", 7);
    return out;
}

static void test_names(void **state)
{
    for (unsigned i = 0; i < LOCAL_STYLE_COUNT; i++) {
        enum local_style style = LOCAL_STYLE_COUNT;
        assert_true(style_find(names[i], &style));
        assert_int_equal(style, i);
    }
    enum local_style untouched = LOCAL_STYLE_COUNT;
    assert_false(style_find("oil", &untouched));
    assert_int_equal(untouched, LOCAL_STYLE_COUNT);
}

/* From one pixel on, in any shape, with alpha or without. */
static void test_any_size(void **state)
{
    static const uint32_t sides[][2] = {{1, 1}, {3, 5}, {1, 90}, {200, 2}, {31, 17}};
    for (unsigned n = 0; n < ARRAY_LEN(sides); n++) {
        for (unsigned style = 0; style < LOCAL_STYLE_COUNT; style++) {
            for (uint8_t bands = 3; bands <= 4; bands++) {
                struct pixels p = pixels_new(sides[n][0], sides[n][1], bands);
                for (size_t i = 0; i < bytes_of(&p); i++)
                    p.data[i] = (uint8_t)(i * 37);
                struct pixels out = rendered(&p, (enum local_style)style, 2, 1);
                assert_int_equal(out.width, p.width);
                assert_int_equal(out.height, p.height);
                assert_int_equal(out.bands, bands);
                for (size_t i = 3; bands == 4 && i < bytes_of(&p); i += 4)
                    assert_int_equal(out.data[i], p.data[i]);
                pixels_release(&p);
                pixels_release(&out);
            }
        }
    }
}

/* A style is a picture of its own, but still of the photo; threads do not matter, a seed does. */
static void test_styles_differ_and_repeat(void **state)
{
    struct pixels p = sample("samples/portrait-small.jpg"), out[LOCAL_STYLE_COUNT];
    for (unsigned i = 0; i < LOCAL_STYLE_COUNT; i++) {
        out[i] = rendered(&p, (enum local_style)i, 1, 3);
        struct pixels again = rendered(&p, (enum local_style)i, 3, 3);
        assert_memory_equal(out[i].data, again.data, bytes_of(&p));
        pixels_release(&again);
        double likeness = psnr(&p, &out[i]);
        if (likeness > 30 || likeness < 5)
            fail_msg("%s: %g dB", names[i], likeness);
        for (unsigned j = 0; j < i; j++)
            assert_true(psnr(&out[i], &out[j]) < 30);
    }
    static const enum local_style grained[] = {LOCAL_STYLE_WATERCOLOR, LOCAL_STYLE_OIL_PAINTING,
                                               LOCAL_STYLE_SKETCHES};
    for (unsigned i = 0; i < ARRAY_LEN(grained); i++) {
        struct pixels other = rendered(&p, grained[i], 2, 4);
        assert_true(psnr(&out[grained[i]], &other) < 40);
        pixels_release(&other);
    }
    for (unsigned i = 0; i < LOCAL_STYLE_COUNT; i++)
        pixels_release(&out[i]);
    pixels_release(&p);
}

/* The mean over a few pixels, which grain does not change. */
static struct pixels squinted(const struct pixels *p)
{
    return resized(p, p->width / 8, p->height / 8);
}

static void test_size_does_not_change_the_look(void **state)
{
    if (SANITIZED)
        skip();
    struct pixels p = sample("samples/astronaut.jpg"), large = resized(&p, 1024, 1024);
    for (unsigned i = 0; i < LOCAL_STYLE_COUNT; i++) {
        struct pixels a = rendered(&p, (enum local_style)i, 2, 3),
                      b = rendered(&large, (enum local_style)i, 2, 3);
        struct pixels b_small = resized(&b, 512, 512), far_a = squinted(&a), far_b = squinted(&b_small);
        double likeness = psnr(&far_a, &far_b);
        if (likeness < 28)
            fail_msg("%s: %g dB", names[i], likeness);
        pixels_release(&a);
        pixels_release(&b);
        pixels_release(&b_small);
        pixels_release(&far_a);
        pixels_release(&far_b);
    }
    pixels_release(&p);
    pixels_release(&large);
}

/* What a JPEG leaves in the dark, squares a byte or two apart, does not come to light. */
static void test_dark_blocks_stay_unseen(void **state)
{
    struct pixels p = pixels_new(128, 128, 3);
    for (size_t i = 0; i < bytes_of(&p); i++)
        p.data[i] = i / 3 % 128 < 64 ? 200 : (i / 3 % 16 < 8) != (i / 3 / 128 % 16 < 8) ? 3 : 0;
    static const enum local_style plain[] = {LOCAL_STYLE_ANIME, LOCAL_STYLE_OIL_PAINTING,
                                             LOCAL_STYLE_CARTOON};
    for (unsigned i = 0; i < ARRAY_LEN(plain); i++) { /* the others have grain of their own */
        struct pixels out = rendered(&p, plain[i], 2, 1);
        int least = 255, most = 0;
        for (uint32_t y = 24; y < 104; y++) {
            for (uint32_t x = 90; x < 120; x++) {
                least = MIN(least, out.data[((size_t)y * 128 + x) * 3 + 1]);
                most = MAX(most, out.data[((size_t)y * 128 + x) * 3 + 1]);
            }
        }
        if (most - least > 16)
            fail_msg("%s: %d … %d", names[plain[i]], least, most);
        pixels_release(&out);
    }
    pixels_release(&p);
}

static void test_a_pencil_has_no_colour(void **state)
{
    struct pixels p = sample("samples/astronaut.jpg"), out = rendered(&p, LOCAL_STYLE_SKETCHES, 2, 1);
    for (size_t i = 0; i < bytes_of(&out); i += 3)
        assert_true(abs(out.data[i] - out.data[i + 2]) < 16); /* warm paper, no more */
    pixels_release(&p);
    pixels_release(&out);
}

struct watch {
    unsigned last, total;
    unsigned cancel_at; /* step; 0: never */
    atomic_bool cancelled;
};

static void watch_progress(void *ctx, unsigned done, unsigned total)
{
    struct watch *w = ctx;
    assert_int_equal(done, w->last + 1);
    assert_true(done <= total && (!w->total || total == w->total));
    w->last = done;
    w->total = total;
    if (done == w->cancel_at)
        atomic_store(&w->cancelled, true);
}

static void test_progress_and_cancelling(void **state)
{
    struct pixels p = sample("samples/portrait-small.jpg");
    for (unsigned i = 0; i < LOCAL_STYLE_COUNT; i++) {
        struct pixels out = {0};
        const char *model = NULL;
        struct error e;
        struct watch w = {0};
        struct style_run run = {2, 1, &w.cancelled, watch_progress, &w};
        assert_int_equal(style_render(&p, (enum local_style)i, &run, &out, &model, &e), 0);
        assert_int_equal(w.last, w.total);
        pixels_release(&out);
        for (unsigned at = 0; at < w.total; at++) {
            struct watch c = {.cancel_at = at, .cancelled = at == 0};
            struct style_run gone = {2, 1, &c.cancelled, watch_progress, &c};
            model = NULL;
            assert_int_equal(style_render(&p, (enum local_style)i, &gone, &out, &model, &e),
                             -ERR_CLIENT_GONE);
            assert_null(out.data);
            assert_null(model);
        }
    }
    pixels_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_styles_differ_and_repeat),
        cmocka_unit_test(test_size_does_not_change_the_look),
        cmocka_unit_test(test_dark_blocks_stay_unseen),
        cmocka_unit_test(test_a_pencil_has_no_colour),
        cmocka_unit_test(test_progress_and_cancelling),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
