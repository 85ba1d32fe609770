/* page.h: lines and tables for a terminal, in a given number of columns and lines.
 *
 * Order: page_init, then lines from top to bottom; what does not fit is left out, at the right and at the
 * bottom. A table's columns are rows of a constant array. Lines end in '\n'. Any thread. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/macros.h"

enum style { STYLE_PLAIN, STYLE_HEAD, STYLE_STRONG, STYLE_FAINT, STYLE_GOOD, STYLE_WARN, STYLE_BAD };

struct page {
    struct buf *out;
    unsigned columns, lines; /* lines: that are left */
    unsigned at;             /* columns of this line so far */
    bool color, utf8;
};

void page_init(struct page *p, struct buf *out, unsigned columns, unsigned lines, bool color, bool utf8);
bool page_full(const struct page *p); /* no line is left */
/* A piece of a line: its text is cleaned of what could steer the terminal, and cut at the right. */
void page_put(struct page *p, enum style style, const char *fmt, ...) PRINTF(3, 4);
bool page_has_room(const struct page *p, unsigned columns); /* in this line, after a gap */
void page_gap(struct page *p);                              /* two blanks, unless the line is empty */
void page_end(struct page *p);                              /* of the line */

enum { CELL_MAX = 160 };

struct cell {
    enum style style;
    char text[CELL_MAX];
};
void cell_set(struct cell *c, enum style style, const char *fmt, ...) PRINTF(3, 4);

struct column {
    const char *title;
    unsigned width; /* in columns, without the gap before it; 0: all that is left */
    bool right;     /* to the right side of it */
    unsigned from;  /* shown where the page has at least so many columns */
    void (*put)(const void *row, struct cell *ret);
};

void page_table_head(struct page *p, const struct column *columns, unsigned count);
void page_table_row(struct page *p, const struct column *columns, unsigned count, const void *row);
