#include "rig.h"

#include "local/cpu.h"
#include "local/estimate.h"

static void test_sizes_types_and_progress(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    BLOB_ON_EXIT struct blob *image = upload(300, 90);
    for (unsigned scale = 2; scale <= 4; scale++) {
        struct watch w = {0};
        struct upscale_request req = {.scale = scale,
                                      .quality = QUALITY_FAST,
                                      .output = scale == 3 ? IMAGE_PNG : IMAGE_JPEG,
                                      .cancelled = &w.cancelled,
                                      .progress = watch_progress,
                                      .ctx = &w};
        struct upscale_result result;
        struct error e;
        assert_int_equal(run(&g, image, &req, &result, &e), 0);
        struct image_info info = probe(result.image);
        assert_int_equal(info.type, req.output);
        assert_int_equal(result.type, req.output);
        assert_int_equal(info.width, 300 * scale);
        assert_int_equal(info.height, 90 * scale);
        assert_int_equal(result.width, info.width);
        assert_int_equal(result.height, info.height);
        assert_string_equal(result.model, "realesr-animevideov3-x4");
        assert_string_equal(result.reason, "fast was asked for");
        assert_true(result.seconds > 0);
        assert_int_equal(result.tiles, 2);
        assert_int_equal(w.last, 2);
        assert_int_equal(w.total, 2);
        blob_unref(result.image);
    }
    rig_release(&g);
}

/* Down to a single pixel; and the colours stay where they are. */
static void test_tiny_pictures(void **state)
{
    static const uint32_t sizes[][2] = {{1, 1}, {1, 2}, {3, 1}, {2, 7}, {9, 9}, {1, 300}, {300, 1}};
    struct rig g;
    rig_init(&g, 20);
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct pixels p = pixels_new(sizes[k][0], sizes[k][1], 3);
        for (size_t i = 0; i < bytes_of(&p); i++)
            p.data[i] = (uint8_t[]){200, 120, 40}[i % 3];
        BLOB_ON_EXIT struct blob *image = encode(&p, IMAGE_PNG);
        for (unsigned scale = 2; scale <= 4; scale++) {
            struct upscale_request req = {.scale = scale, .quality = QUALITY_FAST, .output = IMAGE_PNG};
            struct upscale_result result;
            struct error e;
            assert_int_equal(run(&g, image, &req, &result, &e), 0);
            struct pixels out = decode(result.image);
            assert_int_equal(out.width, scale * p.width);
            assert_int_equal(out.height, scale * p.height);
            for (size_t i = 0; i < bytes_of(&out); i++)
                assert_in_range(out.data[i] + 20 - p.data[i % 3], 0, 40);
            pixels_release(&out);
            blob_unref(result.image);
        }
        pixels_release(&p);
    }
    rig_release(&g);
}

static void test_alpha_forces_png(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct pixels p = pixels_new(60, 40, 4);
    for (uint32_t i = 0; i < 60 * 40; i++) {
        uint32_t x = i % 60;
        memcpy(p.data + (size_t)4 * i, (uint8_t[]){200, 120, 40, (uint8_t)(x * 4)}, 4);
    }
    BLOB_ON_EXIT struct blob *image = encode(&p, IMAGE_PNG);
    struct upscale_request req = {.scale = 2, .quality = QUALITY_FAST, .output = IMAGE_JPEG};
    struct upscale_result result;
    struct error e;
    assert_int_equal(run(&g, image, &req, &result, &e), 0);
    assert_int_equal(result.type, IMAGE_PNG);
    struct pixels out = decode(result.image), want = resized(&p, 120, 80);
    assert_int_equal(out.bands, 4);
    for (size_t i = 0; i < 120 * 80; i++) {
        assert_in_range(out.data[4 * i + 3] + 2 - want.data[4 * i + 3], 0, 4);
        assert_in_range(out.data[4 * i], 180, 220);
        assert_in_range(out.data[4 * i + 2], 20, 60);
    }
    pixels_release(&p);
    pixels_release(&out);
    pixels_release(&want);
    blob_unref(result.image);
    rig_release(&g);
}

/* A red disc; under what is transparent lies black, which must not show. */
static void test_no_dark_rim(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct pixels p = pixels_new(64, 64, 4);
    memset(p.data, 0, bytes_of(&p));
    for (int i = 0; i < 64 * 64; i++)
        if (hypot(i % 64 - 31.5, i / 64 - 31.5) < 24)
            memcpy(p.data + (size_t)4 * (size_t)i, (uint8_t[]){200, 60, 40, 255}, 4);
    BLOB_ON_EXIT struct blob *image = encode(&p, IMAGE_PNG);
    struct upscale_request req = {.scale = 4, .quality = QUALITY_FAST};
    struct upscale_result result;
    struct error e;
    assert_int_equal(run(&g, image, &req, &result, &e), 0);
    struct pixels out = decode(result.image);
    for (size_t i = 0; i < bytes_of(&out); i += 4)
        if (out.data[i + 3] > 8)
            assert_in_range(out.data[i], 185, 215);
    assert_int_equal(out.data[3], 0);
    pixels_release(&p);
    pixels_release(&out);
    blob_unref(result.image);
    rig_release(&g);
}

