/* screen.h: a terminal that is drawn anew in place, and left as it was found.
 *
 * Order: screen_enter, screen_draw as often as one likes, screen_leave; again after a pause. Keys come one by
 * one and unseen, but Ctrl-C and Ctrl-Z are still signals. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "base/macros.h"

struct screen {
    int fd;   /* what is drawn on: standard output */
    int keys; /* the terminal, opened by itself: -1: it has no keys */
    struct termios before;
    bool entered, has_before;
};

bool screen_possible(int fd); /* a terminal that can be drawn on */
void screen_init(struct screen *s, int fd);
void screen_enter(struct screen *s);
void screen_leave(struct screen *s); /* does nothing unless entered */
void screen_release(struct screen *s);
/* text: lines that fit, each with '\n' at its end. The whole at once. */
void screen_draw(struct screen *s, const char *text);
void screen_size(int fd, unsigned *ret_columns, unsigned *ret_lines); /* 80 × 24 where it is not known */
