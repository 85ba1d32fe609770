#include "base/check.h"
#include "imaging/picture.h"

static const uint32_t side_max =
    1000000; /* far past any picture; keeps sizes inside what int and libvips take */

void pixels_release(struct pixels *p)
{
    g_free(p->data); /* GLib's memory is malloc's, so pixels made elsewhere with malloc may come here too */
    *p = (struct pixels){0};
}

int picture_take(VipsImage *im, struct pixels *ret)
{
    CHECK(vips_image_get_format(im) == VIPS_FORMAT_UCHAR);
    size_t size;
    void *data = vips_image_write_to_memory(im, &size);
    if (!data)
        return -1;
    *ret = (struct pixels){
        .data = data,
        .width = (uint32_t)vips_image_get_width(im),
        .height = (uint32_t)vips_image_get_height(im),
        .bands = (uint8_t)vips_image_get_bands(im),
    };
    CHECK(size == (size_t)ret->width * ret->height * ret->bands);
    return 0;
}

int image_decode(const struct blob *in, const struct image_info *info, struct pixels *ret, struct error *e)
{
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (picture_open(in, info->type, 1, &im) || picture_to_srgb(&im, false))
        return picture_unreadable(e);
    if (info->orientation != 1 && (picture_settle(&im) || picture_upright(&im)))
        return picture_unreadable(e);
    int bands = vips_image_get_bands(im);
    if ((uint32_t)vips_image_get_width(im) != info->width ||
        (uint32_t)vips_image_get_height(im) != info->height || (bands != 3 && bands != 4) ||
        picture_take(im, ret))
        return picture_unreadable(e);
    return 0;
}

/* p as libvips sees it; nothing is copied, so p must outlive it. */
static VipsImage *picture_of(const struct pixels *p)
{
    CHECK(p->bands == 1 || p->bands == 3 || p->bands == 4);
    CHECK(p->width > 0 && p->width <= side_max && p->height > 0 && p->height <= side_max);
    VipsImage *im = vips_image_new_from_memory(p->data, (size_t)p->width * p->height * p->bands,
                                               (int)p->width, (int)p->height, p->bands, VIPS_FORMAT_UCHAR);
    if (im)
        im->Type = p->bands == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    return im;
}

int image_encode(const struct pixels *p, enum image_type type, int quality, struct blob **ret,
                 struct error *e)
{
    CHECK(type != IMAGE_JPEG || p->bands != 4);
    PICTURE_ON_EXIT VipsImage *im = picture_of(p);
    if (!im || picture_save(im, type, quality, ret))
        return picture_failed(e, "encoded");
    return 0;
}

int image_resize(const struct pixels *p, uint32_t width, uint32_t height, struct pixels *ret, struct error *e)
{
    CHECK(width > 0 && width <= side_max && height > 0 && height <= side_max);
    PICTURE_ON_EXIT VipsImage *im = picture_of(p);
    if (!im || picture_resize(&im, width, height) || picture_take(im, ret))
        return picture_failed(e, "resized");
    return 0;
}
