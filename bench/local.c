/* local.c: seconds per megapixel of a local upscale, or of a cut-out, beside the bare network.
 *
 *     bench-local fast|best|cutout PHOTO [RUNS]   options come from the environment (DATA_DIR, MODELS_DIR, …)
 *
 * Ours is local_upscale from JPEG to JPEG, ×4: decode, tiles with overlap, network, blending, encode; the
 * best of RUNS after one that loads the network. The bare bound is the same network over one tile of the same
 * size, again and again, and nothing else. Megapixels are those of the input. A cut-out is from JPEG to
 * PNG; its bare bound is the network in those very runs. Prints JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "local/local.h"
#include "local/networks.h"
#include "local/upscale.h"
#include "read_file.h"

enum { RUNS = 2, BARE_RUNS = 3, SCALE = 4, QUALITY = 92 };

static struct blob *read_photo(const char *path, struct image_info *info)
{
    static const struct image_limits limits = {.max_pixels = 100000000, .max_pixels_per_byte = 2000};
    struct error e;
    struct blob *b = read_file(path);
    if (image_probe(b, &limits, info, &e) < 0)
        fail(e.reason);
    return b;
}

static double seconds_since(uint64_t from_ns)
{
    return (double)(clock_mono_ns() - from_ns) / 1e9;
}

/* The shortest of some runs, and what the last one said. */
static double whole(const struct options *opt, const char *dir, struct upscale_request *req, int runs,
                    struct upscale_result *ret)
{
    struct local *l = local_new(opt, dir);
    struct error e;
    double best = 0;
    for (int i = 0; i <= runs; i++) {
        uint64_t from = clock_mono_ns();
        if (local_upscale(l, req, ret, &e) < 0)
            fail(e.reason);
        blob_unref(ret->image);
        double s = seconds_since(from);
        if (i == 1 || (i > 1 && s < best))
            best = s;
    }
    local_free(l);
    return best;
}

/* Seconds of the bare network for one tile of the plan. */
static double bare(const struct options *opt, const char *engine_dir, const char *models_dir,
                   enum model_id id, const struct tile_plan *plan)
{
    struct networks_config config = {engine_dir, models_dir, opt->data_dir, opt->local_precision,
                                     (unsigned)opt->local_threads};
    struct networks n;
    struct network *network;
    struct error e;
    float *in;
    networks_init(&n, &config);
    if (networks_take(&n, id, plan->x.size, plan->y.size, &network, &e) < 0 ||
        network_shape(network, plan->x.size, plan->y.size, &in, &e) < 0)
        fail(e.reason);
    for (size_t i = 0; i < (size_t)3 * plan->x.size * plan->y.size; i++)
        in[i] = (float)(i % 251) / 251.0F;
    double best = 0;
    for (int i = 0; i <= BARE_RUNS; i++) {
        uint64_t from = clock_mono_ns();
        if (network_run(network, &e) < 0)
            fail(e.reason);
        double s = seconds_since(from);
        if (i == 1 || (i > 1 && s < best))
            best = s;
    }
    networks_give_back(&n, id);
    networks_release(&n);
    return best;
}

static void report(const struct image_info *info, const struct upscale_result *r,
                   const struct tile_plan *plan, double ours, double tile)
{
    double megapixels = (double)info->width * info->height / 1e6;
    double tile_megapixels = (double)plan->x.size * plan->y.size / 1e6;
    printf("{\"model\":\"%s\",\"photo\":\"%ux%u\",\"result\":\"%ux%u\",\"tiles\":%u,\"tile\":\"%ux%u\","
           "\"seconds\":%.3f,\"network_seconds\":%.3f,\"seconds_per_megapixel\":%.3f,"
           "\"bare_seconds_per_megapixel\":%.3f,\"bare_same_tiles_seconds\":%.3f,\"ratio\":%.3f}\n",
           r->model, info->width, info->height, r->width, r->height, r->tiles, plan->x.size, plan->y.size,
           ours, r->seconds, ours / megapixels, tile / tile_megapixels, tile * r->tiles,
           tile / tile_megapixels / (ours / megapixels));
}

/* The shortest of some runs after one that loads the network. */
static void cut_out(const struct options *opt, const struct blob *photo, const struct image_info *info,
                    int runs)
{
    struct local *l = local_new(opt, ".");
    const struct cutout_request req = {.image = photo, .info = info};
    double best = 0, network = 0;
    for (int i = 0; i <= runs; i++) {
        struct cutout_result r;
        struct error e;
        uint64_t from = clock_mono_ns();
        if (local_cutout(l, &req, &r, &e) < 0)
            fail(e.reason);
        blob_unref(r.image);
        double s = seconds_since(from);
        if (i == 1 || (i > 1 && s < best)) {
            best = s;
            network = r.seconds;
        }
    }
    printf(
        "{\"model\":\"%s\",\"photo\":\"%ux%u\",\"seconds\":%.3f,\"network_seconds\":%.3f,\"ratio\":%.3f}\n",
        models[MODEL_ISNET].name, info->width, info->height, best, network, network / best);
    local_free(l);
}

int main(int argc, char **argv)
{
    struct config config;
    struct error e;
    if (argc < 3 ||
        (strcmp(argv[1], "fast") != 0 && strcmp(argv[1], "best") != 0 && strcmp(argv[1], "cutout") != 0)) {
        fprintf(stderr, "usage: bench-local fast|best|cutout PHOTO [RUNS]\n");
        return 2;
    }
    if (config_load(&config, NULL, &e) < 0 || imaging_start(&e) < 0)
        fail(e.reason);
    const struct options *opt = &config.opt;
    if (!*opt->openvino_dir || !*opt->models_dir)
        fail("set OPENVINO_DIR and MODELS_DIR");
    bool best = strcmp(argv[1], "best") == 0;
    struct image_info info;
    BLOB_ON_EXIT struct blob *photo = read_photo(argv[2], &info);
    int runs = argc > 3 ? MAX(atoi(argv[3]), 1) : RUNS;
    if (strcmp(argv[1], "cutout") == 0) {
        cut_out(opt, photo, &info, runs);
        config_release(&config);
        imaging_stop();
        return 0;
    }
    struct upscale_request req = {
        .image = photo,
        .info = &info,
        .scale = SCALE,
        .quality = best ? QUALITY_BEST : QUALITY_FAST,
        .output = IMAGE_JPEG,
        .output_quality = QUALITY,
    };
    struct upscale_result result;
    enum model_id id = best ? MODEL_BEST : MODEL_FAST;
    struct tile_plan plan = upscale_plan(id, info.width, info.height);
    double ours = whole(opt, ".", &req, runs, &result);
    double tile = bare(opt, opt->openvino_dir, opt->models_dir, id, &plan);
    report(&info, &result, &plan, ours, tile);
    config_release(&config);
    imaging_stop();
    return 0;
}
