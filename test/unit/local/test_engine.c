#include "fixture.h"

#include <ftw.h>

#include "local/engine.h"
#include "local/models.h"

static struct engine *open_engine(void)
{
    FREE_ON_EXIT char *dir = source_path("deps/openvino/lib");
    struct engine *g;
    struct error e;
    if (engine_open(dir, &g, &e) < 0)
        fail_msg("%s", e.reason);
    return g;
}

static struct network *load_fast(struct engine *g, const char *cache_dir, unsigned width, unsigned height)
{
    FREE_ON_EXIT char *file = source_path("deps/models/realesr-animevideov3-x4.onnx");
    const struct network_spec spec = {
        .file = file, .cache_dir = cache_dir, .threads = 2, .width = width, .height = height};
    struct network *n;
    struct error e;
    if (network_load(g, &spec, &n, &e) < 0)
        fail_msg("%s", e.reason);
    return n;
}

static void test_missing_runtime(void **state)
{
    struct engine *g = NULL;
    struct error e;
    assert_int_equal(engine_open("/nonexistent", &g, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "/nonexistent/" ENGINE_LIBRARY));
    assert_non_null(strstr(e.reason, "make deps"));

    char *dir = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/" ENGINE_LIBRARY, dir);
    write_file(path, "no library", 10);
    assert_int_equal(engine_open(dir, &g, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(e.code, ERR_PROVIDER_UNAVAILABLE);

    /* A library, but of something else. */
    FREE_ON_EXIT char *other = source_path("deps/openvino/lib/libtbb.so.12");
    FREE_ON_EXIT char *target = realpath(other, NULL);
    assert_non_null(target);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(engine_open(dir, &g, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "ov_"));
    assert_null(g);
    scratch_free(dir);
    engine_close(NULL);
    engine_close(open_engine());
}

static void test_unreadable_networks(void **state)
{
    struct engine *g = open_engine();
    char *dir = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/broken.onnx", dir);
    struct network *n = NULL;
    struct error e;
    const struct network_spec spec = {.file = path, .threads = 1};
    assert_int_equal(network_load(g, &spec, &n, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "broken.onnx"));
    write_file(path, "this is no network", 18);
    assert_int_equal(network_load(g, &spec, &n, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "broken.onnx"));
    assert_null(n);
    scratch_free(dir);

    network_free(load_fast(g, NULL, 0, 0)); /* and the engine still works */
    network_free(NULL);
    engine_close(g);
}

static void fill(float *planes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        planes[i] = (float)(i * 37 % 256) / 255.0f;
}

/* The same numbers whether compiled for one size or any, from the cache or not, and after other sizes in
 * between. */
static void test_sizes_and_cache(void **state)
{
    enum { W = 24, H = 16, OUT = 3 * 16 * W * H };
    struct engine *g = open_engine();
    char *dir = scratch_new();
    float *in, first[OUT];
    struct network_output out;
    struct error e;
    for (int round = 0; round < 4; round++) {
        bool fixed = round == 1;
        const char *cache = round == 0 ? NULL : round == 3 ? "/dev/null/folder" : dir;
        struct network *n = load_fast(g, cache, fixed ? W : 0, fixed ? H : 0);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(network_shape(n, W, H, &in, &e), 0);
            fill(in, 3 * W * H);
            assert_int_equal(network_run(n, &e), 0);
            assert_int_equal(network_output(n, 0, &out, &e), 0);
            assert_int_equal(out.count, OUT);
            if (round == 0 && again == 0)
                memcpy(first, out.data, sizeof(first));
            for (size_t i = 0; i < OUT; i++)
                assert_true(fabsf(out.data[i] - first[i]) < 1e-3f);
            if (!fixed) {
                assert_int_equal(network_shape(n, 40, 8, &in, &e), 0);
                fill(in, 3 * 40 * 8);
                assert_int_equal(network_run(n, &e), 0);
            }
        }
        network_free(n);
    }
    scratch_free(dir);
    engine_close(g);
}

/* A compiled network that was cut short on disk is compiled anew. */
static int truncate_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    if (flag != FTW_F)
        return 0;
    assert_int_equal(chmod(path, 0600), 0);
    return truncate(path, st->st_size / 2);
}

