#include "imaging/part.h"

#include <math.h>

#include "imaging/prescale.h"

/* The nearest whole pixels; at least one. */
static void pixel_range(double from, double share, int length, int *ret_from, int *ret_count)
{
    int first = MIN((int)lround(from * length), length - 1);
    *ret_count = MAX(1, MIN((int)lround(share * length), length - first));
    *ret_from = first;
}

static int cut(VipsImage **im, const struct part *part)
{
    int left, top, width, height;
    pixel_range(part->left, part->width, vips_image_get_width(*im), &left, &width);
    pixel_range(part->top, part->height, vips_image_get_height(*im), &top, &height);
    VipsImage *out = NULL;
    if (vips_extract_area(*im, &out, left, top, width, height, NULL))
        return -1;
    g_object_unref(*im);
    *im = out;
    return 0;
}

static bool has_size(VipsImage *im, uint32_t width, uint32_t height)
{
    return (uint32_t)vips_image_get_width(im) == width && (uint32_t)vips_image_get_height(im) == height;
}

/* How large all of the picture would be; never larger than it is, for the loader only shrinks. */
static uint32_t whole_side(uint32_t wanted, double share, uint32_t has)
{
    return (uint32_t)MAX(1, MIN(ceil(wanted / share), has));
}

int part_open(const struct blob *in, const struct image_info *info, const struct part *part, uint32_t width,
              uint32_t height, VipsImage **ret)
{
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (prescale_open(in, info, whole_side(width, part->width, info->width),
                      whole_side(height, part->height, info->height), &im))
        return -1;
    if (!info->has_profile && picture_to_srgb(&im, false))
        return -1;
    if (info->orientation != 1 && (picture_settle(&im) || picture_upright(&im)))
        return -1;
    if (cut(&im, part) || (!has_size(im, width, height) && picture_resize(&im, width, height)))
        return -1;
    if (info->has_profile && picture_to_srgb(&im, false)) /* there may be fewer pixels now */
        return -1;
    *ret = TAKE(im);
    return 0;
}
