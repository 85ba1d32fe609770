/* guided.h: the guided filter (He, Sun, Tang: Guided Image Filtering), which makes the edges of a plane,
 * mostly an alpha, follow those of a photo.
 *
 * In every square window of 2 × radius + 1 pixels the plane is explained as a linear function of the photo's
 * colour, by least squares; what comes out at a pixel is the mean of all windows that hold it. Where the
 * plane is constant it stays exactly that. epsilon says how strong an edge of the photo must be to count: it
 * is a variance, for colours in 0…1 sensibly 1e-6 (follows everything, noise too) to 1e-2 (follows strong
 * edges only). Windows are cut off at the picture's border.
 *
 * The cost is O(1) a pixel, whatever the radius; beside its arguments the filter holds 2 × radius + 1 rows.
 * Planes are floats, rows without padding; a guide of three planes has them one after another. Any thread.
 *
 * For a guide larger than the plane there are the linear functions themselves (guided_new, guided_next for
 * every row from the top, guided_free): fitted with a small guide, they may be interpolated and applied to
 * the large one. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"

enum { GUIDED_RADIUS_MAX = 1024 };

struct guided_input {
    const float *guide; /* planes × width × height, in 0…1 */
    unsigned planes;    /* 1 or 3 */
    const float *in;    /* width × height */
    uint32_t width, height;
    unsigned radius; /* 1…GUIDED_RADIUS_MAX */
    float epsilon;   /* > 0 */
};

/* ret: width × height, not `in` itself; may go a little beyond the range of `in`. INTERNAL: no memory. */
int guided_filter(const struct guided_input *g, float *ret, struct error *e) MUST_CHECK;

struct guided;

/* What g points to must outlive the result. INTERNAL: no memory. */
int guided_new(const struct guided_input *g, struct guided **ret, struct error *e) MUST_CHECK;
void guided_free(struct guided *f); /* accepts NULL */

/* The next row: for each pixel `planes` slopes and then the offset, so that
 * filtered = slope[0] × guide[0] + … + offset. Valid until the next call. At most `height` calls. */
const float *guided_next(struct guided *f);

static inline void cleanup_guided(struct guided **f)
{
    guided_free(*f);
}
#define GUIDED_ON_EXIT CLEANUP(cleanup_guided)
