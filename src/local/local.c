#include "local/local.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "local/inside.h"
#include "local/restore.h"

/* How much slower than the fast network suggests the best one may be believed to be. */
static const double DOUBT = 1.5;

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

/* Seconds per megapixel of the best network. */
static int best_rate(struct local *l, double *ret, struct error *e)
{
    double rate = networks_rate(&l->networks, MODEL_BEST), fast = networks_rate(&l->networks, MODEL_FAST);
    if (rate <= 0) {
        int r = upscale_fast_rate(&l->networks, &fast, e);
        if (r < 0)
            return r;
        rate = fast * models[MODEL_BEST].upscale.cost;
    } else if (fast > 0) {
        /* Measured while the machine was busy, it would be refused from then on and never measured again. */
        rate = MIN(rate, DOUBT * fast * models[MODEL_BEST].upscale.cost);
    }
    *ret = rate;
    return 0;
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
    double rate;
    int r = best_rate(l, &rate, e);
    if (r < 0)
        return r;
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

/* Progress over several runs, as one. */
struct span {
    const struct upscale_request *req;
    unsigned before, total; /* tiles of the runs before this one; of all */
};

static void span_progress(void *ctx, unsigned done, unsigned total)
{
    const struct span *s = ctx;
    s->req->progress(s->req->ctx, s->before + done, s->total);
}

/* The name of what ran when faces were made anew. */
static const char *name_with_faces(enum model_id base)
{
    return base == MODEL_BEST ? "realesrgan-x4plus, faces apart"
                              : "realesrgan-x4plus on faces + realesr-animevideov3-x4";
}

/* Which faces are made anew; of auto, as many as there is time for, the largest first. */
static int choose_faces(struct local *l, const struct upscale_request *req, enum model_id model,
                        const struct pixels *in, struct face_patch patches[RESTORE_MAX], unsigned *ret,
                        struct error *e)
{
    unsigned found = 0, count = 0;
    double rate = 0;
    int r = restore_find(l, in, model, patches, &found, e);
    if (r == 0 && found && req->quality == QUALITY_AUTO)
        r = best_rate(l, &rate, e);
    if (r < 0)
        return r;
    struct tile_plan plan = upscale_plan(model, in->width, in->height);
    double left = l->target_seconds - (model == MODEL_BEST ? rate * (double)tile_work_px(&plan) / 1e6 : 0);
    for (; count < found; count++) {
        left -= rate * restore_megapixels(&patches[count]);
        if (rate > 0 && left < 0)
            break;
    }
    *ret = count;
    return 0;
}

/* Fills done but for the picture's encoded form. */
static int enlarge(struct local *l, const struct upscale_request *req, enum model_id model,
                   const struct pixels *in, struct pixels *ret, struct upscale_result *done, struct error *e)
{
    struct face_patch patches[RESTORE_MAX];
    struct span span = {.req = req};
    struct upscale_run run = {
        .networks = &l->networks,
        .model = model,
        .plan = upscale_plan(model, in->width, in->height),
        .scale = req->scale,
        .cancelled = req->cancelled,
        .progress = req->progress ? span_progress : NULL,
        .ctx = &span,
    };
    int r = local_given_up(req->cancelled, e);
    if (r == 0 && req->faces)
        r = choose_faces(l, req, model, in, patches, &done->faces, e);
    if (r < 0)
        return r;
    unsigned base = tile_count(&run.plan);
    span.total = base;
    for (unsigned i = 0; i < done->faces; i++)
        span.total += restore_tiles(&patches[i]);

    struct pixels out;
    r = upscale_pixels(&run, in, &out, e);
    if (r < 0)
        return r;
    span.before = base;
    for (unsigned i = 0; r == 0 && i < done->faces; i++) {
        r = restore_apply(&run, &patches[i], in, &out, e);
        span.before += restore_tiles(&patches[i]);
    }
    if (r < 0) {
        pixels_release(&out);
        return r;
    }
    done->width = out.width;
    done->height = out.height;
    done->model = done->faces ? name_with_faces(model) : models[model].name;
    done->seconds = run.seconds;
    done->tiles = span.total;
    *ret = out;
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
    r = enlarge(l, req, model, &in, &out, &done, e);
    pixels_release(&in);
    if (r < 0)
        return r;
    done.type = out.bands == 4 ? IMAGE_PNG : req->output;
    r = image_encode(&out, done.type, req->output_quality, &done.image, e);
    pixels_release(&out);
    if (r == 0)
        *ret = done;
    return r;
}

int local_upscale(struct local *l, const struct upscale_request *req, struct upscale_result *ret,
                  struct error *e)
{
    CHECK(req->scale >= 1 && req->scale <= 4);
    local_begin(l);
    int r = upscale(l, req, ret, e);
    local_end(l);
    return r;
}

/* Is it enough that one of its kind is missing? Of the upscalers some are never chosen by themselves. */
static bool is_needed(const struct model *m)
{
    return m->kind != MODEL_UPSCALE || m->upscale.rank;
}

int local_available(const struct local *l, enum model_kind kind, struct error *e)
{
    const struct networks *n = &l->networks;
    FREE_ON_EXIT char *library = mem_printf("%s/%s", n->engine_dir, ENGINE_LIBRARY);
    if (access(library, R_OK) < 0)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE,
                         "the OpenVINO runtime is not there: no %s; make deps fetches it", library);
    for (unsigned i = 0; i < MODEL_COUNT; i++)
        if (models[i].kind == kind && is_needed(&models[i]) && access(n->path[i], R_OK) < 0)
            return error_set(e, ERR_PROVIDER_UNAVAILABLE,
                             "a network is not there: no %s; make models fetches it", n->path[i]);
    return 0;
}

void local_release_idle(struct local *l, uint64_t now_ns)
{
    if (l->idle_ns)
        networks_release_idle(&l->networks, now_ns, l->idle_ns);
}

static void describe_speed(struct local_model *row, enum model_id id, double rate)
{
    if (models[id].kind == MODEL_UPSCALE) {
        struct tile_plan megapixel = upscale_plan(id, 1000, 1000);
        row->seconds_per_megapixel = rate * (double)tile_work_px(&megapixel) / 1e6;
    } else {
        row->seconds = rate * models[id].side * models[id].side / 1e6;
    }
}

unsigned local_describe(const struct local *l, struct local_model *rows, unsigned max)
{
    /* Looking changes nothing but the lock. */
    struct networks *n = &((struct local *)l)->networks;
    for (unsigned i = 0; i < MODEL_COUNT && i < max; i++) {
        struct stat st;
        rows[i] = (struct local_model){
            .name = models[i].name,
            .use = models[i].use,
            .license = models[i].license,
            .path = n->path[i],
            .bytes = stat(n->path[i], &st) == 0 ? (uint64_t)st.st_size : 0,
            .loaded = networks_loaded(n, i),
        };
        describe_speed(&rows[i], i, networks_rate(n, i));
    }
    return MODEL_COUNT;
}

int local_verify(const struct local *l, unsigned i, struct error *e)
{
    CHECK(i < MODEL_COUNT);
    return model_verify(i, l->networks.path[i], e);
}
