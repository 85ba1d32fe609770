#include "request/key.h"

#include <string.h>

/* Raised when the meaning of a key changes, so that old results are not mistaken for new ones. */
#define KEY_FORMAT       "limner-5"
#define PIXEL_KEY_FORMAT "limner-pixels-5"

enum { PLACES_LEAST = 2 }; /* for pictures: as many as every key has always had */

/* Each part is followed by a NUL: no two lists of parts look the same. */
static void add(struct digest *d, const char *text)
{
    digest_update(d, text, strlen(text) + 1);
}

/* Who may run it, and how well: nodes with other options than these share a cache, but not such results. */
static void add_policy(struct digest *d, const struct request *req)
{
    const struct options *opt = req->svc->opt;
    const int64_t numbers[] = {
        opt->fallback,
        opt->local_quality,
        opt->local_target_seconds,
        opt->local_precision,
        feature_max_side(req->feature, opt),
        opt->image_max_pixels,
        opt->output_quality,
        opt->prescale_format,
        req->feature->step != FEATURE_NONE ? opt->compose_max_megapixels : 0,
    };
    add(d, opt->providers);
    digest_update(d, numbers, sizeof(numbers));
}

/* All that decides a result but the pictures. */
static void add_rest(struct digest *d, struct request *req)
{
    add(d, req->feature->name);
    add(d, params_canonical(&req->validate.params, &req->arena));
    add_policy(d, req);
    add(d, req->feature->model);
    add(d, req->feature->version);
    if (req->wanted != IMAGE_UNKNOWN)
        add(d, image_extension(req->wanted));
}

static void begin(struct digest *d, const char *format, const struct request *req)
{
    const char *tenant = request_tenant(req);
    digest_init(d);
    add(d, format);
    add(d, tenant ? tenant : "");
}

void request_key(struct request *req, uint8_t ret[static DIGEST_BYTES])
{
    struct digest d;
    begin(&d, KEY_FORMAT, req);
    unsigned places = MAX(feature_pictures(req->feature), (unsigned)PLACES_LEAST);
    for (unsigned i = 0; i < places; i++) {
        add(&d, req->validate.digest[i] ? "picture" : "");
        if (req->validate.digest[i])
            digest_update(&d, req->validate.digest[i], DIGEST_BYTES);
    }
    add_rest(&d, req);
    digest_final(&d, ret);
}

void request_pixel_key(struct request *req, const uint8_t pixels[static DIGEST_BYTES],
                       uint8_t ret[static DIGEST_BYTES])
{
    struct digest d;
    begin(&d, PIXEL_KEY_FORMAT, req);
    digest_update(&d, pixels, DIGEST_BYTES);
    add(&d, req->validate.type == IMAGE_JPEG ? "lossy" : "lossless"); /* so is the result */
    add_rest(&d, req);
    digest_final(&d, ret);
}
