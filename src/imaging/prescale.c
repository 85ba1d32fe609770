#include "imaging/prescale.h"

#include <math.h>

#include "base/check.h"
#include "imaging/picture.h"

/* Sides that the formats can hold. */
enum { JPEG_SIDE_MAX = 65500, WEBP_SIDE_MAX = 16383 };

static uint64_t square_root(uint64_t x) /* floored; x < 2^63 */
{
    uint64_t r = (uint64_t)sqrt((double)x);
    while (r * r > x)
        r--;
    while ((r + 1) * (r + 1) <= x)
        r++;
    return r;
}

/* floor(side × min(1, sqrt(max_pixels / (side × other)), max_side / longer)): the floor of the least is the
 * least of the floors, and side × sqrt(max_pixels / (side × other)) is sqrt(max_pixels × side / other). */
static uint64_t shrunk_side(uint64_t side, uint64_t other, uint64_t max_pixels, uint64_t max_side)
{
    unsigned __int128 square = (unsigned __int128)max_pixels * side / other;
    uint64_t by_pixels = square >= side * side ? side : square_root((uint64_t)square);
    uint64_t by_side = side * max_side / MAX(side, other);
    return MAX(1u, MIN(side, MIN(by_pixels, by_side)));
}

void prescale_size(uint32_t width, uint32_t height, uint64_t max_pixels, uint32_t max_side,
                   uint32_t *ret_width, uint32_t *ret_height)
{
    CHECK(width > 0 && height > 0 && width <= INT32_MAX && height <= INT32_MAX && max_pixels > 0 &&
          max_side > 0);
    uint64_t w = shrunk_side(width, height, max_pixels, max_side);
    uint64_t h = shrunk_side(height, width, max_pixels, max_side);
    if (w == 1)
        h = MIN(h, max_pixels);
    if (h == 1)
        w = MIN(w, max_pixels);
    *ret_width = (uint32_t)w;
    *ret_height = (uint32_t)h;
}

struct job {
    const struct image_info *info;
    uint32_t width, height; /* wanted, as stored: before turning upright */
    bool keep_alpha;
};

/* How much smaller the loader shall hand it over. Its filter is a plain average, so the last factor of two is
 * left to the good one. */
static double load_shrink(const struct job *j, uint32_t stored_width, uint32_t stored_height)
{
    double shrink = MIN((double)stored_width / j->width, (double)stored_height / j->height);
    if (j->info->type == IMAGE_WEBP) /* loads all of it into memory, so any shrinking helps */
        return MAX(1, shrink / 2);
    if (j->info->type == IMAGE_JPEG)
        return shrink >= 16 ? 8 : shrink >= 8 ? 4 : shrink >= 4 ? 2 : 1;
    return 1;
}

static int open_shrunk(const struct blob *in, const struct job *j, VipsImage **ret)
{
    const struct image_info *info = j->info;
    bool lies = info->orientation >= 5;
    uint32_t width = lies ? info->height : info->width;
    uint32_t height = lies ? info->width : info->height;
    double shrink = load_shrink(j, width, height);

    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (picture_open(in, info->type, shrink, &im))
        return -1;
    if (fabs(vips_image_get_width(im) - width / shrink) >= 1 ||
        fabs(vips_image_get_height(im) - height / shrink) >= 1)
        return -1;
    *ret = TAKE(im);
    return 0;
}

int prescale_open(const struct blob *in, const struct image_info *info, uint32_t width, uint32_t height,
                  VipsImage **ret)
{
    bool lies = info->orientation >= 5;
    struct job j = {.info = info, .width = lies ? height : width, .height = lies ? width : height};
    return open_shrunk(in, &j, ret);
}

/* Describes the whole way; what is upright already is decoded while it is saved. Colours that lcms has to
 * convert are converted last: there are fewer pixels then. */
static int render(const struct blob *in, const struct job *j, VipsImage **ret)
{
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (open_shrunk(in, j, &im))
        return -1;
    bool colours_last = j->info->has_profile;
    if (!colours_last && picture_to_srgb(&im, true))
        return -1;
    if (!j->keep_alpha && picture_flatten(&im))
        return -1;
    if (((uint32_t)vips_image_get_width(im) != j->width ||
         (uint32_t)vips_image_get_height(im) != j->height) &&
        picture_resize(&im, j->width, j->height))
        return -1;
    if (colours_last && picture_to_srgb(&im, true))
        return -1;
    if (j->info->orientation != 1 && (picture_settle(&im) || picture_upright(&im)))
        return -1;
    *ret = TAKE(im);
    return 0;
}

static enum image_type scaled_type(const struct prescale_rule *rule, bool alpha, uint32_t longer)
{
    enum image_type type = rule->format == PRESCALE_JPEG  ? IMAGE_JPEG
                           : rule->format == PRESCALE_PNG ? IMAGE_PNG
                                                          : IMAGE_WEBP;
    if (type == IMAGE_WEBP && longer > WEBP_SIDE_MAX)
        type = IMAGE_JPEG;
    if (type == IMAGE_JPEG && (alpha || longer > JPEG_SIDE_MAX))
        type = IMAGE_PNG;
    return type;
}

/* Saving failed: was it the reading or the writing? */
static int explain(const struct blob *in, const struct job *j, struct error *e)
{
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (render(in, j, &im) || picture_settle(&im))
        return picture_unreadable(e);
    return picture_failed(e, "written after shrinking");
}

/* The WebP encoder leaves out alpha that is solid everywhere. */
static bool has_alpha_left(const struct blob *image, enum image_type type, uint32_t shorter)
{
    PICTURE_ON_EXIT VipsImage *im = NULL;
    return type != IMAGE_WEBP || picture_open(image, type, shorter, &im) || vips_image_hasalpha(im);
}

static int redraw(const struct blob *in, const struct image_info *info, const struct prescale_rule *rule,
                  uint32_t width, uint32_t height, struct prescaled *ret, struct error *e)
{
    bool lies = info->orientation >= 5;
    bool scaled = width != info->width || height != info->height;
    struct job j = {
        .info = info,
        .width = lies ? height : width,
        .height = lies ? width : height,
        .keep_alpha = rule->keep_alpha,
    };

    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (render(in, &j, &im))
        return picture_unreadable(e);

    bool alpha = vips_image_hasalpha(im);
    enum image_type type =
        scaled || rule->convert ? scaled_type(rule, alpha, MAX(width, height)) : info->type;
    struct blob *image;
    if (picture_save(im, type, rule->quality, &image))
        return explain(in, &j, e);
    alpha = alpha && has_alpha_left(image, type, MIN(width, height));
    *ret = (struct prescaled){
        .image = image,
        .info = {.type = type, .width = width, .height = height, .orientation = 1, .has_alpha = alpha},
        .scaled = scaled,
        .original_width = info->width,
        .original_height = info->height,
    };
    return 0;
}

int image_prescale(struct blob *in, const struct image_info *info, const struct prescale_rule *rule,
                   struct prescaled *ret, struct error *e)
{
    uint32_t width, height;
    prescale_size(info->width, info->height, rule->max_pixels, rule->max_side, &width, &height);
    if (width != info->width || height != info->height || info->orientation != 1 || rule->convert)
        return redraw(in, info, rule, width, height, ret, e);
    *ret = (struct prescaled){
        .image = blob_ref(in),
        .info = *info,
        .original_width = info->width,
        .original_height = info->height,
    };
    return 0;
}
