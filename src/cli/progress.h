/* progress.h: the bar, and how much time is left.
 *
 * Order: progress_init, progress_draw as often as something may have changed, progress_clear before any other
 * line is printed and at the end. Where there is no terminal, nothing is ever written. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* ---- time ---- */

/* How fast it goes. Images that were skipped are not told. */
struct pace {
    uint64_t image_ns;          /* when this image began */
    uint64_t first_ns, last_ns; /* when the first and the latest tile of it were done */
    unsigned done, total;       /* tiles of this image; total 0: not known yet */
    double seconds;             /* all images that are done together */
    unsigned images;            /* how many those are */
};

void pace_image_begin(struct pace *p, uint64_t now_ns);
void pace_tiles(struct pace *p, unsigned done, unsigned total, uint64_t now_ns);
void pace_image_end(struct pace *p, uint64_t now_ns);
/* Until this image and so many more are done; negative: no idea yet. */
double pace_left_s(const struct pace *p, unsigned images_after, uint64_t now_ns);

/* ---- the bar ---- */

struct progress_view {
    unsigned image, images; /* this is number image, from 1 */
    const char *name;       /* of the image; clean text */
    unsigned done, total;   /* parts; total 0: not known */
    const char *part;       /* what they are: "tile" */
    const char *phase;      /* in place of the parts; NULL: the parts */
    double elapsed_s;       /* of this image */
    double left_s;          /* of all; negative: not known */
};

/* The line in at most that many columns: what matters least goes first when it is narrow. */
void progress_line(const struct progress_view *v, size_t columns, bool utf8, struct buf *out);

enum { PROGRESS_LINE_MAX = 2048 };

struct progress {
    int fd;                       /* -1: no terminal */
    bool utf8;                    /* what the bar is made of */
    bool drawn;                   /* there is a bar on the screen */
    char last[PROGRESS_LINE_MAX]; /* what it says */
};

void progress_init(struct progress *p, int fd, bool wanted); /* fd is borrowed */
void progress_draw(struct progress *p, const struct progress_view *v);
void progress_clear(struct progress *p);
