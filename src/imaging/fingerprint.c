#include "imaging/imaging.h"

/* Two pictures of other kinds are never taken for one. */
static void add_size(struct digest *d, const struct pixels *p)
{
    const uint32_t head[] = {p->width, p->height, p->bands};
    digest_update(d, head, sizeof(head));
}

int image_fingerprint(const struct prescaled *p, uint8_t ret[static DIGEST_BYTES], struct error *e)
{
    if (p->scaled) {
        digest_of(p->image->data, p->image->size, ret);
        return 0;
    }
    struct pixels pixels = {0};
    int r = image_decode(p->image, &p->info, &pixels, e);
    if (r < 0)
        return r;
    struct digest d;
    digest_init(&d);
    add_size(&d, &pixels);
    digest_update(&d, pixels.data, (size_t)pixels.width * pixels.height * pixels.bands);
    digest_final(&d, ret);
    pixels_release(&pixels);
    return 0;
}
