/* 085 compose: what a feature makes of the result of its step; nothing for the others.
 *
 * Happy path: on an imaging thread the cut-out, the upload and the new background become one picture, which
 * takes the cut-out's place as the request's output. Failure modes: a background that cannot be read is the
 * caller's error, a cut-out that cannot be used the provider's. */
#include "imaging/compose.h"

#include "base/check.h"
#include "request/child.h"
#include "request/stage.h"

struct parts {
    struct blob *foreground, *background;
};

static void cleanup_parts(struct parts *p)
{
    blob_unref(p->foreground);
    blob_unref(p->background);
}

/* The model's own picture: what is wrong with it is not the caller's fault. */
static int open_cutout(const struct prediction_output *out, struct image_info *info, struct error *e)
{
    struct error why;
    if (image_probe(out->blob, &(struct image_limits){UINT64_MAX, UINT64_MAX}, info, &why) == 0)
        return 0;
    return error_set(e, ERR_UPSTREAM, "The model's cut-out cannot be used: %.200s", why.reason);
}

static void set_rules(const struct request *req, struct compose_request *c)
{
    const struct params *p = &req->validate.params;
    const struct options *opt = req->svc->opt;
    bool known = compose_fit_parse(params_text(p, "fit"), &c->fit) &&
                 compose_position_parse(params_text(p, "position"), &c->position);
    CHECK(known); /* the feature's rows allow nothing else */
    c->feather_px = (unsigned)params_int(p, "featherPx", 0);
    c->shadow = c->background && params_int(p, "shadow", 0) != 0; /* around nothing it would be a dark rim */
    c->output = c->background && req->validate.type == IMAGE_JPEG ? IMAGE_JPEG : IMAGE_PNG;
    if (req->wanted != IMAGE_UNKNOWN && (c->background || req->wanted != IMAGE_JPEG))
        c->output = req->wanted;
    c->quality = (int)opt->output_quality;
    c->max_pixels = (uint64_t)opt->compose_max_megapixels * 1000000;
}

static int compose(struct lane_job *job)
{
    struct request *req = CONTAINER_OF(job, struct request, compose.job);
    struct error *e = &req->compose.err;
    struct prediction_output *out = &req->run.prediction->output[0];
    CLEANUP(cleanup_parts) struct parts parts = {0};
    struct compose_request c = {.cutout = out->blob};
    int r = open_cutout(out, &c.cutout_info, e);
    if (r == 0)
        r = prescale_probe(req, 0, &parts.foreground, &c.foreground_info, e);
    if (r == 0 && req->receive.body[1])
        r = prescale_probe(req, 1, &parts.background, &c.background_info, e);
    if (r < 0)
        return r;
    c.foreground = parts.foreground;
    c.background = parts.background;
    set_rules(req, &c);
    return image_compose(&c, &req->compose.made, e);
}

enum verdict compose_enter(struct request *req)
{
    if (req->feature->work != WORK_COMPOSE)
        return NEXT;
    if (lane_submit(req->svc->imaging, &req->compose.job, compose, pipeline_op_done) < 0) {
        error_set(&req->err, ERR_QUEUE_FULL, "Too many pictures wait to be composed");
        req->err.retry_after_s = 1;
        return FAIL;
    }
    return stage_wait(req, &req->compose.job.op);
}

enum verdict compose_done(struct request *req)
{
    if (req->compose.job.op.result < 0) {
        if (!req->cancelled)
            req->err = req->compose.err;
        if (req->compose.err.code == ERR_UPSTREAM)
            child_forget(req->run.child); /* who asks again gets another cut-out */
        return FAIL;
    }
    struct prediction_output *out = &req->run.prediction->output[0];
    const struct composed *made = &req->compose.made;
    blob_unref(out->blob);
    *out = (struct prediction_output){
        .blob = made->image,
        .type = made->type,
        .width = made->width,
        .height = made->height,
    };
    req->compose.made.image = NULL; /* it is the output's now */
    return NEXT;
}
