#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "imaging/text.h"

enum {
    RAW_MAX = 8192, /* bytes that are looked at; no panel holds as much */
    PILE_MAX = 3,   /* marks over and under one letter: what languages need */
};

/* Joins and variants make one emoji of several characters, and shape Persian and Indic letters. */
static bool joins(gunichar c)
{
    return c == 0x200c || c == 0x200d || c == 0xfe0e || c == 0xfe0f;
}

enum what { LETTER, MARK, BLANK, NOTHING };

static enum what look(gunichar c)
{
    if (joins(c) || (c >= 0xe0020 && c <= 0xe007f)) /* the latter: flags of regions */
        return LETTER;
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
        return c == '\n' || c == '\t' || c == '\r' ? BLANK : NOTHING;
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return BLANK;
    case G_UNICODE_SPACE_SEPARATOR:
        return c == 0xa0 || c == 0x202f ? LETTER : BLANK; /* these do not break */
    case G_UNICODE_FORMAT:                                /* and with it all that turns directions */
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_UNASSIGNED:
        return NOTHING;
    case G_UNICODE_ENCLOSING_MARK:
    case G_UNICODE_NON_SPACING_MARK:
        return MARK;
    default:
        return LETTER;
    }
}

/* At most RAW_MAX bytes of raw, with a question mark for each byte that is no text; normalised. */
static char *normalise(const char *raw)
{
    BUF_ON_EXIT struct buf valid;
    buf_init(&valid, RAW_MAX);
    for (size_t len; *raw; raw += len) {
        len = utf8_char(raw);
        if (buf_append(&valid, len ? raw : "?", len ? len : 1))
            break;
        len = len ? len : 1;
    }
    return g_utf8_normalize(buf_text(&valid), -1, G_NORMALIZE_DEFAULT_COMPOSE);
}

char *text_tidy(const char *raw)
{
    char *normal = normalise(raw);
    if (!normal)
        return mem_strdup("");
    char *clean = mem_alloc(strlen(normal) + 1), *to = clean;
    unsigned pile = 0;
    bool blank = false;
    for (const char *at = normal; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        enum what what = look(c);
        pile = what == MARK ? pile + 1 : 0;
        if (what == BLANK)
            blank = true;
        if (what == BLANK || what == NOTHING || pile > PILE_MAX)
            continue;
        if (blank && to > clean)
            *to++ = ' ';
        blank = false;
        to += g_unichar_to_utf8(c, to);
    }
    *to = '\0';
    g_free(normal);
    return clean;
}

enum font_face text_face(const char *raw)
{
    FREE_ON_EXIT char *clean = text_tidy(raw);
    for (const char *at = clean; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (fonts_is_lettered(c) && !fonts_is_comic(c))
            return FONT_WIDE;
    }
    return FONT_COMIC;
}
