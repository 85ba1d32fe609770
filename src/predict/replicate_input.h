/* replicate_input.h: which endpoint runs a feature, and what is sent to it. Rows: replicate_input.c.
 *
 * Order: replicate_target_init; POST replicate_target_body to base URL + path. On REPLICATE_RESOLVE:
 * replicate_target_fallback, GET the path it gives, replicate_target_resolve on the answer, POST again. A
 * target resolves once, so this ends. The token is not known here and cannot get into an input. No I/O; any
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/macros.h"
#include "imaging/imaging.h"
#include "tables/error.h"
#include "tables/features.h"

enum {
    REPLICATE_INLINE_MAX = 256000, /* bytes of a data URI in an input */
    REPLICATE_BODY_MAX = 4 << 20
};

struct replicate_target {
    const struct feature *feature;
    char path[160];    /* below the base URL: "/predictions" */
    char version[128]; /* "": the models route, without one */
    bool resolved;     /* the one look-up has been used */
};

/* The feature's pinned version, else the cached one, else the models route. cached: "" or NULL if none. */
void replicate_target_init(struct replicate_target *t, const struct feature *feature, const char *cached);

/* The create was refused for the model or its version: ret_path is where the model is described.
 * PROVIDER_UNAVAILABLE: that has been tried. */
int replicate_target_fallback(struct replicate_target *t, char *ret_path, size_t size,
                              struct error *e) MUST_CHECK;
/* The model's description (2xx). 0: the target posts to its latest version, which may be cached.
 * PROVIDER_UNAVAILABLE: it has none, or none that can be used. */
int replicate_target_resolve(struct replicate_target *t, const void *body, size_t size,
                             struct error *e) MUST_CHECK;

bool replicate_feature_known(const struct feature *f); /* there is a row for it */

/* The body of a create. image: an http(s) or data URL. webhook: NULL for none. INTERNAL: beyond the buffer's
 * cap. */
int replicate_target_body(const struct replicate_target *t, const struct params *params, const char *image,
                          const char *webhook, struct buf *ret, struct error *e) MUST_CHECK;

/* The picture as a data URI; false, and ret as it was, if that is longer than REPLICATE_INLINE_MAX. */
bool replicate_inline(const struct blob *image, enum image_type type, struct buf *ret) MUST_CHECK;

unsigned replicate_wait_s(int64_t wanted_s);             /* for Prefer: wait=N; 1…60 */
unsigned replicate_cancel_after_s(int64_t remaining_ms); /* for Cancel-After; 5 s…24 h */
