/* text.h: inside of src/imaging. Plain text on its way to pixels.
 *
 * Order: text_init, then text_break for any number of shapes and sizes (cheap: words have been measured),
 * then text_render for the one that was chosen; text_release. What text_init is given may be anything: what
 * is no text is taken out, and nothing in it is markup. Any thread with the stack that imaging.h asks for;
 * libvips draws one text at a time. 0 or -1, as the steps of picture.h. */
#pragma once

#include "imaging/fonts.h"
#include "imaging/picture.h"

enum { TEXT_ATOMS_MAX = 400, TEXT_LINES_MAX = 60 };

#define TEXT_ELLIPSIS 0.8f /* its width at a size of 1 */

/* What is not broken: a word, a character of those that are written without blanks, an emoji. */
struct text_atom {
    uint32_t at, len; /* in clean */
    float width;      /* of its ink at a size of 1 */
    bool blank;       /* before it, unless it begins a line */
};

struct text_style {
    enum font_face face;
    bool bold, italic;
};

struct text {
    char *clean; /* owned */
    struct text_style style;
    struct text_atom *atom; /* [count], owned */
    unsigned count;         /* 0: there is nothing to draw */
    bool cut;               /* more than TEXT_ATOMS_MAX */
    bool right_to_left, colour;
    float leading; /* from line to line, at a size of 1 */
};

/* Lines first…first + count − 1 of a text's atoms. */
struct text_lines {
    unsigned first[TEXT_LINES_MAX + 1]; /* first[count]: behind the last */
    float width[TEXT_LINES_MAX];        /* at a size of 1 */
    unsigned count;
    bool ellipsis; /* the last line ends with one */
};

/* Only cleaned and looked at, not measured: what face it needs. */
enum font_face text_face(const char *raw);

int text_init(struct text *t, const char *raw, const struct text_style *style) MUST_CHECK;
void text_release(struct text *t); /* accepts zeroed */

/* Breaks atoms first…end − 1 into at most `count` lines that are as short as can be; outer lines of a round
 * shape are shorter still. */
void text_break(const struct text *t, unsigned first, unsigned end, unsigned count, bool round,
                struct text_lines *ret);
float text_width(const struct text *t, unsigned first, unsigned end); /* of one line with these */

/* A mask of 1 band, or RGBA if t->colour: no larger than its ink. */
int text_render(const struct text *t, const struct text_lines *lines, int size_px, bool centred,
                VipsImage **ret) MUST_CHECK;

/* text_clean.c: valid UTF-8 in NFC without controls, direction marks or piles of accents; runs of blanks are
 * one. The caller's, free(). */
char *text_tidy(const char *raw) MUST_CHECK;

/* text_atoms.c: the atoms of a clean text, without widths; returns their number. *ret_cut: there were more.
 */
unsigned text_atoms(const char *clean, struct text_atom *ret, unsigned room, bool *ret_cut);
bool text_is_right_to_left(const char *clean);
