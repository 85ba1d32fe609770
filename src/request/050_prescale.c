/* 050 prescale: read the pictures' headers, refuse what is not sane, shrink the first to what the model
 * takes. A feature that composes another's result has all of its pictures looked at here, before that is paid
 * for. */
#include "request/key.h"
#include "request/pictures.h"
#include "request/stage.h"

/* With CACHE_PIXEL_KEY. What cannot be decoded here is left to the model. */
static void take_fingerprint(struct request *req)
{
    struct error ignored;
    bool wanted = req->svc->opt->cache_pixel_key && request_shares(req);
    req->prescale.has_pixels =
        wanted && image_fingerprint(&req->prescale.out, req->prescale.pixels, &ignored) == 0;
}

/* What the model gets becomes a body of its own, or the upload itself. If there is no slot for it now, both
 * are put into files here, where a slow disk holds up nobody else. */
static void make_input(struct request *req, bool untouched)
{
    struct blob *image = TAKE(req->prescale.out.image);
    req->prescale.input = untouched ? body_ref(req->receive.body[0]) : body_from_blob(req->svc->spool, image);
    blob_unref(image);
    if (req->prescale.will_wait)
        queue_put_down(req);
}

struct image_limits image_limits_of(const struct options *opt)
{
    return (struct image_limits){
        .max_pixels = (uint64_t)opt->input_max_megapixels * 1000000,
        .max_pixels_per_byte = (uint64_t)opt->input_max_ratio,
    };
}

int prescale_probe(struct request *req, unsigned i, struct blob **ret, struct image_info *info,
                   struct error *e)
{
    const struct image_limits limits = image_limits_of(req->svc->opt);
    int r = body_blob(req->receive.body[i], ret, e);
    if (r == 0)
        r = image_probe(*ret, &limits, info, e);
    if (r < 0 && *e->field) /* which one of them it is */
        feature_blame_picture(req->feature, i, e);
    return r;
}

/* On an imaging thread. The step's own request shrinks for its model; the rest needs the pictures as they
 * are.
 */
static int probe_all(struct lane_job *job)
{
    struct request *req = CONTAINER_OF(job, struct request, prescale.job);
    int r = 0;
    for (unsigned i = 0; i < IMAGES_MAX && r == 0; i++) {
        BLOB_ON_EXIT struct blob *upload = NULL;
        struct image_info info;
        if (req->receive.body[i])
            r = prescale_probe(req, i, &upload, &info, &req->prescale.err);
    }
    return r;
}

/* Likewise of a list, whose pictures are decoded where they are worked on: the first is the input. */
static int probe_list(struct lane_job *job)
{
    struct request *req = CONTAINER_OF(job, struct request, prescale.job);
    unsigned given = pictures_given(req);
    int r = 0;
    for (unsigned i = 0; i < given && r == 0; i++) {
        BLOB_ON_EXIT struct blob *upload = NULL;
        r = prescale_probe(req, i, &upload, &req->prescale.list[i], &req->prescale.err);
    }
    if (r < 0)
        return r;
    const struct image_info *first = &req->prescale.list[0];
    req->prescale.out =
        (struct prescaled){.info = *first, .original_width = first->width, .original_height = first->height};
    make_input(req, true);
    return 0;
}

static bool model_takes(const struct feature *f, const struct image_info *info)
{
    return feature_takes(f, image_extension(info->type)) && !info->is_cmyk;
}

/* On an imaging thread, which has the request's bodies to itself meanwhile; writes only prescale. */
static int probe_and_shrink(struct lane_job *job)
{
    struct request *req = CONTAINER_OF(job, struct request, prescale.job);
    const struct options *opt = req->svc->opt;
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
    int r = prescale_probe(req, 0, &upload, &info, e);
    rule.convert = r == 0 && queue_may_send(req) && !model_takes(req->feature, &info);
    if (r == 0)
        r = image_prescale(upload, &info, &rule, out, e);
    if (r == 0) {
        take_fingerprint(req);
        make_input(req, out->image == upload);
    }
    return r;
}

enum verdict prescale_enter(struct request *req)
{
    if (!req->receive.body[0])
        return NEXT; /* it has run before, and only its result is wanted */
    bool composes = req->feature->step != FEATURE_NONE, list = req->feature->work == WORK_PHOTOS;
    req->prescale.will_wait = !composes && queue_is_busy(req);
    if (list)
        req->prescale.list = arena_alloc(&req->arena, IMAGES_MAX * sizeof(*req->prescale.list));
    if (lane_submit(req->svc->imaging, &req->prescale.job,
                    composes ? probe_all
                    : list   ? probe_list
                             : probe_and_shrink,
                    pipeline_op_done) < 0) {
        error_set(&req->err, ERR_QUEUE_FULL, "Too many pictures wait to be read");
        req->err.retry_after_s = 1;
        return FAIL;
    }
    return stage_wait(req, &req->prescale.job.op);
}

/* Has this been done for a file of other bytes? */
static enum verdict look_by_pixels(struct request *req)
{
    uint8_t *key = req->prescale.pixels;
    if (!req->prescale.has_pixels)
        return NEXT;
    request_pixel_key(req, key, key);
    req->lookup.hit = lookup_result(req, key);
    req->lookup.by_pixels = req->lookup.hit;
    return req->lookup.hit ? HIT : NEXT;
}

enum verdict prescale_done(struct request *req)
{
    int result = req->prescale.job.op.result;
    if (result < 0) {
        if (!req->cancelled)
            req->err = req->prescale.err;
        return FAIL;
    }
    return req->cancelled ? NEXT : look_by_pixels(req);
}
