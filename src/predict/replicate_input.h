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
#include "predict/replicate_error.h"
#include "tables/error.h"
#include "tables/features.h"

enum {
    REPLICATE_INLINE_MAX = 256000, /* bytes of a data URI in an input */
    REPLICATE_BODY_MAX = 4 << 20
};

struct replicate_target {
    const struct feature *feature;
    char path[160];         /* below the base URL: "/predictions" */
    char version[128];      /* "": the models route, without one */
    bool resolved;          /* the one look-up has been used */
    enum image_type wanted; /* the caller's, after init: what the result should be; else PNG */
};

/* The cached version (it was resolved since what is usual was refused), else the feature's pinned one, else
 * the models route. cached: "" or NULL if none. */
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

/* How the picture gets into an input: by its http(s) address, or, if that is NULL, as a data URL of its
 * bytes. */
struct replicate_image {
    const char *url;
    const struct blob *bytes;
    enum image_type type;
};

/* What stands in a body beside the input; NULL: nothing. */
struct replicate_beside {
    const char *id, *webhook;
};

/* The body of a create is appended. INTERNAL: it does not fit. */
int replicate_target_body(const struct replicate_target *t, const struct params *params,
                          const struct replicate_image *image, const struct replicate_beside *beside,
                          struct buf *ret, struct error *e) MUST_CHECK;

/* A model has refused its input. It is the caller's fault if it is about the picture's or a field's value
 * that the caller chose, which e then names as the caller knows it, or if the model looked at all it got.
 * Else (a key that is missing or unknown to the model, a value of ours, or nothing said) the model is not
 * what we take it for: e becomes UPSTREAM, and another provider may do. refusal: not NONE. */
void replicate_input_blame(const struct params *params, enum replicate_refusal refusal, struct error *e);

bool replicate_inline_fits(
    const struct blob *image); /* its data URL has at most REPLICATE_INLINE_MAX bytes */

unsigned replicate_wait_s(int64_t wanted_s);             /* for Prefer: wait=N; 1…60 */
unsigned replicate_cancel_after_s(int64_t remaining_ms); /* for Cancel-After; 5 s…24 h */
