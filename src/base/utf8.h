/* utf8.h: telling text from bytes. What peers send ends up in JSON, which must be valid UTF-8. Any thread. */
#pragma once

#include <stddef.h>

/* Bytes of the character that s begins with: 1 to 4; 0 if it is none (overlong, a surrogate, cut, past
 * U+10FFFF). A NUL is a character of one byte. */
size_t utf8_char(const char *s);

/* Makes text of it in place: what is no character, and control characters, become '?'; a last character that
 * was cut is taken away. */
void utf8_clean(char *s);
