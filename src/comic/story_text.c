#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "comic/story_own.h"

uint32_t story_code(const char *s, size_t *ret_bytes)
{
    static const uint8_t first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const uint8_t *u = (const uint8_t *)s;
    size_t n = utf8_char(s);
    *ret_bytes = n ? n : 1;
    if (n == 0)
        return 0xfffd;
    uint32_t code = u[0] & first_bits[n];
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (u[i] & 0x3fu);
    return code;
}

static bool is_mark(uint32_t c)
{
    return (c >= 0x300 && c <= 0x36f) || (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0x1f3fb && c <= 0x1f3ff) ||
           c == 0x200d;
}

static bool is_blank(uint32_t c)
{
    return c <= ' ' || c == 0x7f || (c >= 0x80 && c <= 0xa0) || c == 0x2028 || c == 0x2029 || c == 0x3000;
}

/* Left out: what turns the direction of all that follows, marks of byte order, what is no character. */
static bool is_dropped(uint32_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || c >= 0xe0000 ||
           (c >= 0xfff0 && c <= 0xffff) || (c & 0xfffe) == 0xfffe;
}

size_t story_head(const char *s, size_t most)
{
    size_t at = 0, start = 0, n;
    for (size_t count = 0; s[at]; at += n, count++) {
        uint32_t code = story_code(s + at, &n);
        if (count == most)
            return is_mark(code) ? start : at;
        if (!is_mark(code))
            start = at;
    }
    return at;
}

/* s is longer than the most. The ellipsis counts as one. */
static char *cut(char *s, size_t most)
{
    size_t hard = story_head(s, most - 1), at = hard;
    while (at > hard / 2 && s[at] != ' ')
        at--;
    if (s[at] != ' ')
        at = hard;
    while (at > 0 && strchr(" ,;:-", s[at - 1]))
        at--;
    memcpy(s + at, "…", sizeof("…"));
    return s;
}

char *story_clean(const char *s, size_t most, struct arena *a)
{
    size_t size = strnlen(s, STORY_ANSWER_MAX), n;
    char *text = arena_alloc(a, size + sizeof("…")), *to = text;
    bool gap = false;
    for (const char *end = s + size; s < end; s += n) {
        uint32_t code = story_code(s, &n);
        if (is_blank(code)) {
            gap = to > text;
        } else if (!is_dropped(code)) {
            if (gap)
                *to++ = ' ';
            gap = false;
            memcpy(to, s, n);
            to += n;
        }
    }
    *to = '\0';
    return text[story_head(text, most)] ? cut(text, most) : text;
}

bool story_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

bool story_same_name(const char *x, const char *y)
{
    if (strcmp(x, y) == 0)
        return true;
    struct arena a;
    arena_init(&a);
    const char *left = story_fold_text(x, &a), *right = story_fold_text(y, &a);
    bool same = *left && strcmp(left, right) == 0;
    arena_release(&a);
    return same;
}

/* Letters of scripts that put blanks between words. */
static bool is_letter(uint32_t c)
{
    return (c < 0x80 && isalnum((int)c)) || (c >= 0xc0 && c < 0x900) || (c >= 0x1e00 && c < 0x2000);
}

bool story_names(const char *text, const char *name)
{
    size_t len = strlen(name), n;
    bool inside = false; /* of a word */
    if (len == 0)
        return false;
    for (const char *at = text; *at; at += n) {
        uint32_t code = story_code(at, &n);
        if (!inside && strncmp(at, name, len) == 0) {
            size_t behind;
            if (!is_letter(story_code(at + len, &behind)))
                return true;
        }
        inside = is_letter(code);
    }
    return false;
}

bool story_narrates(const char *speaker)
{
    static const char *const names[] = {"Narrator",        "Narration",        "Caption",  "The narrator",
                                        "Người kể chuyện", "Người dẫn chuyện", "Lời kể",   "Dẫn chuyện",
                                        "Lời dẫn",         "Người kể",         "Narrador", "Narrateur",
                                        "Erzähler",        "ナレーター",       "旁白",     "내레이션"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (story_same_name(speaker, names[i]))
            return true;
    return false;
}
