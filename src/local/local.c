#include "local/local.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "local/upscale.h"

/* How much slower than the fast network suggests the best one may be believed to be. */
static const double DOUBT = 1.5;

struct local {
    struct networks networks;
    double target_seconds;
    uint64_t idle_ns; /* 0: networks are kept */
    atomic_bool running;
};

/* The folder an option names, or else one beside the program; a build folder may lie between the two. */
static char *folder(const char *option, const char *program_dir, const char *usual)
{
    if (*option)
        return mem_strdup(option);
    char *beside = mem_printf("%s/%s", program_dir, usual);
    char *above = mem_printf("%s/../%s", program_dir, usual);
    bool take_above = access(beside, F_OK) < 0 && access(above, F_OK) == 0;
    free(take_above ? beside : above);
    return take_above ? above : beside;
}

struct local *local_new(const struct options *opt, const char *program_dir)
{
    struct local *l = NEW(struct local);
    FREE_ON_EXIT char *engine_dir = folder(opt->openvino_dir, program_dir, "deps/openvino/lib");
    FREE_ON_EXIT char *models_dir = folder(opt->models_dir, program_dir, "deps/models");
    const struct networks_config config = {
        .engine_dir = engine_dir,
        .models_dir = models_dir,
        .data_dir = opt->data_dir,
        .precision = opt->local_precision,
        .threads = (unsigned)opt->local_threads,
    };
    networks_init(&l->networks, &config);
    l->target_seconds = (double)opt->local_target_seconds;
    l->idle_ns = (uint64_t)opt->local_idle_s * NS_PER_S;
    return l;
}

void local_free(struct local *l)
{
    if (!l)
        return;
    CHECK(!atomic_load(&l->running));
    networks_release(&l->networks);
    free(l);
}

/* Which network; says why in reason. */
static int choose(struct local *l, const struct upscale_request *req, enum model_id *ret, char *reason,
                  size_t size, struct error *e)
{
    if (req->quality != QUALITY_AUTO) {
        *ret = req->quality == QUALITY_BEST ? MODEL_BEST : MODEL_FAST;
        snprintf(reason, size, "%s was asked for", req->quality == QUALITY_BEST ? "best" : "fast");
        return 0;
    }
    double rate = networks_rate(&l->networks, MODEL_BEST), fast = networks_rate(&l->networks, MODEL_FAST);
    if (rate <= 0) {
        int r = upscale_fast_rate(&l->networks, &fast, e);
        if (r < 0)
            return r;
        rate = fast * models[MODEL_BEST].cost;
    } else if (fast > 0) {
        /* Measured while the machine was busy, it would be refused from then on and never measured again. */
        rate = MIN(rate, DOUBT * fast * models[MODEL_BEST].cost);
    }
    struct tile_plan plan = upscale_plan(MODEL_BEST, req->info->width, req->info->height);
    double seconds = rate * (double)tile_work_px(&plan) / 1e6;
    bool fits = seconds <= l->target_seconds;
    *ret = fits ? MODEL_BEST : MODEL_FAST;
    if (fits)
        snprintf(reason, size, "auto: %.*f s estimated, %.0f s allowed", seconds < 10 ? 1 : 0, seconds,
                 l->target_seconds);
    else
        snprintf(reason, size, "auto: %s would take %.0f s, %.0f s allowed", models[MODEL_BEST].name, seconds,
                 l->target_seconds);
    return 0;
}

static int upscale(struct local *l, const struct upscale_request *req, struct upscale_result *ret,
                   struct error *e)
{
    struct upscale_result done = {0};
    enum model_id model;
    int r = choose(l, req, &model, done.reason, sizeof(done.reason), e);
    if (r < 0)
        return r;
    struct pixels in, out;
    r = image_decode(req->image, req->info, &in, e);
    if (r < 0)
        return r;
    struct upscale_run run = {
        .networks = &l->networks,
        .model = model,
        .plan = upscale_plan(model, in.width, in.height),
        .scale = req->scale,
        .cancelled = req->cancelled,
        .progress = req->progress,
        .ctx = req->ctx,
    };
    r = upscale_pixels(&run, &in, &out, e);
    pixels_release(&in);
    if (r < 0)
        return r;
    done.type = out.bands == 4 ? IMAGE_PNG : req->output;
    done.width = out.width;
    done.height = out.height;
    done.model = models[model].name;
    done.seconds = run.seconds;
    done.tiles = tile_count(&run.plan);
    r = image_encode(&out, done.type, req->output_quality, &done.image, e);
    pixels_release(&out);
    if (r == 0)
        *ret = done;
    return r;
}

int local_upscale(struct local *l, const struct upscale_request *req, struct upscale_result *ret,
                  struct error *e)
{
    CHECK(req->scale >= 2 && req->scale <= 4);
    CHECK(!atomic_exchange(&l->running, true)); /* one thread at a time */
    int r = upscale(l, req, ret, e);
    atomic_store(&l->running, false);
    return r;
}

int local_available(const struct local *l, struct error *e)
{
    const struct networks *n = &l->networks;
    FREE_ON_EXIT char *library = mem_printf("%s/%s", n->engine_dir, ENGINE_LIBRARY);
    if (access(library, R_OK) < 0)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE,
                         "the OpenVINO runtime is not there: no %s; make deps fetches it", library);
    for (unsigned i = 0; i < MODEL_COUNT; i++)
        if (models[i].rank && access(n->path[i], R_OK) < 0)
            return error_set(e, ERR_PROVIDER_UNAVAILABLE,
                             "a network is not there: no %s; make models fetches it", n->path[i]);
    return 0;
}

void local_release_idle(struct local *l, uint64_t now_ns)
{
    if (l->idle_ns)
        networks_release_idle(&l->networks, now_ns, l->idle_ns);
}

unsigned local_describe(const struct local *l, struct local_model *rows, unsigned max)
{
    /* Looking changes nothing but the lock. */
    struct networks *n = &((struct local *)l)->networks;
    for (unsigned i = 0; i < MODEL_COUNT && i < max; i++) {
        struct stat st;
        struct tile_plan megapixel = upscale_plan(i, 1000, 1000);
        rows[i] = (struct local_model){
            .name = models[i].name,
            .use = models[i].use,
            .license = models[i].license,
            .path = n->path[i],
            .bytes = stat(n->path[i], &st) == 0 ? (uint64_t)st.st_size : 0,
            .loaded = networks_loaded(n, i),
            .seconds_per_megapixel = networks_rate(n, i) * (double)tile_work_px(&megapixel) / 1e6,
        };
    }
    return MODEL_COUNT;
}

int local_verify(const struct local *l, unsigned i, struct error *e)
{
    CHECK(i < MODEL_COUNT);
    return model_verify(i, l->networks.path[i], e);
}
