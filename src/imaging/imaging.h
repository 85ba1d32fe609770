/* imaging.h: everything limner does to pixels with libvips.
 *
 * Order: imaging_start once before any thread, then the calls below from threads with a stack of at least
 * 2 MiB (the imaging and inference lanes, the command line), imaging_stop at the end. The calls block and may
 * take seconds; none of them touches shared state of ours. Errors: 0 or a negative ERR_ code with e filled.
 *
 * Uploads reach a decoder only through image_probe, which looks at magic bytes and the header, and refuses
 * what is not a whole, still, sane JPEG, PNG, WebP or AVIF before a pixel is decoded. Decoders are called by
 * type, never through libvips' sniffing loader. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/digest.h"
#include "base/macros.h"
#include "tables/error.h"
#include "tables/options.h"

enum image_type { IMAGE_UNKNOWN, IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP, IMAGE_AVIF, IMAGE_TYPE_COUNT };

const char *image_mime(enum image_type t);      /* "image/jpeg"; "application/octet-stream" for unknown */
const char *image_extension(enum image_type t); /* "jpg" */

/* By the first bytes; IMAGE_UNKNOWN for anything else. Cheap; any thread. 16 bytes are enough. */
enum image_type image_sniff(const void *data, size_t size);

struct image_limits {
    uint64_t max_pixels; /* declared width × height */
    uint64_t
        max_pixels_per_byte; /* more is a decompression bomb; counts above 16 MP, where one begins to hurt */
};

struct image_info {
    enum image_type type;
    uint32_t width, height; /* upright: after EXIF orientation */
    uint8_t orientation;    /* EXIF 1…8; 1 when there is none */
    bool has_alpha;
    bool is_cmyk;     /* printers' colours, which few models read right */
    bool has_profile; /* an ICC profile other than sRGB may have to be applied */
};

int imaging_start(struct error *e) MUST_CHECK;
void imaging_stop(void);
void imaging_thread_stop(void); /* by each lane thread before it ends */

/* What the library holds. Any thread. */
struct imaging_memory {
    uint64_t bytes, peak_bytes, blocks;
};
void imaging_memory(struct imaging_memory *ret);

/* Header only. UNSUPPORTED_MEDIA_TYPE: not an image or not of our types; VALIDATION on field "image":
 * truncated, animated, empty, too many pixels, bomb. */
int image_probe(const struct blob *in, const struct image_limits *limits, struct image_info *ret,
                struct error *e) MUST_CHECK;

struct prescale_rule {
    uint64_t max_pixels;
    uint32_t max_side;
    int format;      /* PRESCALE_JPEG, …: what a scaled image becomes */
    int quality;     /* JPEG, WebP */
    bool keep_alpha; /* false: flattened on white */
    bool convert;    /* it must become the format above, in sRGB, even if it is small enough as it is */
};

struct prescaled {
    struct blob *image; /* the caller's reference; in itself when nothing had to be done */
    struct image_info info;
    bool scaled;             /* the pixels were shrunk (not only turned upright) */
    uint32_t original_width; /* upright */
    uint32_t original_height;
};

/* Shrinks to ≤ max_pixels and ≤ max_side, the stricter wins, sides floored (never below 1). An image within
 * both limits, upright, comes back byte for byte. One within the limits but with an EXIF orientation is
 * turned upright and re-encoded in its own type, unless it is to be converted. Colours to sRGB when a profile
 * says otherwise; metadata is dropped. */
int image_prescale(struct blob *in, const struct image_info *info, const struct prescale_rule *rule,
                   struct prescaled *ret, struct error *e) MUST_CHECK;

/* A digest of what is to be seen, for a picture that image_prescale has given: equal for files whose pixels
 * are equal, whatever metadata or compression they had. Its size and pixels, decoded; of a picture that was
 * shrunk, the bytes it was written as, which depend on the pixels alone. VALIDATION: it cannot be decoded. */
int image_fingerprint(const struct prescaled *p, uint8_t ret[static DIGEST_BYTES],
                      struct error *e) MUST_CHECK;

/* Plain pixels: rows of width × bands bytes, no padding, sRGB. */
struct pixels {
    uint8_t *data; /* free with pixels_release */
    uint32_t width, height;
    uint8_t bands; /* 1, 3 or 4 */
};

void pixels_release(struct pixels *p); /* accepts zeroed */

/* Decodes upright to sRGB: 3 bands, or 4 when there is alpha. Fails on truncated or corrupt data
 * (VALIDATION). */
int image_decode(const struct blob *in, const struct image_info *info, struct pixels *ret,
                 struct error *e) MUST_CHECK;

/* JPEG or PNG (or WebP); 4 bands need PNG or WebP. quality for JPEG and WebP. */
int image_encode(const struct pixels *p, enum image_type type, int quality, struct blob **ret,
                 struct error *e) MUST_CHECK;

/* High-quality resize to exactly width × height (Lanczos 3; bicubic where it enlarges); alpha is
 * premultiplied on the way. */
int image_resize(const struct pixels *p, uint32_t width, uint32_t height, struct pixels *ret,
                 struct error *e) MUST_CHECK;
