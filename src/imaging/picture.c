#include "imaging/picture.h"

#include <string.h>

#include "base/check.h"
#include "imaging/scan.h"

static void replace(VipsImage **im, VipsImage *next)
{
    g_object_unref(*im);
    *im = next;
}

/* A decoder's warning about a JPEG mostly means that pixels are wrong (half the photo grey), unless its
 * header is of a kind that is known to cause warnings for nothing. */
static VipsFailOn jpeg_strictness(const struct blob *in)
{
    struct image_scan scan;
    if (scan_image(IMAGE_JPEG, in->data, in->size, &scan) != SCAN_WHOLE || scan.odd_header)
        return VIPS_FAIL_ON_ERROR;
    return VIPS_FAIL_ON_WARNING;
}

int picture_open(const struct blob *in, enum image_type type, double shrink, VipsImage **ret)
{
    void *data = (void *)(uintptr_t)in->data; /* libvips only reads it */
    switch (type) {
    case IMAGE_JPEG:
        return vips_jpegload_buffer(data, in->size, ret, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                    jpeg_strictness(in), "shrink", (int)shrink, NULL);
    case IMAGE_PNG:
        return vips_pngload_buffer(data, in->size, ret, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                   VIPS_FAIL_ON_ERROR, NULL);
    case IMAGE_WEBP:
        return vips_webpload_buffer(data, in->size, ret, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                    VIPS_FAIL_ON_ERROR, "scale", 1.0 / shrink, NULL);
    case IMAGE_AVIF:
        return vips_heifload_buffer(data, in->size, ret, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                    VIPS_FAIL_ON_ERROR, NULL);
    case IMAGE_UNKNOWN:
    case IMAGE_TYPE_COUNT:
        break;
    }
    CHECK(false && "no loader for this type");
    return -1;
}

/* The name in the profile's description is the only thing that sRGB profiles have in common. It is text or
 * UTF-16, depending on the profile's version. */
static bool names_srgb(const uint8_t *profile, size_t size)
{
    static const char wide[] = {0, 's', 0, 'R', 0, 'G', 0, 'B'};
    const size_t header = 128, entry = 12;
    if (size < header + 4 || memcmp(profile + 16, "RGB ", 4) != 0)
        return false;
    uint32_t tags;
    memcpy(&tags, profile + header, sizeof(tags));
    tags = GUINT32_FROM_BE(tags);
    for (uint32_t i = 0; i < tags && size - header - 4 >= (i + 1) * entry; i++) {
        uint32_t tag[3];
        memcpy(tag, profile + header + 4 + i * entry, sizeof(tag));
        size_t at = GUINT32_FROM_BE(tag[1]), length = GUINT32_FROM_BE(tag[2]);
        if (memcmp(tag, "desc", 4) != 0 || at > size || length > size - at)
            continue;
        return memmem(profile + at, length, "sRGB", 4) || memmem(profile + at, length, wide, sizeof(wide));
    }
    return false;
}

bool picture_has_foreign_profile(VipsImage *im)
{
    const void *profile;
    size_t size;
    if (!vips_image_get_typeof(im, VIPS_META_ICC_NAME) ||
        vips_image_get_blob(im, VIPS_META_ICC_NAME, &profile, &size))
        return false;
    return !names_srgb(profile, size) && vips_icc_is_compatible_profile(im, profile, size);
}

int picture_to_srgb(VipsImage **im, bool keep_grey)
{
    VipsImage *out = NULL;
    if (picture_has_foreign_profile(*im)) {
        if (vips_icc_transform(*im, &out, "srgb", "embedded", TRUE, "depth", 8, NULL))
            return -1;
    } else {
        bool grey = keep_grey && vips_image_get_bands(*im) < 3;
        if (vips_colourspace(*im, &out, grey ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL))
            return -1;
    }
    replace(im, out);
    return 0;
}

int picture_flatten(VipsImage **im)
{
    if (!vips_image_hasalpha(*im))
        return 0;
    double white = vips_interpretation_max_alpha(vips_image_get_interpretation(*im));
    VipsArrayDouble *background = vips_array_double_new(&white, 1);
    VipsImage *out = NULL;
    int r = vips_flatten(*im, &out, "background", background, NULL);
    vips_area_unref((VipsArea *)background);
    if (r)
        return -1;
    replace(im, out);
    return 0;
}

/* From float to format; a cast alone would cut the decimals off. Clips. */
static int round_to(VipsImage **im, VipsBandFormat format)
{
    PICTURE_ON_EXIT VipsImage *whole = NULL;
    VipsImage *out = NULL;
    if (vips_rint(*im, &whole, NULL) || vips_cast(whole, &out, format, NULL))
        return -1;
    replace(im, out);
    return 0;
}

