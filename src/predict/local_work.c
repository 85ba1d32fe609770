#include "predict/local_work.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "local/cpu.h"
#include "local/matte.h"
#include "local/relight.h"
#include "local/style.h"

struct prediction_output *local_work_add(struct local_work *w, struct blob *bytes, enum image_type type,
                                         uint32_t width, uint32_t height)
{
    CHECK(w->output_count < RESULT_OUTPUTS_MAX);
    struct prediction_output *out = &w->output[w->output_count++];
    *out = (struct prediction_output){.blob = bytes, .type = type, .width = width, .height = height};
    return out;
}

static int quality_of(const struct local_work *w)
{
    static const char *const words[] = {"auto", "fast", "best"};
    const char *asked = params_text(w->prediction->params, "quality");
    for (int i = 0; i < (int)ARRAY_LEN(words); i++)
        if (strcmp(asked, words[i]) == 0)
            return i;
    return (int)w->opt->local_quality;
}

/* Faces are asked for by a field of two names, and are what /api/upscale is about. */
static bool wants_faces(const struct prediction *p)
{
    return p->feature->id == FEATURE_UPSCALE || params_bool(p->params, "faceEnhance") ||
           params_bool(p->params, "face_enhance");
}

static int run_upscale(struct local_work *w)
{
    const struct prediction *p = w->prediction;
    struct upscale_request request = {
        .image = p->input,
        .info = &p->info,
        .scale = (unsigned)params_int(p->params, "scale", 2),
        .quality = quality_of(w),
        .faces = wants_faces(p),
        .output = p->wanted,
        .output_quality = (int)w->opt->output_quality,
        .cancelled = w->cancelled,
        .progress = w->progress,
        .ctx = w->ctx,
    };
    struct upscale_result result;
    int r = local_upscale(w->local, &request, &result, &w->err);
    if (r < 0)
        return r;
    local_work_add(w, result.image, result.type, result.width, result.height);
    w->model = result.model;
    memcpy(w->reason, result.reason, sizeof(w->reason));
    return 0;
}

static int run_cutout(struct local_work *w)
{
    const struct cutout_request request = {w->prediction->input, &w->prediction->info, w->cancelled};
    struct cutout_result result;
    int r = local_cutout(w->local, &request, &result, &w->err);
    if (r < 0)
        return r;
    local_work_add(w, result.image, IMAGE_PNG, result.width, result.height);
    w->model = result.model;
    return 0;
}

unsigned local_work_threads(const struct local_work *w)
{
    struct cpu cpu;
    cpu_read(&cpu);
    return w->opt->local_threads > 0 ? (unsigned)w->opt->local_threads : cpu.threads;
}

static int encode(struct local_work *w, const struct pixels *pixels, enum image_type type, int quality)
{
    struct blob *image;
    if (pixels->bands == 4 && type == IMAGE_JPEG)
        type = IMAGE_PNG;
    int r = image_encode(pixels, type, quality, &image, &w->err);
    if (r == 0)
        local_work_add(w, image, type, pixels->width, pixels->height);
    return r;
}

static int run_style(struct local_work *w)
{
    const struct prediction *p = w->prediction;
    enum local_style style;
    bool known = style_find(params_text(p->params, "style"), &style);
    CHECK(known); /* the feature's rows allow nothing else */
    struct pixels in, out;
    int r = image_decode(p->input, &p->info, &in, &w->err);
    if (r < 0)
        return r;
    const struct style_run run = {local_work_threads(w), 0, w->cancelled, w->progress, w->ctx};
    r = style_render(&in, style, &run, &out, &w->model, &w->err);
    pixels_release(&in);
    if (r < 0)
        return r;
    r = encode(w, &out, p->wanted, (int)w->opt->output_quality);
    pixels_release(&out);
    return r;
}

/* Without the network that cuts out, the light falls on the whole picture. */
static int find_subject(struct local_work *w, const struct pixels *in, struct pixels *ret)
{
    struct error missing;
    *ret = (struct pixels){0};
    if (local_available(w->local, MODEL_CUT_OUT, &missing) < 0)
        return 0;
    struct matte_run run = {.local = w->local, .cancelled = w->cancelled};
    return matte_pixels(&run, in, ret, &w->err);
}

