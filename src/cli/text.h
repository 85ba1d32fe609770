/* text.h: text for people at a terminal: how wide it is, and how to make it fit. Text is UTF-8. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"

bool text_utf8_ok(void); /* the user's locale shows UTF-8 */

/* Columns on a terminal: wide characters take two, combining ones none. */
size_t text_columns(const char *s);

/* A copy without control characters or broken bytes, so that a file name cannot steer the terminal; without
 * UTF-8 everything else than ASCII becomes '?'. */
char *text_clean(const char *s, bool utf8) MUST_CHECK;

/* Its end, with an ellipsis in front, in at most that many columns; the whole if it fits. */
char *text_tail(const char *s, size_t columns, bool utf8) MUST_CHECK;

void text_pad(struct buf *out, const char *s, size_t columns); /* s, then blanks up to columns */

/* "0:07", "12:30", "1:02:03" */
void text_clock(double seconds, char *ret, size_t size);
/* "340 B", "136 kB", "33.4 MB" */
void text_bytes(unsigned long long bytes, char *ret, size_t size);
