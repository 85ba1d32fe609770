#include "rig.h"

#include "local/inside.h"
#include "local/matte.h"

static int cut_out(struct rig *g, const struct blob *image, const atomic_bool *cancelled,
                   struct cutout_result *ret, struct error *e)
{
    struct image_info info = probe(image);
    const struct cutout_request req = {.image = image, .info = &info, .cancelled = cancelled};
    return local_cutout(g->local, &req, ret, e);
}

static uint8_t alpha_at(const struct pixels *p, uint32_t x, uint32_t y)
{
    return p->data[((size_t)y * p->width + x) * p->bands + p->bands - 1];
}

static void test_a_portrait(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    FREE_ON_EXIT char *path = source_path("samples/astronaut.jpg");
    BLOB_ON_EXIT struct blob *image = read_blob(path);
    struct cutout_result result;
    struct error e;
    if (cut_out(&g, image, NULL, &result, &e) < 0)
        fail_msg("%s", e.reason);
    assert_string_equal(result.model, "isnet");
    assert_true(result.seconds > 0);
    struct image_info info = probe(result.image);
    assert_int_equal(info.type, IMAGE_PNG);
    assert_true(info.has_alpha);
    assert_int_equal(result.width, 512);
    assert_int_equal(result.height, 512);

    struct pixels photo = decode(image), out = decode(result.image);
    assert_int_equal(out.bands, 4);
    static const uint16_t subject[][2] = {{220, 120}, {222, 30},  {200, 300},
                                          {60, 400},  {380, 450}, {450, 380}},
                          rest[][2] = {{20, 20}, {100, 120}, {350, 100}, {480, 250}, {500, 20}, {10, 300}};
    for (size_t i = 0; i < ARRAY_LEN(subject); i++) {
        uint32_t x = subject[i][0], y = subject[i][1];
        assert_true(alpha_at(&out, x, y) >= 250);
        assert_memory_equal(out.data + 4 * (y * 512 + x), photo.data + 3 * (y * 512 + x), 3);
        assert_int_equal(alpha_at(&out, rest[i][0], rest[i][1]), 0);
    }
    size_t soft = 0, whole = 0;
    for (size_t i = 0; i < bytes_of(&out); i += 4) {
        soft += out.data[i + 3] > 5 && out.data[i + 3] < 250;
        whole += out.data[i + 3] == 255;
    }
    print_message("%.1f %% are subject, %.1f %% edge\n", (double)whole / 2621.44, (double)soft / 2621.44);
    assert_in_range(whole, 262144 * 40 / 100, 262144 * 60 / 100);
    assert_in_range(soft, 262144 / 1000, 262144 * 4 / 100); /* soft, but not a haze */
    assert_true(row_of(g.local, MODEL_ISNET).seconds > 0);
    pixels_release(&photo);
    pixels_release(&out);
    blob_unref(result.image);
    rig_release(&g);
}

/* A disc with hairs before a textured ground, and a mask of it as coarse as a network's of a large photo. */
static void test_edges_follow_the_photo(void **state)
{
    enum { SIDE = 640, COARSE = 3 };
    struct pixels photo = pixels_new(SIDE, SIDE, 3), alpha = pixels_new(SIDE, SIDE, 1), refined;
    for (int i = 0; i < SIDE * SIDE; i++) {
        double x = i % SIDE - SIDE / 2.0, y = (double)(i / SIDE) - SIDE / 2.0;
        double wave = 5 * pow(sin(24 * atan2(y, x)), 4);
        double a = fmin(fmax(200 + wave - hypot(x, y), 0), 1);
        const double fore[] = {180 + 8 * sin(x / 3), 120, 70}, back[] = {40, 70 + 8 * cos(y / 4), 110};
        alpha.data[i] = (uint8_t)lround(255 * a);
        for (int b = 0; b < 3; b++)
            photo.data[3 * i + b] = (uint8_t)lround(a * fore[b] + (1 - a) * back[b]);
    }
    struct pixels coarse = resized(&alpha, SIDE / COARSE, SIDE / COARSE),
                  plain = resized(&coarse, SIDE, SIDE);
    struct error e;
    assert_int_equal(matte_refine(&photo, &coarse, &refined, &e), 0);
    double db = psnr(&refined, &alpha), plain_db = psnr(&plain, &alpha);
    print_message("%.1f dB to the true alpha, %.1f dB without refining\n", db, plain_db);
    assert_true(db > plain_db + 4);
    pixels_release(&photo);
    pixels_release(&alpha);
    pixels_release(&coarse);
    pixels_release(&plain);
    pixels_release(&refined);
}

static struct pixels matte(struct rig *g, const struct pixels *in)
{
    struct matte_run run = {.local = g->local};
    struct pixels alpha;
    struct error e;
    if (matte_pixels(&run, in, &alpha, &e) < 0)
        fail_msg("%s", e.reason);
    assert_int_equal(alpha.width, in->width);
    assert_int_equal(alpha.height, in->height);
    assert_int_equal(alpha.bands, 1);
    return alpha;
}

