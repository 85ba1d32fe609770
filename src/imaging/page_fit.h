/* page_fit.h: inside of src/imaging. A picture cut to a shape, so that what catches the eye stays in view.
 *
 * Happy path: the loader hands the picture over as small as it can; it is shrunk to the least size that
 * covers the shape; libvips looks for edges, skin and strong colours on a thumbnail of it, and that is where
 * the cut is made. A picture that is smaller is cut first and enlarged then. Never distorted. */
#pragma once

#include "imaging/part.h"

/* What is seen of the upright picture, and where in that the eye is drawn to. */
struct page_view {
    struct part seen;
    double across, down; /* shares of what is seen */
};

/* An upright, settled sRGB picture of 3 bands, exactly width × height; alpha is on white. ret_view NULL:
 * where next to nothing is cut off, the middle stays, without a look. 0 or -1; in need not outlive it. */
int page_fit(const struct blob *in, const struct image_info *info, uint32_t width, uint32_t height,
             VipsImage **ret, struct page_view *ret_view) MUST_CHECK;
