/* Happy path: the background is drawn; the upload is decoded upright; the model's alpha is brought to its
 * size; edges are softened in a copy of it; the upload's colours become the subject's; the subject goes over
 * its shadow and the background; what is left is encoded. There are three planes of alpha: `alpha` is how
 * much subject the photo has in a pixel, `shown` how much of it the result shows there, and `shade` is
 * `shown`, blurred, before it is weakened to a shadow.
 *
 * Colours are mixed as they are, in sRGB, as design programs and browsers do. Where nothing has to be mixed a
 * pixel is copied: solid subject is the photo, byte for byte, and clear background the background. */
#include "imaging/compose.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "imaging/backdrop.h"
#include "imaging/foreground.h"
#include "imaging/joint.h"
#include "imaging/mask.h"
#include "imaging/part.h"
#include "imaging/prescale.h"

enum { JPEG_SIDE_MAX = 65500, WEBP_SIDE_MAX = 16383, SHADOW_PERCENT = 35 };

static const double shadow_sigma = 8; /* in pixels of the upload */

struct work {
    const struct compose_request *req;
    uint32_t width, height;            /* of the result */
    double scale;                      /* result / upload */
    struct pixels photo;               /* 3 bands; later the subject's colours */
    struct pixels alpha, shown, shade; /* 1 band; shade.data NULL: no shadow */
    struct pixels behind;              /* 3 or 4 bands; data NULL: nothing */
};

static void release(struct work *w)
{
    pixels_release(&w->photo);
    pixels_release(&w->alpha);
    pixels_release(&w->shown);
    pixels_release(&w->shade);
    pixels_release(&w->behind);
}

static int new_pixels(uint32_t width, uint32_t height, uint8_t bands, struct pixels *ret, struct error *e)
{
    CHECK(width > 0 && height > 0);
    uint8_t *data = malloc((size_t)width * height * bands);
    if (!data) {
        error_set(e, ERR_INTERNAL, "no memory for a picture of %u × %u", width, height);
        return -ERR_INTERNAL;
    }
    *ret = (struct pixels){data, width, height, bands};
    return 0;
}

static int copy_mask(const struct pixels *from, struct pixels *ret, struct error *e)
{
    CHECK(from->data && from->bands == 1);
    int r = new_pixels(from->width, from->height, 1, ret, e);
    if (r == 0)
        memcpy(ret->data, from->data, (size_t)from->width * from->height);
    return r;
}

static void choose_size(struct work *w)
{
    const struct image_info *info = &w->req->foreground_info;
    uint32_t side = w->req->output == IMAGE_JPEG   ? JPEG_SIDE_MAX
                    : w->req->output == IMAGE_WEBP ? WEBP_SIDE_MAX
                                                   : INT32_MAX;
    prescale_size(info->width, info->height, w->req->max_pixels, side, &w->width, &w->height);
    w->scale = sqrt((double)w->width * w->height / ((double)info->width * info->height));
}

/* Takes the alpha out of p, which then has 3 bands. */
static int split(struct pixels *p, struct pixels *ret_alpha, struct error *e)
{
    int r = new_pixels(p->width, p->height, 1, ret_alpha, e);
    if (r)
        return r;
    size_t count = (size_t)p->width * p->height;
    for (size_t i = 0; i < count; i++) {
        ret_alpha->data[i] = p->data[4 * i + 3];
        memmove(p->data + 3 * i, p->data + 4 * i, 3);
    }
    p->bands = 3;
    return 0;
}

/* alpha: the upload's own; data NULL if it has none. */
static int load_photo(struct work *w, struct pixels *ret_alpha, struct error *e)
{
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (part_open(w->req->foreground, &w->req->foreground_info, &part_whole, w->width, w->height, &im) ||
        picture_take(im, &w->photo))
        return error_set_field(e, ERR_VALIDATION, "fg",
                               "The photo's data is damaged and cannot be read in full");
    return w->photo.bands == 4 ? split(&w->photo, ret_alpha, e) : 0;
}

static int load_cutout(const struct work *w, struct pixels *ret_alpha, struct error *e)
{
    if (!w->req->cutout_info.has_alpha)
        return error_set(e, ERR_UPSTREAM, "The model gave back a picture without transparency");
    CLEANUP(pixels_release) struct pixels cutout = {0};
    if (image_decode(w->req->cutout, &w->req->cutout_info, &cutout, e) || cutout.bands != 4) {
        *e = (struct error){0};
        return error_set(e, ERR_UPSTREAM, "The picture that the model gave back cannot be read");
    }
    return split(&cutout, ret_alpha, e);
}

static int fit_alpha(struct work *w, const struct pixels *small, struct error *e)
{
    if (small->width == w->width && small->height == w->height)
        return copy_mask(small, &w->alpha, e);
    if (small->width <= w->width && small->height <= w->height)
        return joint_enlarge(small, &w->photo, &w->alpha, e);
    return image_resize(small, w->width, w->height, &w->alpha, e);
}