static void test_broken_cache(void **state)
{
    struct engine *g = open_engine();
    char *dir = scratch_new();
    network_free(load_fast(g, dir, 0, 0));
    assert_int_equal(scratch_count(dir, ""), 1);
    assert_int_equal(nftw(dir, truncate_one, 16, FTW_PHYS), 0);
    struct network *n = load_fast(g, dir, 0, 0);
    float *in;
    struct error e;
    assert_int_equal(network_shape(n, 16, 16, &in, &e), 0);
    fill(in, 3 * 16 * 16);
    assert_int_equal(network_run(n, &e), 0);
    network_free(n);
    scratch_free(dir);
    engine_close(g);
}

/* A plain picture keeps its colours, in their places: red is red. */
static void test_colours(void **state)
{
    struct engine *g = open_engine();
    struct network *n = load_fast(g, NULL, 0, 0);
    float *in;
    struct network_output out;
    struct error e;
    assert_int_equal(network_shape(n, 32, 32, &in, &e), 0);
    static const float colour[] = {0.8f, 0.4f, 0.2f};
    for (size_t i = 0; i < 3 * 32 * 32; i++)
        in[i] = colour[i / (32 * 32)];
    assert_int_equal(network_run(n, &e), 0);
    assert_int_equal(network_output(n, 0, &out, &e), 0);
    for (size_t plane = 0; plane < 3; plane++) {
        float middle = out.data[plane * 128 * 128 + 64 * 128 + 64];
        assert_true(fabsf(middle - colour[plane]) < 0.03f);
    }
    network_free(n);
    engine_close(g);
}

/* A network of interleaved input and two outputs; and what it has not. */
static void test_other_shapes(void **state)
{
    struct engine *g = open_engine();
    FREE_ON_EXIT char *file = source_path("deps/models/face-detection-short-range.tflite");
    const struct network_spec spec = {.file = file, .threads = 2, .interleaved = true};
    struct network *n;
    struct network_output out = {0};
    float *in;
    struct error e;
    assert_int_equal(network_load(g, &spec, &n, &e), 0);
    assert_int_equal(network_shape(n, 128, 128, &in, &e), 0);
    fill(in, 3 * 128 * 128);
    assert_int_equal(network_run(n, &e), 0);
    static const size_t counts[] = {896 * 16, 896};
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        assert_int_equal(network_output(n, i, &out, &e), 0);
        assert_int_equal(out.count, counts[i]);
        for (size_t k = 0; k < out.count; k++)
            assert_true(isfinite(out.data[k]));
    }

    /* A size that the file does not allow is an error, not a crash, and the network still works. */
    int r = network_shape(n, 64, 64, &in, &e);
    if (r == 0)
        r = network_run(n, &e);
    assert_int_equal(r, -ERR_INTERNAL);
    assert_int_equal(network_shape(n, 128, 128, &in, &e), 0);
    fill(in, 3 * 128 * 128);
    assert_int_equal(network_run(n, &e), 0);
    network_free(n);
    engine_close(g);

    g = open_engine();
    n = load_fast(g, NULL, 0, 0);
    assert_int_equal(network_shape(n, 16, 16, &in, &e), 0);
    fill(in, 3 * 16 * 16);
    assert_int_equal(network_run(n, &e), 0);
    assert_int_equal(network_output(n, 1, &out, &e), -ERR_INTERNAL); /* it has one */
    network_free(n);
    engine_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_runtime), cmocka_unit_test(test_unreadable_networks),
        cmocka_unit_test(test_sizes_and_cache), cmocka_unit_test(test_broken_cache),
        cmocka_unit_test(test_colours),         cmocka_unit_test(test_other_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
