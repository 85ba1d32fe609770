/* backdrop.h: inside of src/imaging. A background picture on a canvas. */
#pragma once

#include "imaging/compose.h"
#include "imaging/part.h"

struct placement {
    struct part part;       /* of the background: what is seen */
    uint32_t left, top;     /* where that lies on the canvas */
    uint32_t width, height; /* and how large; at least 1 */
};

/* Sizes ≥ 1. */
void backdrop_place(uint32_t width, uint32_t height, uint32_t canvas_width, uint32_t canvas_height,
                    enum compose_fit fit, enum compose_position position, struct placement *ret);

/* The canvas with the background on it: 3 bands, white where there is none; or, if `clear` and anything shows
 * through, 4 bands. VALIDATION on field "bg": its data are damaged. */
int backdrop_draw(const struct compose_request *req, uint32_t width, uint32_t height, bool clear,
                  struct pixels *ret, struct error *e) MUST_CHECK;