/* What the upload has transparent is no subject, whatever the model says. */
static void keep_clear(struct pixels *alpha, const struct pixels *own)
{
    CHECK(alpha->data && own->width == alpha->width && own->height == alpha->height);
    size_t count = (size_t)own->width * own->height;
    for (size_t i = 0; i < count; i++)
        alpha->data[i] = MIN(alpha->data[i], own->data[i]);
}

/* photo and alpha */
static int load(struct work *w, struct error *e)
{
    CLEANUP(pixels_release) struct pixels own = {0}, small = {0};
    int r = load_photo(w, &own, e);
    if (r == 0)
        r = load_cutout(w, &small, e);
    if (r == 0)
        r = fit_alpha(w, &small, e);
    if (r == 0 && own.data)
        keep_clear(&w->alpha, &own);
    return r;
}

/* The background first: what its decoder needs for a while is gone when the rest comes. */
static int prepare(struct work *w, struct error *e)
{
    int r = 0;
    if (w->req->background)
        r = backdrop_draw(w->req, w->width, w->height, w->req->output != IMAGE_JPEG, &w->behind, e);
    if (r == 0)
        r = load(w, e);
    if (r == 0)
        r = copy_mask(&w->alpha, &w->shown, e);
    if (r == 0)
        r = mask_feather(&w->shown, (uint32_t)lround(w->req->feather_px * w->scale), e);
    if (r == 0)
        r = foreground_estimate(&w->photo, &w->alpha, &w->shown, e);
    pixels_release(&w->alpha);
    if (r == 0 && w->req->shadow)
        r = copy_mask(&w->shown, &w->shade, e);
    if (r == 0 && w->req->shadow)
        r = mask_shadow(&w->shade, shadow_sigma * w->scale, e);
    return r;
}

struct layer {
    const uint8_t *colour;
    uint32_t alpha;
};

/* Subject over shadow over background, as premultiplied colours; whole numbers throughout, which just fit
 * into 32 bits: 255^4. */
static void mix(struct layer subject, uint32_t shadow, struct layer behind, unsigned bands, uint8_t *to)
{
    uint32_t through = 255 - subject.alpha, lit = 255 - shadow;
    uint32_t below = shadow * 255 + behind.alpha * lit; /* alpha of both lower layers, × 255 */
    uint32_t all = subject.alpha * 255 * 255 + below * through;
    for (unsigned b = 0; b < 3; b++) {
        uint32_t sum =
            subject.colour[b] * subject.alpha * 255 * 255 + behind.colour[b] * behind.alpha * lit * through;
        to[b] = (uint8_t)(all ? (sum + all / 2) / all : 0);
    }
    if (bands == 4)
        to[3] = (uint8_t)((all + 255 * 255 / 2) / (255 * 255));
}

/* to may be the photo or what is behind. */
static void blend(const struct work *w, struct pixels *to)
{
    static const uint8_t nothing[4] = {0};
    unsigned behind_bands = w->behind.data ? w->behind.bands : 0;
    size_t count = (size_t)w->width * w->height;
    for (size_t i = 0; i < count; i++) {
        struct layer subject = {w->photo.data + 3 * i, w->shown.data[i]};
        const uint8_t *under = w->behind.data ? w->behind.data + behind_bands * i : nothing;
        struct layer behind = {under, behind_bands == 4 ? under[3] : behind_bands ? 255 : 0};
        uint32_t shadow = w->shade.data ? (w->shade.data[i] * SHADOW_PERCENT + 50u) / 100 : 0;
        uint8_t pixel[4] = {0, 0, 0, 255};
        if (subject.alpha == 255)
            memcpy(pixel, subject.colour, 3);
        else if (subject.alpha == 0 && shadow == 0 && behind.alpha == 255)
            memcpy(pixel, behind.colour, 3);
        else
            mix(subject, shadow, behind, to->bands, pixel);
        memcpy(to->data + (size_t)to->bands * i, pixel, to->bands);
    }
}

/* The result takes the place of the background, or else of nothing. */
static int finish(struct work *w, struct composed *ret, struct error *e)
{
    if (!w->behind.data) {
        struct pixels clear;
        int r = new_pixels(w->width, w->height, 4, &clear, e);
        if (r)
            return r;
        blend(w, &clear);
        w->behind = clear;
    } else {
        blend(w, &w->behind);
    }
    pixels_release(&w->photo);
    pixels_release(&w->shown);
    pixels_release(&w->shade);
    struct blob *image;
    int r = image_encode(&w->behind, w->req->output, w->req->quality, &image, e);
    if (r)
        return r;
    *ret = (struct composed){
        .image = image,
        .type = w->req->output,
        .width = w->width,
        .height = w->height,
        .scaled = w->width != w->req->foreground_info.width || w->height != w->req->foreground_info.height,
    };
    return 0;
}

int image_compose(const struct compose_request *req, struct composed *ret, struct error *e)
{
    CHECK(req->background || req->output != IMAGE_JPEG);
    CHECK(req->feather_px <= COMPOSE_FEATHER_MAX);
    CLEANUP(release) struct work w = {.req = req};
    choose_size(&w);
    int r = prepare(&w, e);
    return r ? r : finish(&w, ret, e);
}
