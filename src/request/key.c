#include "request/key.h"

#include <string.h>

/* Raised when the meaning of a key changes, so that old results are not mistaken for new ones. */
#define KEY_FORMAT "limner-1"

/* Each part is followed by a NUL: no two lists of parts look the same. */
static void add(struct digest *d, const char *text)
{
    digest_update(d, text, strlen(text) + 1);
}

void request_key(struct request *req, uint8_t ret[static DIGEST_BYTES])
{
    const struct options *opt = req->svc->opt;
    struct digest d;
    digest_init(&d);
    add(&d, KEY_FORMAT);
    add(&d, ""); /* tenant: one for all until there are API keys */
    digest_update(&d, body_digest(req->receive.body), DIGEST_BYTES);
    add(&d, req->feature->name);
    add(&d, params_canonical(&req->validate.params, &req->arena));
    add(&d,
        arena_printf(&req->arena, "providers=%d;quality=%d;side=%lld;pixels=%lld;out=%lld;format=%d",
                     opt->providers, opt->local_quality, (long long)feature_max_side(req->feature, opt),
                     (long long)opt->image_max_pixels, (long long)opt->output_quality, opt->prescale_format));
    add(&d, req->feature->model);
    add(&d, req->feature->version);
    if (req->wanted != IMAGE_UNKNOWN)
        add(&d, image_extension(req->wanted));
    digest_final(&d, ret);
}