/* The filter then works in integers, which is much faster; what that loses of a faint pixel's colour cannot
 * be seen. */
static int premultiply(VipsImage **im)
{
    VipsBandFormat format = vips_image_get_format(*im);
    VipsImage *out = NULL;
    if (vips_premultiply(*im, &out, NULL))
        return -1;
    replace(im, out);
    return round_to(im, format);
}

/* The filter overshoots at edges, so colour may be above alpha: rounding clips it. */
static int unpremultiply(VipsImage **im)
{
    VipsBandFormat format = vips_image_get_format(*im);
    VipsImage *out = NULL;
    if (vips_unpremultiply(*im, &out, NULL))
        return -1;
    replace(im, out);
    return round_to(im, format);
}

/* libvips rounds size × scale to the nearest, so these scales hit the sides exactly. */
/* Bicubic, the middles of pixels being where they are; beyond the border the picture goes on as it ends. */
static int enlarge(VipsImage **im, uint32_t width, uint32_t height)
{
    double across = (double)width / vips_image_get_width(*im);
    double down = (double)height / vips_image_get_height(*im);
    VipsInterpolate *bicubic = vips_interpolate_new("bicubic");
    VipsArrayInt *area = vips_array_int_newv(4, 0, 0, (int)width, (int)height);
    VipsImage *out = NULL;
    int r = !bicubic || vips_affine(*im, &out, across, 0.0, 0.0, down, "interpolate", bicubic, "idx", 0.5,
                                    "idy", 0.5, "odx", -0.5, "ody", -0.5, "oarea", area, "extend",
                                    VIPS_EXTEND_COPY, "premultiplied", TRUE, NULL);
    if (bicubic)
        g_object_unref(bicubic);
    vips_area_unref(VIPS_AREA(area));
    if (r)
        return -1;
    replace(im, out);
    return 0;
}

int picture_resize(VipsImage **im, uint32_t width, uint32_t height)
{
    double across = (double)width / vips_image_get_width(*im);
    double down = (double)height / vips_image_get_height(*im);
    bool alpha = vips_image_hasalpha(*im);
    VipsImage *out = NULL;

    if (alpha && premultiply(im))
        return -1;
    /* Shrinking first. vips_resize would enlarge too, but half a pixel of the result to the right and down.
     */
    if (vips_resize(*im, &out, MIN(across, 1), "vscale", MIN(down, 1), "kernel", VIPS_KERNEL_LANCZOS3, NULL))
        return -1;
    replace(im, out);
    if ((across > 1 || down > 1) && enlarge(im, width, height))
        return -1;
    return alpha ? unpremultiply(im) : 0;
}

int picture_settle(VipsImage **im)
{
    VipsImage *out = vips_image_copy_memory(*im);
    if (!out)
        return -1;
    replace(im, out);
    return 0;
}

int picture_upright(VipsImage **im)
{
    VipsImage *out = NULL;
    if (vips_autorot(*im, &out, NULL))
        return -1;
    replace(im, out);
    return 0;
}

int picture_save(VipsImage *im, enum image_type type, int quality, struct blob **ret)
{
    void *data = NULL;
    size_t size = 0;
    int r = -1;

    switch (type) {
    case IMAGE_JPEG: /* colour at full resolution (4:4:4) from quality 90 on: libvips' default */
        r = vips_jpegsave_buffer(im, &data, &size, "Q", quality, "keep", VIPS_FOREIGN_KEEP_NONE, NULL);
        break;
    case IMAGE_PNG:
        r = vips_pngsave_buffer(im, &data, &size, "compression", 4, "filter", VIPS_FOREIGN_PNG_FILTER_SUB,
                                "keep", VIPS_FOREIGN_KEEP_NONE, NULL);
        break;
    case IMAGE_WEBP:
        r = vips_webpsave_buffer(im, &data, &size, "Q", quality, "effort", 2, "keep", VIPS_FOREIGN_KEEP_NONE,
                                 NULL);
        break;
    case IMAGE_UNKNOWN:
    case IMAGE_AVIF:
    case IMAGE_TYPE_COUNT:
        CHECK(false && "no saver for this type");
    }
    if (r)
        return -1;
    *ret = blob_take(data, size, g_free);
    return 0;
}

int picture_unreadable(struct error *e)
{
    return error_set_field(e, ERR_VALIDATION, "image",
                           "The image data is damaged and cannot be read in full");
}

int picture_failed(struct error *e, const char *doing)
{
    return error_set(e, ERR_INTERNAL, "The image could not be %s", doing);
}