static void test_auto_takes_the_best_in_time(void **state)
{
    struct rig g;
    rig_init(&g, 3600);
    BLOB_ON_EXIT struct blob *image = upload(128, 96);
    struct upscale_request req = {.scale = 2, .quality = QUALITY_AUTO};
    struct upscale_result result;
    struct error e;
    assert_int_equal(run(&g, image, &req, &result, &e), 0);
    assert_string_equal(result.model, "realesrgan-x4plus");
    assert_non_null(strstr(result.reason, "auto: "));
    assert_non_null(strstr(result.reason, " s estimated, 3600 s allowed"));
    blob_unref(result.image);
    assert_true(row_of(g.local, MODEL_BEST).loaded);
    assert_true(row_of(g.local, MODEL_BEST).seconds_per_megapixel > 0);
    assert_true(row_of(g.local, MODEL_FAST).seconds_per_megapixel > 0); /* it was the yardstick */
    assert_true(row_of(g.local, MODEL_X4PLUS_ANIME).seconds_per_megapixel == 0);
    double measured = row_of(g.local, MODEL_BEST).seconds_per_megapixel;

    /* What was measured is known after a restart. */
    local_free(g.local);
    g.local = local_new(&g.opt, g.root);
    double kept = row_of(g.local, MODEL_BEST).seconds_per_megapixel;
    assert_true(fabs(kept - measured) < 0.06 * measured);
    rig_release(&g);
}

static void test_auto_takes_the_fast_one_else(void **state)
{
    struct rig g;
    rig_init(&g, 1);
    BLOB_ON_EXIT struct blob *image = upload(450, 330);
    struct upscale_request req = {.scale = 2, .quality = QUALITY_AUTO};
    struct upscale_result result;
    struct error e;
    assert_int_equal(run(&g, image, &req, &result, &e), 0);
    blob_unref(result.image);
    assert_string_equal(result.model, "realesr-animevideov3-x4");
    assert_non_null(strstr(result.reason, "auto: realesrgan-x4plus would take"));
    assert_non_null(strstr(result.reason, "1 s allowed"));
    assert_false(row_of(g.local, MODEL_BEST).loaded); /* nothing slow was tried */
    rig_release(&g);
}

/* As if an earlier run had measured it. */
static void remember(struct rig *g, enum model_id id, double seconds_per_megapixel)
{
    struct cpu cpu;
    cpu_read(&cpu);
    FREE_ON_EXIT char *dir = mem_printf("%s/models", g->data_dir);
    FREE_ON_EXIT char *file = mem_printf("%s/speed.txt", dir);
    (void)mkdir(dir, 0777);
    const struct estimate_key key = {models[id].name, models[id].sha256, cpu.bf16 ? "bf16" : "f32", 2,
                                     cpu.name};
    assert_int_equal(estimate_store(file, &key, seconds_per_megapixel), 0);
}

static void test_auto_goes_by_what_was_measured(void **state)
{
    static const struct {
        double best, fast; /* seconds per megapixel */
        enum model_id expected;
    } cases[] = {
        {100, 0, MODEL_FAST},      /* 12,288 pixels: 1.2 s, 1 s allowed */
        {70, 0, MODEL_BEST},       /* 0.9 s */
        {100000, 0.5, MODEL_BEST}, /* what the fast one suggests makes the other figure incredible */
        {100000, 50, MODEL_FAST},
    };
    BLOB_ON_EXIT struct blob *image = upload(128, 96);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig g;
        rig_init(&g, 1);
        remember(&g, MODEL_BEST, cases[i].best);
        if (cases[i].fast > 0)
            remember(&g, MODEL_FAST, cases[i].fast);
        local_free(g.local);
        g.local = local_new(&g.opt, g.root);
        struct upscale_request req = {.scale = 2, .quality = QUALITY_AUTO};
        struct upscale_result result;
        struct error e;
        assert_int_equal(run(&g, image, &req, &result, &e), 0);
        blob_unref(result.image);
        assert_string_equal(result.model, models[cases[i].expected].name);
        rig_release(&g);
    }
}

static void test_describe(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct error e;
    for (enum model_kind kind = MODEL_UPSCALE; kind <= MODEL_FACES; kind++)
        if (local_available(g.local, kind, &e) < 0)
            fail_msg("%s", e.reason);
    struct local_model rows[MODEL_COUNT] = {{0}};
    assert_int_equal(local_describe(g.local, rows, 1), MODEL_COUNT); /* fills no more than asked */
    assert_null(rows[1].name);
    assert_int_equal(local_describe(g.local, rows, MODEL_COUNT), MODEL_COUNT);
    for (unsigned i = 0; i < MODEL_COUNT; i++) {
        assert_string_equal(rows[i].name, models[i].name);
        assert_string_equal(rows[i].license, models[i].license);
        assert_true(rows[i].bytes > 100000);
        assert_int_equal(access(rows[i].path, R_OK), 0);
        assert_false(rows[i].loaded);
    }
    assert_int_equal(scratch_count(g.data_dir, ""), 0); /* looking leaves nothing behind */
    rig_release(&g);
    local_free(NULL);
}

/* A program in a build folder finds deps of the tree above it. */
static void test_folders_above_the_program(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    local_free(g.local);
    FREE_ON_EXIT char *below = source_path("src");
    g.local = local_new(&g.opt, below);
    struct error e;
    if (local_available(g.local, MODEL_UPSCALE, &e) < 0)
        fail_msg("%s", e.reason);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_folders_above_the_program),
        cmocka_unit_test(test_sizes_types_and_progress),
        cmocka_unit_test(test_tiny_pictures),
        cmocka_unit_test(test_alpha_forces_png),
        cmocka_unit_test(test_auto_takes_the_best_in_time),
        cmocka_unit_test(test_auto_takes_the_fast_one_else),
        cmocka_unit_test(test_auto_goes_by_what_was_measured),
        cmocka_unit_test(test_no_dark_rim),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
