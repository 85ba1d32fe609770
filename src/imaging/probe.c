#include "imaging/picture.h"
#include "imaging/scan.h"

/* Below this a picture is cheap to decode whatever its bytes say, and honest flat ones (a scan of an empty
 * page, a screenshot of one colour) reach thousands of pixels a byte. The ratio counts above it only. */
static const uint64_t ratio_free_pixels = 16000000;

/* A progressive JPEG costs one walk over the picture per pass, and a pass may be a few bytes. Encoders write
 * about ten; small pictures may have more, large ones not so many that a lane is blocked for long. */
enum { PASSES_ALWAYS = 20, PASSES_EVER = 100 };
static const uint64_t passes_pixels_max = 1000000000;

static int invalid(struct error *e, const char *reason)
{
    return error_set_field(e, ERR_VALIDATION, "image", "%s", reason);
}

static int unsupported(const struct blob *in, struct error *e)
{
    const char *seems = sniff_foreign(in->data, in->size);
    if (seems)
        return error_set_field(e, ERR_UNSUPPORTED_MEDIA_TYPE, "image",
                               "The upload is %s; JPEG, PNG, WebP and AVIF images are accepted", seems);
    return error_set_field(e, ERR_UNSUPPORTED_MEDIA_TYPE, "image",
                           "The upload is not an image; JPEG, PNG, WebP and AVIF are accepted");
}

static int check_size(const struct image_limits *limits, uint64_t width, uint64_t height, struct error *e)
{
    if (width * height <= limits->max_pixels)
        return 0;
    return error_set_field(e, ERR_VALIDATION, "image",
                           "The image declares %llu x %llu pixels; at most %.6g megapixels are accepted",
                           (unsigned long long)width, (unsigned long long)height,
                           (double)limits->max_pixels / 1e6);
}

static int check_fault(enum scan_fault fault, struct error *e)
{
    switch (fault) {
    case SCAN_WHOLE:
        return 0;
    case SCAN_TRUNCATED:
        return invalid(e, "The image is cut off: its end is missing");
    case SCAN_ANIMATED:
        return invalid(e, "The image is animated; only still images are accepted");
    case SCAN_NO_PIXELS:
        return invalid(e, "The image declares a width or height of zero");
    case SCAN_DAMAGED:
        break;
    }
    return invalid(e, "The image file is damaged: its parts do not fit together");
}

static int check_bomb(const struct image_limits *limits, const struct blob *in, uint64_t pixels,
                      unsigned passes, struct error *e)
{
    if (pixels > ratio_free_pixels && pixels / in->size >= limits->max_pixels_per_byte)
        return error_set_field(
            e, ERR_VALIDATION, "image",
            "The image unpacks %zu bytes into %llu pixels; at most %llu pixels a byte are accepted", in->size,
            (unsigned long long)pixels, (unsigned long long)limits->max_pixels_per_byte);
    if (passes > PASSES_EVER || (passes > PASSES_ALWAYS && passes * pixels > passes_pixels_max))
        return error_set_field(e, ERR_VALIDATION, "image",
                               "The JPEG image is stored in %u passes, too many for its size", passes);
    return 0;
}

/* What our own walk can say. */
static int check_structure(const struct blob *in, enum image_type type, const struct image_limits *limits,
                           struct image_scan *scan, struct error *e)
{
    enum scan_fault fault = scan_image(type, in->data, in->size, scan);
    int r = check_size(limits, scan->width, scan->height, e);
    if (r == 0)
        r = check_fault(fault, e);
    if (r == 0)
        r = check_bomb(limits, in, (uint64_t)scan->width * scan->height, scan->passes, e);
    return r;
}

/* libvips' WebP loader takes memory for the picture when it reads the header, unless it is to be tiny. */
static double header_shrink(enum image_type type, const struct image_scan *scan)
{
    return type == IMAGE_WEBP ? MIN(scan->width, scan->height) : 1;
}

static bool sizes_agree(enum image_type type, const struct image_scan *scan, const VipsImage *im)
{
    if (type != IMAGE_JPEG && type != IMAGE_PNG)
        return true;
    return scan->width == (uint32_t)im->Xsize && scan->height == (uint32_t)im->Ysize;
}

int image_probe(const struct blob *in, const struct image_limits *limits, struct image_info *ret,
                struct error *e)
{
    if (in->size == 0)
        return invalid(e, "The image is empty");
    enum image_type type = image_sniff(in->data, in->size);
    if (type == IMAGE_UNKNOWN)
        return unsupported(in, e);

    struct image_scan scan;
    int r = check_structure(in, type, limits, &scan, e);
    if (r)
        return r;

    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (picture_open(in, type, header_shrink(type, &scan), &im) || !sizes_agree(type, &scan, im))
        return picture_unreadable(e);
    if (type == IMAGE_AVIF) { /* which of its parts is the picture, and how it is turned, the loader knows */
        scan.width = (uint32_t)vips_image_get_width(im);
        scan.height = (uint32_t)vips_image_get_height(im);
        r = check_size(limits, scan.width, scan.height, e);
        if (r == 0)
            r = check_bomb(limits, in, (uint64_t)scan.width * scan.height, 0, e);
        if (r)
            return r;
    }

    bool cmyk = vips_image_get_interpretation(im) == VIPS_INTERPRETATION_CMYK;
    bool lies = vips_image_get_orientation_swap(im);
    *ret = (struct image_info){
        .type = type,
        .width = lies ? scan.height : scan.width,
        .height = lies ? scan.width : scan.height,
        .orientation = (uint8_t)vips_image_get_orientation(im),
        .has_alpha = vips_image_hasalpha(im),
        .is_cmyk = cmyk,
        .has_profile = picture_has_foreign_profile(im) || cmyk,
    };
    return 0;
}
