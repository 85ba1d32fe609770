/* joint.h: inside of src/imaging. Enlarges an alpha that was made for a smaller copy of a photo, so that its
 * edges follow the photo at full size. Memory: floats for the smaller size. Any thread. */
#pragma once

#include "imaging/imaging.h"

/* alpha: 1 band, photo: 3 bands; no side of alpha may be longer than the photo's. ret: as large as the photo.
 * Each pixel lies in the range of the 3 × 3 pixels of alpha around its place, so what is solid or empty stays
 * exactly that. INTERNAL: no memory. */
int joint_enlarge(const struct pixels *alpha, const struct pixels *photo, struct pixels *ret,
                  struct error *e) MUST_CHECK;