static enum relight_side side_of(const char *word)
{
    static const char *const words[] = {"None", "Left Light", "Right Light", "Top Light", "Bottom Light"};
    for (int i = 0; i < (int)ARRAY_LEN(words); i++)
        if (strcmp(word, words[i]) == 0)
            return (enum relight_side)i;
    return RELIGHT_NONE;
}

static enum image_type type_of(const char *format)
{
    if (strcmp(format, "jpg") == 0)
        return IMAGE_JPEG;
    return strcmp(format, "png") == 0 ? IMAGE_PNG : IMAGE_WEBP;
}

static int light_variants(struct local_work *w, const struct pixels *in, const struct pixels *alpha)
{
    const struct params *params = w->prediction->params;
    unsigned count = (unsigned)params_int(params, "number_of_images", 1);
    struct relight_rule rule = {
        .side = side_of(params_text(params, "light_source")),
        .prompt = params_text(params, "prompt"),
        .width = (uint32_t)params_int(params, "width", 0),
        .height = (uint32_t)params_int(params, "height", 0),
        .seed = (uint64_t)params_int(params, "seed", 0),
        .threads = local_work_threads(w),
        .cancelled = w->cancelled,
    };
    int r = 0;
    for (; rule.variant < count && r == 0; rule.variant++) {
        struct pixels out;
        r = relight_render(in, alpha->data ? alpha : NULL, &rule, &out, &w->err);
        if (r < 0)
            break;
        r = encode(w, &out, type_of(params_text(params, "output_format")),
                   MAX(params_int(params, "output_quality", 80), 1));
        pixels_release(&out);
        w->progress(w->ctx, rule.variant + 1, count);
    }
    return r;
}

static int run_relight(struct local_work *w)
{
    const struct prediction *p = w->prediction;
    struct pixels in, alpha;
    int r = image_decode(p->input, &p->info, &in, &w->err);
    if (r < 0)
        return r;
    r = find_subject(w, &in, &alpha);
    if (r == 0)
        r = light_variants(w, &in, &alpha);
    pixels_release(&in);
    pixels_release(&alpha);
    w->model = relight_model;
    return r;
}

static int no_network(const struct local *local, struct error *e)
{
    return 0;
}

static int upscaler(const struct local *local, struct error *e)
{
    return local_available(local, MODEL_UPSCALE, e);
}

static int cutter(const struct local *local, struct error *e)
{
    return local_available(local, MODEL_CUT_OUT, e);
}

/* What a feature is here, and whether what it needs is there. */
static const struct {
    int (*run)(struct local_work *w);
    int (*available)(const struct local *local, struct error *e);
} rows[FEATURE_COUNT] = {
    [FEATURE_CLARITY] = {run_upscale, upscaler},
    [FEATURE_ENHANCE] = {run_upscale, upscaler},
    [FEATURE_BEAUTIFY] = {run_upscale, upscaler},
    [FEATURE_CUTOUT] = {run_cutout, cutter},
    [FEATURE_UPSCALE] = {run_upscale, upscaler},
    [FEATURE_STYLE] = {run_style, no_network},
    [FEATURE_RELIGHT] = {run_relight, no_network},
    [FEATURE_COMIC_PHOTOS] = {local_comic_run, local_comic_available},
};

int local_work_available(const struct local *local, const struct feature *f, struct error *e)
{
    if (!rows[f->id].run)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "This machine does nothing for \"%s\"", f->name);
    return rows[f->id].available(local, e);
}

int local_work_run(struct local_work *w)
{
    int r = rows[w->prediction->feature->id].run(w);
    if (r < 0) {
        for (unsigned i = 0; i < w->output_count; i++)
            blob_unref(w->output[i].blob);
        w->output_count = 0;
        free(TAKE(w->detail));
    }
    return r;
}
