/* Real networks on real photos: what comes out, not how. */
#include "fixture.h"

#include "base/clock.h"
#include "local/upscale.h"

struct bench {
    struct networks networks;
    char *data_dir;
};

static void bench_init(struct bench *b, int precision)
{
    FREE_ON_EXIT char *engine_dir = source_path("deps/openvino/lib");
    FREE_ON_EXIT char *models_dir = source_path("deps/models");
    b->data_dir = scratch_new();
    const struct networks_config config = {engine_dir, models_dir, b->data_dir, precision, 2};
    networks_init(&b->networks, &config);
}

static void bench_release(struct bench *b)
{
    networks_release(&b->networks);
    scratch_free(b->data_dir);
}

static struct pixels upscale(struct bench *b, enum model_id model, const struct pixels *in, unsigned scale,
                             uint32_t tile)
{
    struct upscale_run run = {.networks = &b->networks,
                              .model = model,
                              .plan = tile_plan(in->width, in->height, tile, models[model].upscale.overlap),
                              .scale = scale};
    struct pixels out;
    struct error e;
    if (upscale_pixels(&run, in, &out, &e) < 0)
        fail_msg("%s", e.reason);
    assert_true(run.seconds > 0);
    assert_int_equal(out.width, scale * in->width);
    assert_int_equal(out.height, scale * in->height);
    return out;
}

/* No seams: the same as a run over the whole picture at once. */
static void tiled_against_whole(enum model_id model, uint32_t width, uint32_t height, uint32_t tile,
                                uint32_t tiles)
{
    struct bench b;
    bench_init(&b, PRECISION_F32);
    struct pixels photo = sample("samples/astronaut.jpg"), in = crop(&photo, 130, 20, width, height);
    struct pixels whole = upscale(&b, model, &in, 4, 512), tiled = upscale(&b, model, &in, 4, tile);
    struct tile_plan plan = tile_plan(width, height, tile, models[model].upscale.overlap);
    assert_int_equal(tile_count(&plan), tiles);
    double db = psnr(&tiled, &whole);
    print_message("%s, %u × %u in %u tiles of %u × %u: %.1f dB to the whole, at most %d apart\n",
                  models[model].name, width, height, tiles, plan.x.size, plan.y.size, db,
                  largest_difference(&tiled, &whole));
    assert_true(db >= 45);
    pixels_release(&photo);
    pixels_release(&in);
    pixels_release(&whole);
    pixels_release(&tiled);
    bench_release(&b);
}

static void test_fast_has_no_seams(void **state)
{
    tiled_against_whole(MODEL_FAST, 200, 200, 120, 4);
}

static void test_best_has_no_seams(void **state)
{
    tiled_against_whole(MODEL_BEST, 192, 112, 112, 2); /* real tiles are larger and better still */
}

/* How much there is that a small picture cannot hold: the mean square of the Laplacian of green. */
static double detail(const struct pixels *p)
{
    double sum = 0;
    for (uint32_t y = 1; y + 1 < p->height; y++) {
        for (uint32_t x = 1; x + 1 < p->width; x++) {
            const uint8_t *at = p->data + ((size_t)y * p->width + x) * 3 + 1;
            const uint8_t *up = at - (size_t)p->width * 3, *down = at + (size_t)p->width * 3;
            double l = 4.0 * *at - at[-3] - at[3] - *up - *down;
            sum += l * l;
        }
    }
    return sum / ((double)(p->width - 2) * (p->height - 2));
}

/* A photo shrunk to a quarter and enlarged again keeps what it was, and has edges that resizing cannot give.
 */
