/* part.h: inside of src/imaging. A rectangle of an upload, brought to a size. */
#pragma once

#include "imaging/picture.h"

struct part {
    double left, top, width, height; /* shares of the upright picture, 0…1 */
};

static const struct part part_whole = {0, 0, 1, 1};

/* Describes the way to that part of the upload: upright, sRGB with 3 bands (4 with alpha), width × height.
 * The loader shrinks as far as it can. 0 or -1, as the steps of picture.h; in must outlive the picture. */
int part_open(const struct blob *in, const struct image_info *info, const struct part *part, uint32_t width,
              uint32_t height, VipsImage **ret) MUST_CHECK;
