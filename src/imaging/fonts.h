/* fonts.h: inside of src/imaging. Which typefaces text is drawn in.
 *
 * One text is in one face as far as the face has its letters: letters of two faces never meet in a word. The
 * rows of page_fonts.c say which faces there are; what none of the first has is drawn with the next that has
 * it. Any thread. */
#pragma once

#include "imaging/picture.h"

enum font_face {
    FONT_COMIC, /* like a letterer's hand; western Europe's letters only */
    FONT_WIDE,  /* a rounded one with Vietnamese, Cyrillic and all other Latin letters */
    FONT_FACE_COUNT
};

/* The families for a Pango font description, the wanted one first, each followed by ", ". */
const char *fonts_families(enum font_face face);

/* FONT_COMIC has this character. */
bool fonts_is_comic(gunichar c);
/* A letter or mark of which neighbours must be of the same face: Latin, Greek, Cyrillic. */
bool fonts_is_lettered(gunichar c);
