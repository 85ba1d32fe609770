/* local.h: networks on this machine's CPU.
 *
 * Order: local_new (cheap: nothing is loaded), local_upscale and local_cutout any number of times,
 * local_free. The OpenVINO runtime is opened with dlopen at the first run, a network is compiled at its first
 * use (from the compiled-model cache in DATA_DIR/models when it is there) and released after local_idle_s
 * without use. Thread: the work on one thread at a time (the inference lane); local_describe and
 * local_release_idle from any thread. Blocking: seconds to minutes. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"
#include "imaging/imaging.h"
#include "local/models.h"
#include "tables/error.h"
#include "tables/options.h"

struct local;

/* program_dir: where the limner binary lies, for the default folders. */
struct local *local_new(const struct options *opt, const char *program_dir) MUST_CHECK;
void local_free(struct local *l);

struct upscale_request {
    const struct blob *image; /* encoded, probed */
    const struct image_info *info;
    unsigned scale; /* 1 (as large as it was, but cleaned), 2, 3 or 4 */
    int quality;    /* QUALITY_AUTO, … */
    bool faces; /* small and blurred faces are made anew by the best network (restore.h); with QUALITY_AUTO as
                   many as fit into local_target_seconds */
    enum image_type output; /* IMAGE_JPEG or IMAGE_PNG; alpha forces PNG */
    int output_quality;
    const atomic_bool *cancelled;                               /* looked at between tiles; NULL: never */
    void (*progress)(void *ctx, unsigned done, unsigned total); /* tiles; on the calling thread; NULL: none */
    void *ctx;
};

struct upscale_result {
    struct blob *image; /* the caller's */
    enum image_type type;
    uint32_t width, height;
    const char *model; /* what ran: static text, "realesrgan-x4plus" */
    unsigned faces;    /* made anew */
    char reason[128];  /* why this one: "auto: 7.1 s estimated, 20 s allowed" */
    double seconds;    /* the network alone */
    unsigned tiles;
};

/* PROVIDER_UNAVAILABLE: runtime or weights cannot be loaded; DEADLINE or CLIENT_GONE is the caller's to set
 * when it cancelled: a cancelled run returns -ERR_CLIENT_GONE. */
int local_upscale(struct local *l, const struct upscale_request *req, struct upscale_result *ret,
                  struct error *e) MUST_CHECK;

struct cutout_request {
    const struct blob *image; /* encoded, probed */
    const struct image_info *info;
    const atomic_bool *cancelled; /* looked at between the steps, which take some tenths of a second; NULL:
                                     never */
};

struct cutout_result {
    struct blob *image; /* a PNG with alpha, of the picture's own size; the caller's */
    uint32_t width, height;
    const char *model; /* what ran: static text, "isnet" */
    double seconds;    /* the network alone */
};

/* Cuts out the subject: soft alpha, and colours at its edges without those of the background. Errors as
 * local_upscale. A picture without anything that stands out gives an empty or a whole one: no error. */
int local_cutout(struct local *l, const struct cutout_request *req, struct cutout_result *ret,
                 struct error *e) MUST_CHECK;

/* Can this kind of work be done? 0, or PROVIDER_UNAVAILABLE with what is missing: looks at files only, loads
 * nothing. */
int local_available(const struct local *l, enum model_kind kind, struct error *e) MUST_CHECK;

void local_release_idle(struct local *l, uint64_t now_ns); /* frees networks unused for local_idle_s */

struct local_model {
    const char *name;
    const char *use; /* "photo, ×4, best" */
    const char *license;
    const char *path; /* full */
    uint64_t bytes;   /* 0: not there */
    bool loaded;
    double seconds_per_megapixel; /* of input; 0: not measured yet, or it takes any picture at one size */
    double seconds;               /* a picture, where it takes any at one size; 0: not measured yet */
};

/* Fills up to max rows; returns how many there are. Strings live as long as l. */
unsigned local_describe(const struct local *l, struct local_model *rows, unsigned max);

/* Reads the whole file of row i and compares digests: 0, or e filled with what is wrong. */
int local_verify(const struct local *l, unsigned i, struct error *e) MUST_CHECK;
