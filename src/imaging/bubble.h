/* bubble.h: inside of src/imaging. What is said in a panel, drawn over its picture.
 *
 * Happy path: each line's text is measured in the comic font at its usual size and wrapped to a pleasant
 * shape; a place is chosen for its bubble in reading order, where the picture is calm (an entropy map, faces
 * and skin kept free as far as can be told) and no other bubble is; then shape, tail and text are drawn.
 * When there is no room: smaller text down to the floor, two bubbles, an ellipsis; a panel that has no room
 * for a word of a line stays without that line. Deterministic.
 *
 * Order: page_fonts_start, then from any thread with the stack that imaging.h asks for; libvips draws one
 * text at a time, some tenths of a millisecond each. */
#pragma once

#include "imaging/page.h"
#include "imaging/picture.h"

/* panel: an sRGB picture of the cell's size (3 bands of 8 bits); replaced by one with the bubbles on it,
 * while others who hold it keep theirs as it is. right_to_left: the first line's bubble comes on the right. 0
 * or -1. */
int bubbles_draw(VipsImage **panel, const struct page_line *line, unsigned line_count,
                 bool right_to_left) MUST_CHECK;

/* Text as an alpha mask (1 band) of at most width × height pixels, in the fonts of page_fonts_start: wrapped
 * to lines of about equal length, as large as its ink, and no markup in it is obeyed. size_px: from line to
 * line, about; a capital is 0.7 of it tall. Emoji have colours: with one in the text it is RGBA, not
 * premultiplied, letters in black. For the cover and labels, too. What has no room is cut, with an ellipsis.
 * A text without ink is one clear pixel. 0 or -1. */
struct text_drawn {
    VipsImage *mask;   /* the caller's; NULL when colour is set */
    VipsImage *colour; /* the caller's */
    bool fits;         /* all is there */
};
int text_draw(const char *text, int size_px, bool bold, bool centred, uint32_t width, uint32_t height,
              struct text_drawn *ret) MUST_CHECK;
