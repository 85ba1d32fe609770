#include "imaging/page_fit.h"

#include <math.h>

#include "base/check.h"

enum { MOST_PERCENT = 93 };

static void replace(VipsImage **im, VipsImage *next)
{
    g_object_unref(*im);
    *im = next;
}

/* How large it is loaded: just covering, or as large as it is if that is less. */
static void cover_size(const struct image_info *info, uint32_t width, uint32_t height, uint32_t *ret_width,
                       uint32_t *ret_height)
{
    double scale = MAX((double)width / info->width, (double)height / info->height);
    *ret_width = info->width;
    *ret_height = info->height;
    if (scale >= 1)
        return;
    *ret_width = MIN(info->width, MAX(width, (uint32_t)lround(info->width * scale)));
    *ret_height = MIN(info->height, MAX(height, (uint32_t)lround(info->height * scale)));
}

/* The largest part of im that has the shape of width × height: at least a pixel. */
static void cut_size(VipsImage *im, uint32_t width, uint32_t height, int *ret_width, int *ret_height)
{
    int has_width = vips_image_get_width(im), has_height = vips_image_get_height(im);
    double scale = MIN((double)has_width / width, (double)has_height / height);
    *ret_width = MAX(1, MIN((int)lround(width * scale), has_width));
    *ret_height = MAX(1, MIN((int)lround(height * scale), has_height));
}

/* Looking takes as long as a third of decoding. */
static int cut_middle(VipsImage **im, int width, int height)
{
    VipsImage *out = NULL;
    if (vips_extract_area(*im, &out, (vips_image_get_width(*im) - width) / 2,
                          (vips_image_get_height(*im) - height) / 2, width, height, NULL))
        return -1;
    replace(im, out);
    return 0;
}

static bool is_most_of(VipsImage *im, int width, int height)
{
    return width * 100.0 >= vips_image_get_width(im) * MOST_PERCENT &&
           height * 100.0 >= vips_image_get_height(im) * MOST_PERCENT;
}

/* The middle of the attention, which libvips gives in pixels of *im. */
static int cut_to_attention(VipsImage **im, int width, int height, struct page_view *ret)
{
    double has_width = vips_image_get_width(*im), has_height = vips_image_get_height(*im);
    int across, down;
    VipsImage *out = NULL;
    if (vips_smartcrop(*im, &out, width, height, "interesting", VIPS_INTERESTING_ATTENTION, "attention_x",
                       &across, "attention_y", &down, NULL))
        return -1;
    replace(im, out);
    int left = -vips_image_get_xoffset(out), top = -vips_image_get_yoffset(out);
    *ret = (struct page_view){
        .seen = {left / has_width, top / has_height, width / has_width, height / has_height},
        .across = MAX(0, MIN((across - left + 0.5) / width, 1)),
        .down = MAX(0, MIN((down - top + 0.5) / height, 1)),
    };
    return 0;
}

static int cut(VipsImage **im, uint32_t width, uint32_t height, struct page_view *ret_view)
{
    int to_width, to_height;
    struct page_view view;
    cut_size(*im, width, height, &to_width, &to_height);
    if (!ret_view && is_most_of(*im, to_width, to_height))
        return cut_middle(im, to_width, to_height);
    if (cut_to_attention(im, to_width, to_height, &view))
        return -1;
    if (ret_view)
        *ret_view = view;
    return 0;
}

int page_fit(const struct blob *in, const struct image_info *info, uint32_t width, uint32_t height,
             VipsImage **ret, struct page_view *ret_view)
{
    CHECK(width > 0 && height > 0 && info->width > 0 && info->height > 0);
    uint32_t load_width, load_height;
    cover_size(info, width, height, &load_width, &load_height);
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (part_open(in, info, &part_whole, load_width, load_height, &im) || picture_flatten(&im) ||
        picture_settle(&im) || cut(&im, width, height, ret_view))
        return -1;
    bool smaller =
        (uint32_t)vips_image_get_width(im) != width || (uint32_t)vips_image_get_height(im) != height;
    if ((smaller && picture_resize(&im, width, height)) || picture_settle(&im))
        return -1;
    CHECK(vips_image_get_bands(im) == 3);
    *ret = TAKE(im);
    return 0;
}
