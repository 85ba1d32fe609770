/* compose.h: puts a subject that a model has cut out onto a new background, or onto none.
 *
 * The model saw a small copy of the upload and gives back colours of that; what is taken from it is only
 * where the subject is. Its alpha is enlarged along the edges of the upload (joint.h), and the colours come
 * from the upload, at full size, freed from the old background where they are a mix (foreground.h).
 *
 * Any thread with the stack that imaging.h asks for. 12 megapixels take about two seconds, and 150 to 250 MB,
 * the more for AVIF and WebP. Errors: VALIDATION on field "fg" or "bg" when their data are damaged (they must
 * have been probed); UPSTREAM when what the model gave cannot be read or has no alpha; INTERNAL. */
#pragma once

#include "imaging/imaging.h"

/* How the background fills the canvas: words and meanings as in sharp and in CSS. */
enum compose_fit {
    COMPOSE_COVER,   /* keeps its shape, fills the canvas, is cut off */
    COMPOSE_CONTAIN, /* keeps its shape, is seen whole; white, or nothing, around it */
    COMPOSE_FILL,    /* is stretched */
    COMPOSE_INSIDE,  /* as contain, always in the middle */
    COMPOSE_OUTSIDE, /* as cover, always the middle */
    COMPOSE_FIT_COUNT
};

/* Which part of the background stays with cover, and where it lies with contain. */
enum compose_position {
    COMPOSE_CENTRE,
    COMPOSE_TOP,
    COMPOSE_RIGHT_TOP,
    COMPOSE_RIGHT,
    COMPOSE_RIGHT_BOTTOM,
    COMPOSE_BOTTOM,
    COMPOSE_LEFT_BOTTOM,
    COMPOSE_LEFT,
    COMPOSE_LEFT_TOP,
    COMPOSE_POSITION_COUNT
};

/* From "cover", "right top"; false: no such word, ret untouched. "center" is "centre". */
bool compose_fit_parse(const char *word, enum compose_fit *ret) MUST_CHECK;
bool compose_position_parse(const char *word, enum compose_position *ret) MUST_CHECK;

enum { COMPOSE_FEATHER_MAX = 20 };

struct compose_request {
    const struct blob *cutout; /* with alpha; of any size, it is stretched over the upload */
    struct image_info cutout_info;
    const struct blob *foreground; /* the upload itself; what is transparent in it stays so */
    struct image_info foreground_info;
    const struct blob *background; /* NULL: the result is transparent around the subject */
    struct image_info background_info;
    enum compose_fit fit;
    enum compose_position position;
    unsigned feather_px; /* 0…COMPOSE_FEATHER_MAX: edges are softened by so many pixels of the upload */
    bool shadow; /* a soft dark one all around, 35 % at most; on no background it is part of the result */
    enum image_type
        output;          /* JPEG only with a background. PNG and WebP have alpha if anything shows through */
    int quality;         /* JPEG, WebP */
    uint64_t max_pixels; /* larger uploads are composed at this size */
};

struct composed {
    struct blob *image; /* the caller's reference */
    enum image_type type;
    uint32_t width, height; /* of the upright upload, unless scaled */
    bool scaled;            /* smaller, for max_pixels or for what the output's format can hold */
};

int image_compose(const struct compose_request *req, struct composed *ret, struct error *e) MUST_CHECK;
