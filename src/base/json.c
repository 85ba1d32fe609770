#include "base/json.h"

#include <stdbool.h>

#include "base/digest.h"

/* The four digits behind \u; -1: they are none. s is NUL-terminated. */
static int unit(const char *s)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(s[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

size_t json_mend_escape(char *s)
{
    if (s[1] != 'u')
        return s[1] ? 2 : 1;
    int u = unit(s + 2);
    if (u < 0)
        return 2;
    bool high = u >= 0xd800 && u < 0xdc00, low = u >= 0xdc00 && u < 0xe000;
    if (high && s[6] == '\\' && s[7] == 'u') {
        int second = unit(s + 8);
        if (second >= 0xdc00 && second < 0xe000)
            return 12;
    }
    if (high || low || u == 0)
        for (int i = 0; i < 4; i++)
            s[2 + i] = "fffd"[i];
    return 6;
}
