/* field.h: inside of src/imaging. From outlines to pixels: how far each pixel is from the edge of a shape.
 *
 * Order: field_init over a rectangle, field_add for each outline (shapes that overlap become one), then
 * field_paint; field_release. Distances are right near the edge, which is all that a line of some pixels and
 * its smooth border need. */
#pragma once

#include "base/macros.h"
#include "imaging/outline.h"
#include "imaging/picture.h"

struct field {
    int left, top, width, height;
    float *distance; /* negative inside */
    float *spare;
    uint8_t *inside;
};

int field_init(struct field *f, int left, int top, int width, int height) MUST_CHECK; /* 0 or -1 */
void field_release(struct field *f);                                                  /* accepts zeroed */
void field_add(struct field *f, const struct outline *o);

struct field_paint {
    float stroke; /* width of the line, half of it inside */
    uint8_t line[3], fill[3];
};

/* canvas: 3 bands of 8 bits; what lies outside of it is left out. */
void field_paint(const struct field *f, const struct field_paint *paint, const struct pixels *canvas);
