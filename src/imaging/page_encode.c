#include "imaging/page_encode.h"

#include "imaging/page_ink.h"

/* Drawn pages have flat areas and soft slopes, of which "up" leaves least; higher levels take twice the time
 * for a fiftieth of the size. */
static int save_png(VipsImage *im, struct blob **ret)
{
    void *data = NULL;
    size_t size = 0;
    if (vips_pngsave_buffer(im, &data, &size, "compression", 2, "filter", VIPS_FOREIGN_PNG_FILTER_UP, "keep",
                            VIPS_FOREIGN_KEEP_NONE, NULL))
        return -1;
    *ret = blob_take(data, size, g_free);
    return 0;
}

int page_encode(const struct pixels *page, enum image_type type, int quality, struct blob **ret,
                struct error *e)
{
    PICTURE_ON_EXIT VipsImage *im = ink_view(page);
    if (!im || (type == IMAGE_PNG ? save_png(im, ret) : picture_save(im, type, quality, ret)))
        return picture_failed(e, "encoded");
    return 0;
}
