/* prescale.h: inside of src/imaging. The parts of prescaling that others use too. */
#pragma once

#include "imaging/picture.h"

/* Both sides × min(1, sqrt(max_pixels / (width × height)), max_side / longer side), floored, never below 1;
 * in whole numbers, so that it is exactly the floor. The result meets both limits; where a side could not go
 * below 1, the other pays. All arguments ≥ 1. */
void prescale_size(uint32_t width, uint32_t height, uint64_t max_pixels, uint32_t max_side,
                   uint32_t *ret_width, uint32_t *ret_height);

/* Opens an upload that is wanted at width × height (upright, no more than it has): as stored, not turned; the
 * loader shrinks it where that costs no quality. 0 or -1, as the steps of picture.h. */
int prescale_open(const struct blob *in, const struct image_info *info, uint32_t width, uint32_t height,
                  VipsImage **ret) MUST_CHECK;
