#include "rig.h"

#include <pthread.h>

#include "base/clock.h"
#include "local/engine.h"

static void test_cancel_between_tiles(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    BLOB_ON_EXIT struct blob *image = upload(400, 300);
    for (unsigned at = 1; at <= 3; at++) {
        struct watch w = {.cancel_at = at};
        struct upscale_request req = {.scale = 2,
                                      .quality = QUALITY_FAST,
                                      .cancelled = &w.cancelled,
                                      .progress = watch_progress,
                                      .ctx = &w};
        struct upscale_result result = {.tiles = 77};
        struct error e;
        size_t blobs = blob_live_count();
        assert_int_equal(run(&g, image, &req, &result, &e), -ERR_CLIENT_GONE);
        assert_int_equal(e.code, ERR_CLIENT_GONE);
        assert_int_equal(w.calls, at);
        assert_int_equal(result.tiles, 77); /* untouched */
        assert_int_equal(blob_live_count(), blobs);
    }
    /* Given up before it began: nothing is loaded for it. */
    local_release_idle(g.local, clock_mono_ns() + 61 * NS_PER_S);
    struct watch w = {.cancelled = true};
    struct upscale_request req = {.scale = 2, .quality = QUALITY_FAST, .cancelled = &w.cancelled};
    struct upscale_result result;
    struct error e;
    assert_int_equal(run(&g, image, &req, &result, &e), -ERR_CLIENT_GONE);
    assert_false(row_of(g.local, MODEL_FAST).loaded);
    rig_release(&g);
}

static void test_idle_networks_are_released(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    BLOB_ON_EXIT struct blob *image = upload(30, 30);
    struct upscale_request req = {.scale = 2, .quality = QUALITY_FAST};
    struct upscale_result result;
    struct error e;
    assert_false(row_of(g.local, MODEL_FAST).loaded);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(run(&g, image, &req, &result, &e), 0);
        blob_unref(result.image);
        local_release_idle(g.local, clock_mono_ns() + 58 * NS_PER_S);
        assert_true(row_of(g.local, MODEL_FAST).loaded);
        local_release_idle(g.local, 0); /* a clock that lags */
        assert_true(row_of(g.local, MODEL_FAST).loaded);
        local_release_idle(g.local, clock_mono_ns() + 61 * NS_PER_S);
        assert_false(row_of(g.local, MODEL_FAST).loaded);
    }
    rig_release(&g);
}

static void copy_file(const char *from, const char *to, size_t spoil_at)
{
    BLOB_ON_EXIT struct blob *b = read_blob(from);
    FREE_ON_EXIT uint8_t *bytes = mem_alloc(b->size);
    memcpy(bytes, b->data, b->size);
    if (spoil_at)
        bytes[spoil_at] ^= 1;
    write_file(to, bytes, b->size);
}

/* Wrong or missing weights are named; put right, the same process goes on. */
static void test_wrong_and_missing_weights(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    char *dir = scratch_new();
    rig_use_models(&g, dir);
    FREE_ON_EXIT char *good = source_path("deps/models/realesr-animevideov3-x4.onnx");
    FREE_ON_EXIT char *path = mem_printf("%s/realesr-animevideov3-x4.onnx", dir);
    BLOB_ON_EXIT struct blob *image = upload(30, 30);
    struct upscale_request req = {.scale = 2, .quality = QUALITY_FAST};
    struct upscale_result result;
    struct error e;

    assert_int_equal(local_available(g.local, MODEL_UPSCALE, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "make models"));
    assert_int_equal(row_of(g.local, MODEL_FAST).bytes, 0);
    assert_int_equal(run(&g, image, &req, &result, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, path));
    assert_non_null(strstr(e.reason, "make models"));

    copy_file(good, path, 1000000);
    assert_int_equal(run(&g, image, &req, &result, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(e.code, ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, path));
    assert_non_null(strstr(e.reason, "make models"));
    assert_int_equal(local_verify(g.local, MODEL_FAST, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_false(row_of(g.local, MODEL_FAST).loaded);

    copy_file(good, path, 0);
    assert_int_equal(local_verify(g.local, MODEL_FAST, &e), 0);
    assert_int_equal(run(&g, image, &req, &result, &e), 0);
    blob_unref(result.image);
    rig_release(&g);
    scratch_free(dir);
}

static void test_missing_runtime(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    char *dir = scratch_new();
    g.opt.openvino_dir = dir;
    local_free(g.local);
    g.local = local_new(&g.opt, g.root);
    BLOB_ON_EXIT struct blob *image = upload(30, 30);
    struct upscale_request req = {.scale = 2, .quality = QUALITY_AUTO};
    struct upscale_result result;
    struct error e;
    assert_int_equal(local_available(g.local, MODEL_UPSCALE, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, ENGINE_LIBRARY));
    assert_int_equal(run(&g, image, &req, &result, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, ENGINE_LIBRARY));

    /* It appears while the process lives. */
    FREE_ON_EXIT char *lib = source_path("deps/openvino/lib/" ENGINE_LIBRARY);
    FREE_ON_EXIT char *target = realpath(lib, NULL);
    FREE_ON_EXIT char *link = mem_printf("%s/" ENGINE_LIBRARY, dir);
    assert_int_equal(symlink(target, link), 0);
    req.quality = QUALITY_FAST;
    assert_int_equal(run(&g, image, &req, &result, &e), 0);
    blob_unref(result.image);
    rig_release(&g);
    scratch_free(dir);
}

static void test_broken_picture(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    BLOB_ON_EXIT struct blob *image = upload(64, 64);
    BLOB_ON_EXIT struct blob *half = blob_copy(image->data, image->size / 2);
    struct image_info info = probe(image);
    struct upscale_request req = {
        .image = half, .info = &info, .scale = 2, .quality = QUALITY_FAST, .output = IMAGE_PNG};
    struct upscale_result result;
    struct error e;
    assert_int_equal(local_upscale(g.local, &req, &result, &e), -ERR_VALIDATION);
    rig_release(&g);
}

struct busy {
    struct local *local;
    atomic_bool stop;
    unsigned looks;
};

static void *look_and_release(void *arg)
{
    struct busy *b = arg;
    while (!atomic_load(&b->stop)) {
        struct local_model rows[MODEL_COUNT];
        assert_int_equal(local_describe(b->local, rows, MODEL_COUNT), MODEL_COUNT);
        local_release_idle(b->local, clock_mono_ns() + 1000 * NS_PER_S); /* everything looks idle */
        b->looks++;
        usleep(500);
    }
    return NULL;
}

/* Others may look and release at any moment of a run. */
static void test_looking_while_running(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct busy busy = {.local = g.local};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_and_release, &busy), 0);
    BLOB_ON_EXIT struct blob *image = upload(100, 100);
    for (int i = 0; i < 5; i++) {
        struct upscale_request req = {.scale = 2, .quality = QUALITY_FAST};
        struct upscale_result result;
        struct error e;
        assert_int_equal(run(&g, image, &req, &result, &e), 0);
        blob_unref(result.image);
        usleep(2000);
    }
    atomic_store(&busy.stop, true);
    pthread_join(thread, NULL);
    assert_true(busy.looks > 5);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_between_tiles),
        cmocka_unit_test(test_idle_networks_are_released),
        cmocka_unit_test(test_wrong_and_missing_weights),
        cmocka_unit_test(test_missing_runtime),
        cmocka_unit_test(test_broken_picture),
        cmocka_unit_test(test_looking_while_running),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
