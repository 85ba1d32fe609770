/* style.h: a photo drawn or painted by rule, without a network.
 *
 * Lengths follow the picture's size, so a small and a large copy of a photo come out alike; a small one is
 * worked on enlarged. The same photo, style and seed give the same picture, whatever the number of threads.
 * Order: after imaging_start. Thread: any, blocking for about a second a megapixel; memory: some 90 bytes a
 * pixel. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "imaging/imaging.h"
#include "tables/error.h"

enum local_style {
    LOCAL_STYLE_ANIME,
    LOCAL_STYLE_GHIBLI,
    LOCAL_STYLE_WATERCOLOR,
    LOCAL_STYLE_OIL_PAINTING,
    LOCAL_STYLE_SKETCHES,
    LOCAL_STYLE_CARTOON,
    LOCAL_STYLE_COUNT
};

struct style_run {
    unsigned threads;             /* that may work, the calling one included; 0 is 1 */
    uint64_t seed;                /* of grain, paper and strokes */
    const atomic_bool *cancelled; /* NULL: never */
    void (*progress)(void *ctx, unsigned done, unsigned total); /* on the calling thread; NULL: none */
    void *ctx;
};

/* By the name the API uses, "oil-painting". */
bool style_find(const char *name, enum local_style *ret);

/* ret: the caller's, of the same size and bands (3 or 4), alpha as it was. ret_model: static text, such as
 * "limner-oil-paint". -ERR_CLIENT_GONE when cancelled; INTERNAL when there is no memory. */
int style_render(const struct pixels *in, enum local_style style, const struct style_run *run,
                 struct pixels *ret, const char **ret_model, struct error *e) MUST_CHECK;
