/* bubble_parts.h: inside of src/imaging. A panel's bubbles on their way from lines to pixels.
 *
 * Order: bubble.c makes a struct bubble of each line; bubble_shapes (bubble_text.c) says which bodies would
 * hold its text at a size; bubbles_place (bubble_place.c) chooses one for each and puts it into the panel, or
 * says that there is no room; tail_choose (bubble_tail.c); then bubble.c draws. */
#pragma once

#include "imaging/bubble.h"
#include "imaging/calm.h"
#include "imaging/field.h"
#include "imaging/outline.h"
#include "imaging/text.h"

enum {
    BUBBLES_MAX = 2 * PAGE_LINES_MAX, /* a line may be split over two */
    SHAPES_MAX = 6,
    PANEL_MARGIN = 10, /* between a bubble's line and the panel's edge */
};

enum tail { TAIL_NONE, TAIL_POINTED, TAIL_PUFFS };

/* How an emotion, or the narrator, is drawn. */
struct bubble_look {
    enum rim rim;
    enum tail tail;
    float power;  /* of the body */
    float stroke; /* width of the line */
    float size;   /* of the text: the panel's size is multiplied by this */
    float pad;    /* between text and body, of the text's size */
    float tail_width;
    bool bold, italic;
    uint8_t fill[3];
};

struct shape {
    struct text_lines lines;
    float a, b;   /* the body's half axes */
    float excess; /* how much worse than the best: 0… */
};

struct bubble {
    const struct bubble_look *look;
    const struct text *text;
    unsigned first, end; /* its atoms */
    bool ellipsis;       /* after them */
    bool follows;        /* the other half of the one before */
    unsigned speaker;    /* equal numbers: one speaker */
    struct point target; /* where the speaker is thought to be */
    bool on_side;        /* it is known on which side */
    /* Chosen: */
    int size_px;
    struct shape shape[SHAPES_MAX];
    unsigned shape_count, chosen;
    struct body body;
    bool tail;
    struct point tip;
};

struct panel_space {
    float width, height;
    const struct calm *calm;
    bool right_to_left;
};

/* Fills size_px and the shapes for a panel of that space: 0 shapes if none is within width × height. slack ≥
 * 1: lines are thought to be that much wider than measured. */
void bubble_shapes(struct bubble *b, float size, float slack, float width, float height);
/* The text as it was drawn, with its middle in the body's, keeps clear of the body's edge. */
bool bubble_text_fits(const struct bubble *b, const struct pixels *drawn);

/* size: the panel's, in pixels; share: of the panel that may be covered. false: there is no room. */
bool bubbles_place(struct bubble *b, unsigned count, const struct panel_space *space, float size, float slack,
                   float share);

/* Which part of all faces they hide, 0…1. */
float bubbles_hide(const struct bubble *b, unsigned count, const struct panel_space *space);

/* Half of what the bubble takes up in all, without its tail. */
struct point bubble_reach(const struct bubble_look *look, float a, float b);

/* After all have been placed. */
void tail_choose(struct bubble *all, unsigned count, unsigned i, const struct panel_space *space);
/* No teeth where it leaves the body. */
void tail_bare(const struct bubble *b, struct body *body);
/* Adds it to the shape. */
void tail_add(const struct bubble *b, struct field *f);
