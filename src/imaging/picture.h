/* picture.h: inside of src/imaging. The steps on libvips images that probe, prescale and pixels share.
 *
 * A step takes VipsImage **im, and on success puts the new image there and drops the old one; on failure im
 * stays and is still the caller's. Steps return 0 or -1: what that means to the caller of limner is for the
 * file that knows what was being done. Most steps only describe work; pixels are read when the picture is
 * settled or saved. */
#pragma once

#include "imaging/imaging.h"

#include <vips/vips.h> /* after ours: GLib has MIN and MAX too, and undefines others first */

/* Also empties libvips' error text, which grows messages even from reads that go well. It is one for all
 * threads and so may be about another's picture: nothing of it is ever shown. */
static inline void cleanup_picture(VipsImage **im)
{
    if (*im)
        g_object_unref(*im);
    vips_error_clear();
}
#define PICTURE_ON_EXIT CLEANUP(cleanup_picture)

/* Opens the header; pixels come later, once, top to bottom. shrink ≥ 1: the loader may hand over the picture
 * smaller by that factor (JPEG: 1, 2, 4, 8; WebP: any). in must outlive the picture. */
int picture_open(const struct blob *in, enum image_type type, double shrink, VipsImage **ret) MUST_CHECK;

/* An embedded profile that fits the pixels and is not sRGB itself. */
bool picture_has_foreign_profile(VipsImage *im);

int picture_to_srgb(VipsImage **im, bool keep_grey) MUST_CHECK; /* 8 bits; obeys a foreign profile */
int picture_flatten(VipsImage **im) MUST_CHECK;                 /* on white, if there is alpha */
int picture_resize(VipsImage **im, uint32_t width, uint32_t height) MUST_CHECK; /* premultiplied if need be */
int picture_settle(VipsImage **im) MUST_CHECK;                  /* works it all out, into memory */
int picture_upright(VipsImage **im) MUST_CHECK;                 /* needs a settled picture */
int picture_take(VipsImage *im, struct pixels *ret) MUST_CHECK; /* works it all out; im stays. 8 bits */
int picture_save(VipsImage *im, enum image_type type, int quality, struct blob **ret) MUST_CHECK;

/* Fill e and return the negative code. */
int picture_unreadable(struct error *e);
int picture_failed(struct error *e, const char *doing);
