/* page_encode.h: inside of src/imaging. A page's pixels as a file, fast: somebody waits for it. */
#pragma once

#include "imaging/imaging.h"

/* 3 bands to JPEG, PNG or WebP. 0, or a negative code with e filled. */
int page_encode(const struct pixels *page, enum image_type type, int quality, struct blob **ret,
                struct error *e) MUST_CHECK;
