#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

/* Continuation bytes that follow, and the least code point that needs as many; -1: no first byte. */
static int classify(uint8_t first, uint32_t *ret_bits, uint32_t *ret_least)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    int more = first < 0x80             ? 0
               : (first & 0xe0) == 0xc0 ? 1
               : (first & 0xf0) == 0xe0 ? 2
               : (first & 0xf8) == 0xf0 ? 3
                                        : -1;
    if (more < 0)
        return -1;
    *ret_bits = more == 0 ? first : first & (0x3fu >> more);
    *ret_least = least[more];
    return more;
}

/* As utf8_char; -1: the text ends inside of the character. */
static int read_char(const uint8_t *s)
{
    uint32_t code, least;
    int more = classify(*s, &code, &least);
    if (more < 0)
        return 0;
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return s[i] ? 0 : -1;
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least || code > 0x10ffff || surrogate ? 0 : more + 1;
}

size_t utf8_char(const char *s)
{
    int n = read_char((const uint8_t *)s);
    return n > 0 ? (size_t)n : 0;
}

void utf8_clean(char *s)
{
    while (*s) {
        int n = read_char((const uint8_t *)s);
        if (n < 0) {
            *s = '\0';
        } else if (n == 0 || (n == 1 && ((uint8_t)*s < 0x20 || *s == 0x7f))) {
            *s++ = '?';
        } else {
            s += n;
        }
    }
}
