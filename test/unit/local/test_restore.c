#include "rig.h"

#include "local/inside.h"
#include "local/restore.h"

/* The portrait, 192 × 192 with a face of some 100 pixels, as soft as one of a third of that. */
static struct pixels soft_portrait(uint32_t side)
{
    struct pixels sharp = sample("samples/portrait-small.jpg"), small = resized(&sharp, 64, 64),
                  soft = resized(&small, side, side);
    pixels_release(&sharp);
    pixels_release(&small);
    return soft;
}

static unsigned find(struct rig *g, const struct pixels *p, enum model_id base,
                     struct face_patch patches[RESTORE_MAX])
{
    unsigned count;
    struct error e;
    if (restore_find(g->local, p, base, patches, &count, &e) < 0)
        fail_msg("%s", e.reason);
    for (unsigned i = 0; i < count; i++) {
        assert_true(patches[i].left + patches[i].width <= p->width);
        assert_true(patches[i].top + patches[i].height <= p->height);
        assert_in_range(restore_tiles(&patches[i]), 1, 9);
    }
    return count;
}

/* Sharp faces are shown to the network as they are, blurred ones shrunk; what cannot gain is left alone. */
static void test_sizes(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct face_patch p[RESTORE_MAX];
    struct pixels sharp = sample("samples/portrait-small.jpg"), soft = soft_portrait(384),
                  large = soft_portrait(960), tiny = resized(&sharp, 40, 40);
    assert_int_equal(find(&g, &sharp, MODEL_FAST, p), 1);
    assert_int_equal(p[0].small_width, p[0].width);
    assert_int_equal(p[0].small_height, p[0].height);
    assert_in_range(p[0].width, 150, 192);
    assert_int_equal(find(&g, &sharp, MODEL_BEST, p), 0); /* it would see the very same */

    assert_int_equal(find(&g, &soft, MODEL_FAST, p), 1);
    assert_true(p[0].small_width < p[0].width * 3 / 4);
    assert_int_equal(find(&g, &soft, MODEL_BEST, p), 1);
    uint32_t least = p[0].small_width;
    assert_int_equal(find(&g, &large, MODEL_FAST, p), 1);
    assert_true(p[0].width > 700);
    assert_in_range(p[0].small_width, least * 8 / 10,
                    least * 12 / 10); /* as much is in it, so as much is kept */
    assert_int_equal(find(&g, &tiny, MODEL_FAST, p), 0);

    struct pixels *all[] = {&sharp, &soft, &large, &tiny};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        pixels_release(all[i]);
    rig_release(&g);
}

/* Mean square of the Laplacian of green over the face; and over the border of the picture, where none is. */
static double detail(const struct pixels *p, bool face)
{
    double sum = 0, count = 0;
    for (uint32_t y = 1; y + 1 < p->height; y++) {
        for (uint32_t x = 1; x + 1 < p->width; x++) {
            double dx = (double)x / p->width - 0.5, dy = (double)y / p->height - 0.6;
            if ((hypot(dx, dy) < 0.25) != face)
                continue;
            const uint8_t *at = p->data + ((size_t)y * p->width + x) * 3 + 1;
            const uint8_t *up = at - (size_t)p->width * 3, *down = at + (size_t)p->width * 3;
            double l = 4.0 * *at - at[-3] - at[3] - *up - *down;
            sum += l * l;
            count++;
        }
    }
    return sum / count;
}

static struct pixels enlarge(struct rig *g, const struct blob *image, unsigned scale, bool faces,
                             struct upscale_result *result)
{
    struct watch w = {0};
    struct upscale_request req = {.scale = scale,
                                  .quality = QUALITY_FAST,
                                  .faces = faces,
                                  .output = IMAGE_PNG,
                                  .cancelled = &w.cancelled,
                                  .progress = watch_progress,
                                  .ctx = &w};
    struct error e;
    if (run(g, image, &req, result, &e) < 0)
        fail_msg("%s", e.reason);
    assert_int_equal(w.total, result->tiles);
    assert_int_equal(w.last, result->tiles);
    struct pixels out = decode(result->image);
    blob_unref(result->image);
    return out;
}

static void test_a_soft_face_is_made_anew(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct pixels soft = soft_portrait(300);
    BLOB_ON_EXIT struct blob *image = encode(&soft, IMAGE_PNG);
    for (unsigned scale = 1; scale <= 2; scale++) {
        struct upscale_result with, without;
        struct pixels a = enlarge(&g, image, scale, true, &with),
                      b = enlarge(&g, image, scale, false, &without);
        assert_string_equal(with.model, "realesrgan-x4plus on faces + realesr-animevideov3-x4");
        assert_string_equal(without.model, "realesr-animevideov3-x4");
        assert_int_equal(with.faces, 1);
        assert_int_equal(without.faces, 0);
        assert_int_equal(with.tiles, without.tiles + 1);
        assert_true(with.seconds > without.seconds);
        assert_int_equal(a.width, 300 * scale);
        assert_int_equal(a.height, 300 * scale);
        print_message("×%u: detail of the face %.0f, without %.0f\n", scale, detail(&a, true),
                      detail(&b, true));
        assert_true(detail(&a, true) > 1.3 * detail(&b, true));

        /* In its tones, and nowhere else. */
        struct pixels a_small = resized(&a, 16, 16), b_small = resized(&b, 16, 16);
        assert_true(psnr(&a_small, &b_small) > 30);
        for (uint32_t x = 0; x < a.width; x++)
            assert_memory_equal(a.data + 3 * x, b.data + 3 * x, 3);
        struct pixels *all[] = {&a, &b, &a_small, &b_small};
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            pixels_release(all[i]);
    }
    pixels_release(&soft);
    rig_release(&g);
}

static void test_without_faces_nothing_changes(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    BLOB_ON_EXIT struct blob *image = upload(200, 150);
    struct upscale_result with, without;
    struct pixels a = enlarge(&g, image, 2, true, &with), b = enlarge(&g, image, 2, false, &without);
    assert_string_equal(with.model, "realesr-animevideov3-x4");
    assert_int_equal(with.faces, 0);
    assert_int_equal(with.tiles, without.tiles);
    assert_memory_equal(a.data, b.data, bytes_of(&a));
    pixels_release(&a);
    pixels_release(&b);
    rig_release(&g);
}

static void test_cancelled_before_the_face(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct pixels soft = soft_portrait(192);
    BLOB_ON_EXIT struct blob *image = encode(&soft, IMAGE_PNG);
    size_t blobs = blob_live_count();
    struct watch w = {.cancel_at = 1};
    struct upscale_request req = {.scale = 2,
                                  .quality = QUALITY_FAST,
                                  .faces = true,
                                  .cancelled = &w.cancelled,
                                  .progress = watch_progress,
                                  .ctx = &w};
    struct upscale_result result = {.tiles = 77};
    struct error e;
    assert_int_equal(run(&g, image, &req, &result, &e), -ERR_CLIENT_GONE);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.total, 2); /* one tile of the picture, one of the face */
    assert_int_equal(result.tiles, 77);
    assert_int_equal(blob_live_count(), blobs);
    assert_false(row_of(g.local, MODEL_BEST).loaded);
    pixels_release(&soft);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_a_soft_face_is_made_anew),
        cmocka_unit_test(test_without_faces_nothing_changes),
        cmocka_unit_test(test_cancelled_before_the_face),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
