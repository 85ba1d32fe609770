#include "cli/text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"

bool text_utf8_ok(void)
{
    locale_t user = newlocale(LC_CTYPE_MASK, "", NULL);
    if (!user)
        return false;
    bool ok = strcasecmp(nl_langinfo_l(CODESET, user), "UTF-8") == 0;
    freelocale(user);
    return ok;
}

static uint32_t decode(const char *s, size_t len)
{
    const uint8_t *u = (const uint8_t *)s;
    switch (len) {
    case 2:
        return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    case 3:
        return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    case 4:
        return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
    default:
        return u[0];
    }
}

/* The common cases of Unicode's width tables: wcwidth() would need the program's locale to be set. */
static size_t char_columns(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } none[] = {{0x300, 0x36f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}},
      wide[] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},  {0xf900, 0xfaff},
                {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},  {0x1f300, 0x1f64f},
                {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (c >= none[i].first && c <= none[i].last)
            return 0;
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        if (c >= wide[i].first && c <= wide[i].last)
            return 2;
    return 1;
}

size_t text_columns(const char *s)
{
    size_t columns = 0;
    while (*s) {
        size_t len = utf8_char(s);
        columns += len ? char_columns(decode(s, len)) : 1;
        s += len ? len : 1;
    }
    return columns;
}

char *text_clean(const char *s, bool utf8)
{
    char *copy = mem_strdup(s);
    utf8_clean(copy);
    if (utf8)
        return copy;
    char *to = copy;
    for (const char *at = copy; *at;) {
        size_t len = utf8_char(at);
        *to++ = len <= 1 ? *at : '?';
        at += MAX(len, 1);
    }
    *to = '\0';
    return copy;
}

char *text_tail(const char *s, size_t columns, bool utf8)
{
    size_t all = text_columns(s);
    if (all <= columns)
        return mem_strdup(s);
    const char *dots = utf8 ? "…" : "...";
    size_t room = columns - MIN(columns, text_columns(dots));
    while (*s && all > room) {
        size_t len = utf8_char(s);
        all -= len ? char_columns(decode(s, len)) : 1;
        s += len ? len : 1;
    }
    return mem_printf("%s%s", columns >= text_columns(dots) ? dots : "", s);
}

void text_pad(struct buf *out, const char *s, size_t columns)
{
    size_t width = text_columns(s);
    int blanks = width < columns ? (int)(columns - width) : 0;
    buf_printf(out, "%s%*s", s, blanks, "");
}

void text_clock(double seconds, char *ret, size_t size)
{
    unsigned long s = seconds > 0 ? (unsigned long)(seconds + 0.5) : 0;
    if (s < 3600)
        snprintf(ret, size, "%lu:%02lu", s / 60, s % 60);
    else
        snprintf(ret, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
}

void text_bytes(unsigned long long bytes, char *ret, size_t size)
{
    if (bytes < 1000)
        snprintf(ret, size, "%llu B", bytes);
    else if (bytes < 1000 * 1000)
        snprintf(ret, size, "%.0f kB", (double)bytes / 1e3);
    else
        snprintf(ret, size, "%.1f MB", (double)bytes / 1e6);
}
