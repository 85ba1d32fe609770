/* bubble.h: inside of src/imaging. What is said in a panel, drawn over its picture.
 *
 * Happy path: each line's text is measured in the comic font at its usual size and wrapped to a pleasant
 * shape; a place is chosen for its bubble in reading order, where the picture is calm (an entropy map, faces
 * and skin kept free as far as can be told) and no other bubble is; then shape, tail and text are drawn.
 * When there is no room: smaller text down to the floor, two bubbles, an ellipsis. Deterministic. */
#pragma once

#include "imaging/page.h"
#include "imaging/picture.h"

/* panel: a settled sRGB picture of the cell's size (3 bands); replaced by one with the bubbles on it.
 * right_to_left: the first line's bubble comes on the right. 0 or -1. */
int bubbles_draw(VipsImage **panel, const struct page_line *line, unsigned line_count,
                 bool right_to_left) MUST_CHECK;

/* Text as an alpha mask (1 band) of at most width × height pixels, in the fonts of page_fonts_start: no
 * markup in it is obeyed. size_px: of a capital M, about. Emoji have colours: ret_colour (RGBA) instead of
 * ret_mask then, else NULL. For the cover and labels, too. 0 or -1; it is never larger than asked for:
 * *ret_fits says if all is there. */
struct text_drawn {
    VipsImage *mask;   /* the caller's; NULL when colour is set */
    VipsImage *colour; /* the caller's */
    bool fits;
};
int text_draw(const char *text, int size_px, bool bold, bool centred, uint32_t width, uint32_t height,
              struct text_drawn *ret) MUST_CHECK;
