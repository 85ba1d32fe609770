/* relight.h: a photo under another light, without a network: the subject's cut-out is blown up to a body, a
 * light shines on it from one side, and what is behind it falls back into the dark.
 *
 * Order: after imaging_start. Thread: any, blocking for about a second a megapixel of the result. */
#pragma once

#include <stdatomic.h>

#include "imaging/imaging.h"
#include "tables/error.h"

enum relight_side { RELIGHT_NONE, RELIGHT_LEFT, RELIGHT_RIGHT, RELIGHT_TOP, RELIGHT_BOTTOM };

struct relight_rule {
    enum relight_side side;       /* where the light stands; NONE: before the subject */
    const char *prompt;           /* sets colours and strength, relight_mood.h; NULL: neutral */
    uint32_t width, height;       /* of the result, which the picture covers; 0: the picture's own */
    unsigned variant;             /* 0, 1, …: a little other angle and strength each */
    uint64_t seed;                /* of the same, and of the grain that keeps gradients smooth */
    unsigned threads;             /* that may work, the calling one included; 0 is 1 */
    const atomic_bool *cancelled; /* NULL: never */
};

extern const char relight_model[]; /* "limner-light-field" */

/* in: 3 or 4 bands (a 4th is left out). alpha: 1 band, of the same size, 255 on the subject; NULL: the whole
 * picture is lit. ret: 3 bands, the caller's. -ERR_CLIENT_GONE when cancelled; INTERNAL without memory. */
int relight_render(const struct pixels *in, const struct pixels *alpha, const struct relight_rule *rule,
                   struct pixels *ret, struct error *e) MUST_CHECK;
