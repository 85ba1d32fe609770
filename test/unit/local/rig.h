/* rig.h: a whole local engine for a test, and the uploads it gets. */
#pragma once

#include "fixture.h"

#include "local/local.h"
#include "local/models.h"

/* A local engine over a folder of its own. */
struct rig {
    struct options opt;
    char *data_dir, *root;
    struct local *local;
};

static inline void rig_init(struct rig *g, int64_t target_seconds)
{
    g->data_dir = scratch_new();
    g->root = source_path(".");
    g->opt = (struct options){.data_dir = g->data_dir,
                              .models_dir = "",
                              .openvino_dir = "",
                              .local_quality = QUALITY_AUTO,
                              .local_precision = PRECISION_AUTO,
                              .local_threads = 2,
                              .local_target_seconds = target_seconds,
                              .local_idle_s = 60};
    g->local = local_new(&g->opt, g->root);
}

/* From now on the networks are those of this folder. */
static inline void rig_use_models(struct rig *g, const char *dir)
{
    g->opt.models_dir = dir;
    local_free(g->local);
    g->local = local_new(&g->opt, g->root);
}

static inline void rig_release(struct rig *g)
{
    local_free(g->local);
    scratch_free(g->data_dir);
    free(g->root);
}

static inline struct blob *encode(const struct pixels *p, enum image_type type)
{
    struct blob *b;
    struct error e;
    if (image_encode(p, type, 95, &b, &e) < 0)
        fail_msg("encode: %s", e.reason);
    return b;
}

/* A part of a photo, as an upload. */
static inline struct blob *upload(uint32_t width, uint32_t height)
{
    struct pixels photo = sample("samples/coffee.jpg"), part = crop(&photo, 150, 60, width, height);
    struct blob *b = encode(&part, IMAGE_PNG);
    pixels_release(&photo);
    pixels_release(&part);
    return b;
}

static inline int run(struct rig *g, const struct blob *image, struct upscale_request *req,
                      struct upscale_result *ret, struct error *e)
{
    struct image_info info = probe(image);
    req->image = image;
    req->info = &info;
    if (!req->output_quality)
        req->output_quality = 92;
    if (req->output == IMAGE_UNKNOWN)
        req->output = IMAGE_JPEG;
    return local_upscale(g->local, req, ret, e);
}

static inline struct local_model row_of(const struct local *l, enum model_id id)
{
    struct local_model rows[MODEL_COUNT];
    assert_int_equal(local_describe(l, rows, MODEL_COUNT), MODEL_COUNT);
    return rows[id];
}

struct watch {
    unsigned calls, last, total;
    unsigned cancel_at; /* 0: never */
    atomic_bool cancelled;
};

static inline void watch_progress(void *ctx, unsigned done, unsigned total)
{
    struct watch *w = ctx;
    assert_int_equal(done, ++w->calls);
    w->last = done;
    w->total = total;
    if (done == w->cancel_at)
        atomic_store(&w->cancelled, true);
}
