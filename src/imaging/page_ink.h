/* page_ink.h: inside of src/imaging. Paints on plain pixels: areas, frames, pictures, masks and text.
 *
 * What lies outside of the pixels is left out. All pixels have 3 bands, masks 1. */
#pragma once

#include "imaging/bubble.h"

struct ink {
    uint8_t r, g, b;
};

int ink_new(uint32_t width, uint32_t height, struct ink colour, struct pixels *ret) MUST_CHECK; /* 0 or -1 */

/* A settled picture of 3 bands, its left upper corner at x, y. 0 or -1. */
int ink_picture(struct pixels *p, VipsImage *im, int x, int y) MUST_CHECK;
void ink_frame(struct pixels *p, int x, int y, int width, int height, int thick, struct ink colour);
/* strength: of a solid mask, 0…255 */
void ink_mask(struct pixels *p, const struct pixels *mask, int x, int y, struct ink colour,
              unsigned strength);
/* The shape grown by radius on all sides, round at corners; width and height are 2 × radius more. 0 or -1. */
int ink_grow(const struct pixels *mask, unsigned radius, struct pixels *ret) MUST_CHECK;
/* Rows y to y + height grow from `from` to `to` of colour, 0…255. */
void ink_shade(struct pixels *p, int y, int height, struct ink colour, unsigned from, unsigned to);

/* What text_draw has drawn. Emoji keep their colours, letters beside them get this one. 0 or -1. */
int ink_text(struct pixels *p, const struct text_drawn *text, int x, int y, struct ink colour) MUST_CHECK;
void drawn_size(const struct text_drawn *text, int *ret_width, int *ret_height);
int drawn_mask(const struct text_drawn *text, struct pixels *ret) MUST_CHECK; /* its shape. 0 or -1 */
void drawn_release(struct text_drawn *text);                                  /* accepts zeroed */

/* p as libvips sees it. NULL: it could not be made. p must outlive a view, which copies nothing. */
VipsImage *ink_view(const struct pixels *p) MUST_CHECK;
VipsImage *ink_copy(const struct pixels *p) MUST_CHECK;
