/* page.h: draws a page of a comic: panels in a layout, and what is said in them.
 *
 * A panel's picture is cut to its cell without being distorted, so that faces stay in view. A line of speech
 * gets a bubble that is as large as its text needs, over the calmest part of the picture, with a tail towards
 * its speaker; the narrator's gets a box. Text is plain: nothing in it is markup, and it may be in any
 * script. It shrinks to a readable floor, then is split over two bubbles, then is cut with an ellipsis: a
 * bubble never leaves its panel, and holds its text. The same request gives the same pixels.
 *
 * Order: imaging_start, page_fonts_start, then these calls from threads with the stack that imaging.h asks
 * for. A page of four panels takes about a tenth of a second and 25 MB; one panel is in memory at a time.
 * Errors: VALIDATION: a picture cannot be decoded; INTERNAL. */
#pragma once

#include "imaging/imaging.h"

enum { PAGE_WIDTH = 1080, PAGE_HEIGHT = 1620, PAGE_GAP = 24, PAGE_PANELS_MAX = 6, PAGE_LINES_MAX = 4 };

enum page_emotion {
    PAGE_NEUTRAL,   /* a round bubble */
    PAGE_HAPPY,     /* likewise, rounder and lively */
    PAGE_SAD,       /* a drooping, thin one */
    PAGE_ANGRY,     /* a spiky one, heavy text */
    PAGE_SURPRISED, /* a burst */
    PAGE_THINKING,  /* a cloud with small ones for a tail */
    PAGE_EMOTION_COUNT
};

enum page_voice { PAGE_SPEECH, PAGE_CAPTION /* the narrator's: a box without a tail */ };

enum page_side { PAGE_SIDE_UNKNOWN, PAGE_LEFT, PAGE_RIGHT }; /* where in the panel the speaker is */

struct page_line {
    const char *text;    /* UTF-8; "": nothing is drawn */
    const char *speaker; /* "": not named. Lines of one speaker in a panel keep to one side */
    enum page_voice voice;
    enum page_emotion emotion;
    enum page_side side;
};

struct page_panel {
    const struct blob *image; /* NULL: a plain field with the label in its middle */
    struct image_info info;   /* of it, as image_probe gives it */
    const char *label;        /* "Panel 3 could not be drawn"; NULL: none */
    struct page_line line[PAGE_LINES_MAX];
    unsigned line_count;
};

struct page_request {
    struct page_panel panel[PAGE_PANELS_MAX];
    unsigned panel_count;   /* 1…PAGE_PANELS_MAX */
    bool right_to_left;     /* panels are read from the right, as in a language that is written so */
    enum image_type output; /* JPEG, PNG or WebP */
    int quality;            /* JPEG, WebP */
};

struct page_made {
    struct blob *image; /* the caller's reference */
    enum image_type type;
    uint32_t width, height; /* PAGE_WIDTH × PAGE_HEIGHT */
};

/* A front page: one picture on the whole of it, a title where the eye is not drawn to, who made it. The title
 * is as large as it fits. */
struct page_cover {
    const struct blob *image; /* NULL: a plain ground */
    struct image_info info;
    const char *title, *byline; /* byline "": none */
    enum image_type output;
    int quality;
};

/* Finds the fonts that text is drawn with; what is missing is drawn with what there is. PROCESSING: there is
 * none at all; e names the packages to install. Once, before there are other threads (it changes the
 * environment); the fonts themselves are read at the first text. */
int page_fonts_start(struct error *e) MUST_CHECK;
/* 0, or PROVIDER_UNAVAILABLE, with what is to be installed before the next start. Any thread. */
int page_fonts_check(struct error *e) MUST_CHECK;
/* Which fonts it has found, "Comic Neue, Noto Sans CJK"; for people. */
const char *page_fonts_found(void);

/* On VALIDATION, and only then, ret_bad_panel is the first panel whose picture is damaged; else it is left
 * alone. */
int page_render(const struct page_request *req, struct page_made *ret, unsigned *ret_bad_panel,
                struct error *e) MUST_CHECK;
int page_render_cover(const struct page_cover *cover, struct page_made *ret, struct error *e) MUST_CHECK;

/* Where panel i of count lies on the page, its border included, for those who draw for it: the shape to ask a
 * model for. 2: one above the other; 3: one above two; 4: two rows of two; 5: two, one, two; 6: three rows of
 * two. Read row by row, from the right if right_to_left. */
void page_cell(unsigned count, unsigned i, bool right_to_left, uint32_t *ret_x, uint32_t *ret_y,
               uint32_t *ret_width, uint32_t *ret_height);

/* A small WebP of a picture, at most `side` pixels long, for a preview: about 6 kB for 192. Never enlarged.
 */
int page_thumbnail(const struct blob *image, const struct image_info *info, uint32_t side, struct blob **ret,
                   struct error *e) MUST_CHECK;
