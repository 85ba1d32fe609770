/* 050 prescale: read the image's header, refuse what is not sane, shrink to what the model takes. */
#include "request/stage.h"

/* What the model gets becomes a body of its own, or the upload itself. If there is no slot for it now, both
 * are put into files here, where a slow disk holds up nobody else. */
static void make_input(struct request *req, bool untouched)
{
    struct blob *image = TAKE(req->prescale.out.image);
    req->prescale.input = untouched ? body_ref(req->receive.body) : body_from_blob(req->svc->spool, image);
    blob_unref(image);
    if (req->prescale.will_wait)
        queue_put_down(req);
}

/* On an imaging thread, which has the request's bodies to itself meanwhile; writes only prescale. */
static int probe_and_shrink(struct lane_job *job)
{
    struct request *req = CONTAINER_OF(job, struct request, prescale.job);
    const struct options *opt = req->svc->opt;
    struct image_limits limits = {
        .max_pixels = (uint64_t)opt->input_max_megapixels * 1000000,
        .max_pixels_per_byte = (uint64_t)opt->input_max_ratio,
    };
    struct prescale_rule rule = {
        .max_pixels = (uint64_t)opt->image_max_pixels,
        .max_side = (uint32_t)feature_max_side(req->feature, opt),
        .format = opt->prescale_format,
        .quality = (int)opt->output_quality,
        .keep_alpha = true,
    };
    struct error *e = &req->prescale.err;
    struct prescaled *out = &req->prescale.out;
    struct image_info info;
    /* The bytes are taken here and not before: of many that wait for the lane, none is mapped. */
    BLOB_ON_EXIT struct blob *upload = NULL;
    int r = body_blob(req->receive.body, &upload, e);
    if (r == 0)
        r = image_probe(upload, &limits, &info, e);
    if (r == 0)
        r = image_prescale(upload, &info, &rule, out, e);
    if (r == 0)
        make_input(req, out->image == upload);
    return r;
}

enum verdict prescale_enter(struct request *req)
{
    req->prescale.will_wait = queue_is_busy(req);
    if (lane_submit(req->svc->imaging, &req->prescale.job, probe_and_shrink, pipeline_op_done) < 0) {
        error_set(&req->err, ERR_QUEUE_FULL, "Too many pictures wait to be read");
        req->err.retry_after_s = 1;
        return FAIL;
    }
    return stage_wait(req, &req->prescale.job.op);
}

enum verdict prescale_done(struct request *req)
{
    int result = req->prescale.job.op.result;
    if (result < 0) {
        if (!req->cancelled)
            req->err = req->prescale.err;
        return FAIL;
    }
    return NEXT;
}
