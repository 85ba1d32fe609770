/* A cut-out: the alpha of matte.h, and the subject's colours without those of its old background. */
#include <string.h>

#include "base/check.h"
#include "imaging/foreground.h"
#include "imaging/mask.h"
#include "local/inside.h"
#include "local/matte.h"

/* A subject's colours go on a little under what is transparent: who enlarges the picture mixes them in. */
enum { MARGIN = 2 };

/* in without its transparency, if it has any. */
static int colours_of(const struct pixels *in, struct pixels *ret, struct error *e)
{
    size_t count = (size_t)in->width * in->height;
    struct pixels colour = {malloc(3 * count), in->width, in->height, 3};
    if (!colour.data)
        return error_set(e, ERR_INTERNAL, "no memory for a cut-out of %u × %u", in->width, in->height);
    for (size_t i = 0; i < count; i++)
        memcpy(colour.data + 3 * i, in->data + in->bands * i, 3);
    *ret = colour;
    return 0;
}

static int join(const struct pixels *colour, const struct pixels *alpha, const struct pixels *shown,
                struct pixels *ret, struct error *e)
{
    size_t count = (size_t)alpha->width * alpha->height;
    struct pixels out = {calloc(count, 4), alpha->width, alpha->height, 4};
    if (!out.data)
        return error_set(e, ERR_INTERNAL, "no memory for a cut-out of %u × %u", alpha->width, alpha->height);
    for (size_t i = 0; i < count; i++) {
        if (shown->data[i])
            memcpy(out.data + 4 * i, colour->data + 3 * i, 3);
        out.data[4 * i + 3] = alpha->data[i];
    }
    *ret = out;
    return 0;
}

/* colour loses its old background. */
static int cut(struct pixels *colour, const struct pixels *alpha, struct pixels *ret, struct error *e)
{
    size_t count = (size_t)alpha->width * alpha->height;
    struct pixels shown = {malloc(count), alpha->width, alpha->height, 1};
    if (!shown.data)
        return error_set(e, ERR_INTERNAL, "no memory for a cut-out of %u × %u", alpha->width, alpha->height);
    memcpy(shown.data, alpha->data, count);
    int r = mask_blur(&shown, MARGIN, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        shown.data[i] = MAX(shown.data[i], alpha->data[i]);
    if (r == 0)
        r = foreground_estimate(colour, alpha, &shown, e);
    if (r == 0)
        r = join(colour, alpha, &shown, ret, e);
    pixels_release(&shown);
    return r;
}

static int cut_out(struct matte_run *run, const struct pixels *in, struct pixels *ret, struct error *e)
{
    struct pixels alpha, colour = {0};
    int r = matte_pixels(run, in, &alpha, e);
    if (r < 0)
        return r;
    r = local_given_up(run->cancelled, e);
    if (r == 0)
        r = colours_of(in, &colour, e);
    if (r == 0)
        r = cut(&colour, &alpha, ret, e);
    pixels_release(&colour);
    pixels_release(&alpha);
    return r;
}

static int cutout(struct local *l, const struct cutout_request *req, struct cutout_result *ret,
                  struct error *e)
{
    struct matte_run run = {.local = l, .cancelled = req->cancelled};
    struct pixels in, out;
    int r = local_given_up(req->cancelled, e);
    if (r == 0)
        r = image_decode(req->image, req->info, &in, e);
    if (r != 0)
        return r;
    r = cut_out(&run, &in, &out, e);
    pixels_release(&in);
    if (r < 0)
        return r;
    struct cutout_result done = {
        .width = out.width, .height = out.height, .model = models[MODEL_ISNET].name, .seconds = run.seconds};
    r = local_given_up(req->cancelled, e);
    if (r == 0)
        r = image_encode(&out, IMAGE_PNG, 0, &done.image, e);
    pixels_release(&out);
    if (r == 0)
        *ret = done;
    return r;
}

int local_cutout(struct local *l, const struct cutout_request *req, struct cutout_result *ret,
                 struct error *e)
{
    local_begin(l);
    int r = cutout(l, req, ret, e);
    local_end(l);
    return r;
}