/* A picture above the work size is cut at its own; and what an upload has transparent stays so. */
static void test_large_and_transparent(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct pixels photo = sample("samples/coffee.jpg"), large = resized(&photo, 3000, 2000);
    struct pixels alpha = matte(&g, &photo), large_alpha = matte(&g, &large);
    struct pixels shrunk = resized(&large_alpha, 600, 400);
    assert_true(psnr(&shrunk, &alpha) > 28);

    struct pixels half = pixels_new(600, 400, 4);
    for (size_t i = 0; i < 600 * 400; i++) {
        memcpy(half.data + 4 * i, photo.data + 3 * i, 3);
        half.data[4 * i + 3] = i % 600 < 300 ? 0 : 255;
    }
    struct pixels half_alpha = matte(&g, &half);
    size_t seen = 0;
    for (size_t i = 0; i < 600 * 400; i++) {
        if (i % 600 < 300)
            assert_int_equal(half_alpha.data[i], 0);
        seen += half_alpha.data[i] > 200;
    }
    assert_true(seen > 10000);
    struct pixels *all[] = {&photo, &large, &alpha, &large_alpha, &shrunk, &half, &half_alpha};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        pixels_release(all[i]);
    rig_release(&g);
}

static void test_tiny_pictures(void **state)
{
    static const uint32_t sizes[][2] = {{1, 1}, {2, 1}, {1, 90}, {300, 2}, {7, 9}};
    struct rig g;
    rig_init(&g, 20);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct pixels p = pixels_new(sizes[i][0], sizes[i][1], 3);
        memset(p.data, 90, bytes_of(&p));
        BLOB_ON_EXIT struct blob *image = encode(&p, IMAGE_PNG);
        struct cutout_result result;
        struct error e;
        assert_int_equal(cut_out(&g, image, NULL, &result, &e), 0);
        assert_int_equal(result.width, p.width);
        assert_int_equal(result.height, p.height);
        blob_unref(result.image);
        pixels_release(&p);
    }
    rig_release(&g);
}

static void test_precisions_agree(void **state)
{
    struct pixels photo = sample("samples/astronaut.jpg"), alpha[2];
    for (int i = 0; i < 2; i++) {
        struct rig g;
        rig_init(&g, 20);
        g.opt.local_precision = i ? PRECISION_BF16 : PRECISION_F32;
        local_free(g.local);
        g.local = local_new(&g.opt, g.root);
        alpha[i] = matte(&g, &photo);
        rig_release(&g);
    }
    double db = psnr(&alpha[0], &alpha[1]);
    print_message("f32 and bf16: %.1f dB alike, at most %d apart\n", db,
                  largest_difference(&alpha[0], &alpha[1]));
    assert_true(db >= 40);
    pixels_release(&photo);
    pixels_release(&alpha[0]);
    pixels_release(&alpha[1]);
}

static void test_failures(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    BLOB_ON_EXIT struct blob *image = upload(64, 64);
    BLOB_ON_EXIT struct blob *half = blob_copy(image->data, image->size / 2);
    struct image_info info = probe(image);
    struct cutout_request req = {.image = half, .info = &info};
    struct cutout_result result = {.width = 77};
    struct error e;
    size_t blobs = blob_live_count();
    assert_int_equal(local_cutout(g.local, &req, &result, &e), -ERR_VALIDATION);
    atomic_bool cancelled = true;
    assert_int_equal(cut_out(&g, image, &cancelled, &result, &e), -ERR_CLIENT_GONE);
    assert_false(row_of(g.local, MODEL_ISNET).loaded);

    char *dir = scratch_new();
    g.opt.models_dir = dir;
    local_free(g.local);
    g.local = local_new(&g.opt, g.root);
    assert_int_equal(local_available(g.local, MODEL_CUT_OUT, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "isnet.onnx"));
    assert_int_equal(cut_out(&g, image, NULL, &result, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "make models"));

    /* Only this one is there: this one works. */
    FREE_ON_EXIT char *file = source_path("deps/models/isnet.onnx");
    FREE_ON_EXIT char *target = realpath(file, NULL);
    FREE_ON_EXIT char *link = mem_printf("%s/isnet.onnx", dir);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(local_available(g.local, MODEL_CUT_OUT, &e), 0);
    assert_int_equal(local_available(g.local, MODEL_UPSCALE, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(result.width, 77); /* untouched */
    assert_int_equal(blob_live_count(), blobs);
    assert_int_equal(cut_out(&g, image, NULL, &result, &e), 0);
    blob_unref(result.image);
    rig_release(&g);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_portrait),       cmocka_unit_test(test_edges_follow_the_photo),
        cmocka_unit_test(test_tiny_pictures),    cmocka_unit_test(test_large_and_transparent),
        cmocka_unit_test(test_precisions_agree), cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