static void quality(enum model_id model, double least_db)
{
    struct bench b;
    bench_init(&b, PRECISION_AUTO);
    struct pixels photo = sample("samples/astronaut.jpg"), small = resized(&photo, 128, 128);
    struct pixels large = upscale(&b, model, &small, 4, models[model].upscale.tile),
                  plain = resized(&small, 512, 512);
    struct pixels back = resized(&large, 128, 128);
    double db = psnr(&back, &small);
    print_message(
        "%s: %.1f dB after the way back; detail %.0f, plainly resized %.0f, the photo itself %.0f\n",
        models[model].name, db, detail(&large), detail(&plain), detail(&photo));
    assert_true(db >= least_db);
    assert_true(detail(&large) > 1.5 * detail(&plain));
    pixels_release(&photo);
    pixels_release(&small);
    pixels_release(&large);
    pixels_release(&plain);
    pixels_release(&back);
    bench_release(&b);
}

static void test_best_quality(void **state)
{
    quality(MODEL_BEST, 28);
}

static void test_fast_quality(void **state)
{
    quality(MODEL_FAST, 28);
}

/* bf16 and f32 make the same picture. Only with the processor's own instructions: without, it would be very
 * slow. */
static void test_precisions_agree(void **state)
{
    struct cpu cpu;
    cpu_read(&cpu);
    if (!cpu.bf16)
        print_message("this processor has no bf16: both runs are f32\n");
    struct pixels photo = sample("samples/coffee.jpg"), in = crop(&photo, 200, 100, 96, 80), out[2];
    for (int i = 0; i < 2; i++) {
        struct bench b;
        bench_init(&b, i ? PRECISION_AUTO : PRECISION_F32);
        assert_int_equal(b.networks.bf16, i && cpu.bf16);
        out[i] = upscale(&b, MODEL_FAST, &in, 4, 96);
        bench_release(&b);
    }
    assert_true(psnr(&out[0], &out[1]) >= 45);
    pixels_release(&photo);
    pixels_release(&in);
    pixels_release(&out[0]);
    pixels_release(&out[1]);
}

/* 2 and 3 are the ×4 picture shrunk; the strips it is shrunk in do not show. */
static void test_smaller_scales(void **state)
{
    struct bench b;
    bench_init(&b, PRECISION_AUTO);
    struct pixels photo = sample("samples/chelsea.png"), in = crop(&photo, 100, 50, 150, 230);
    struct pixels four = upscale(&b, MODEL_FAST, &in, 4, 64);
    for (unsigned scale = 2; scale <= 3; scale++) {
        struct pixels got = upscale(&b, MODEL_FAST, &in, scale, 64),
                      want = resized(&four, 150 * scale, 230 * scale);
        assert_in_range(largest_difference(&got, &want), 0, 1);
        pixels_release(&got);
        pixels_release(&want);
    }
    pixels_release(&photo);
    pixels_release(&in);
    pixels_release(&four);
    bench_release(&b);
}

/* The same picture gives the same bytes, whatever ran in between. */
static void test_runs_repeat(void **state)
{
    struct bench b;
    bench_init(&b, PRECISION_AUTO);
    struct pixels photo = sample("samples/coffee.jpg"), in = crop(&photo, 0, 0, 130, 60),
                  other = crop(&photo, 9, 9, 33, 90);
    struct pixels first = upscale(&b, MODEL_FAST, &in, 2, 64),
                  between = upscale(&b, MODEL_FAST, &other, 2, 64);
    networks_release_idle(&b.networks, clock_mono_ns() + 1, 0);
    struct pixels second = upscale(&b, MODEL_FAST, &in, 2, 64);
    assert_memory_equal(first.data, second.data, bytes_of(&first));
    pixels_release(&photo);
    pixels_release(&in);
    pixels_release(&other);
    pixels_release(&first);
    pixels_release(&between);
    pixels_release(&second);
    bench_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fast_has_no_seams), cmocka_unit_test(test_best_has_no_seams),
        cmocka_unit_test(test_best_quality),      cmocka_unit_test(test_fast_quality),
        cmocka_unit_test(test_precisions_agree),  cmocka_unit_test(test_smaller_scales),
        cmocka_unit_test(test_runs_repeat),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
