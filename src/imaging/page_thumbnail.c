#include "base/check.h"
#include "imaging/page.h"
#include "imaging/part.h"
#include "imaging/prescale.h"

/* Beyond this a preview is no small thing any more: 6 kB for 192 × 192 pixels. */
enum { PIXELS_A_BYTE = 6 };
static const int qualities[] = {75, 60, 45, 30}; /* tried from the best on */

int page_thumbnail(const struct blob *image, const struct image_info *info, uint32_t side, struct blob **ret,
                   struct error *e)
{
    CHECK(side > 0);
    uint32_t width, height;
    prescale_size(info->width, info->height, (uint64_t)side * side, side, &width, &height);
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (part_open(image, info, &part_whole, width, height, &im) || picture_flatten(&im) ||
        picture_settle(&im))
        return picture_unreadable(e);
    for (unsigned i = 0; i < ARRAY_LEN(qualities); i++) {
        BLOB_ON_EXIT struct blob *small = NULL;
        if (picture_save(im, IMAGE_WEBP, qualities[i], &small))
            return picture_failed(e, "written as a preview");
        bool is_last = i + 1 == ARRAY_LEN(qualities);
        if (is_last || small->size <= (size_t)width * height / PIXELS_A_BYTE) {
            *ret = TAKE(small);
            return 0;
        }
    }
    return 0;
}
