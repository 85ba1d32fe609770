/* Where a line may end. Blanks end atoms; so do hyphens and dashes inside of words, and the characters of
 * scripts that are written without blanks, except before what may not begin a line and after what may not end
 * one. A run without any of these is cut after RUN_MAX clusters. */
#include <string.h>

#include "imaging/text.h"

enum { RUN_MAX = 20, CLUSTER_MAX = 24 };

/* One or more characters that are drawn as one. */
struct cluster {
    const char *at;
    size_t len;
    gunichar c, last; /* its first and last character */
};

static bool is_flag(gunichar c)
{
    return c >= 0x1f1e6 && c <= 0x1f1ff;
}

static bool extends(gunichar c)
{
    return g_unichar_ismark(c) || c == 0x200c || c == 0x200d || (c >= 0x1f3fb && c <= 0x1f3ff) ||
           (c >= 0xe0020 && c <= 0xe007f) || c == 0xff9e || c == 0xff9f;
}

static struct cluster cluster_at(const char *at)
{
    struct cluster k = {.at = at, .c = g_utf8_get_char(at)};
    gunichar last = k.c;
    bool pair = is_flag(k.c);
    unsigned joined = 1;
    const char *end = g_utf8_next_char(at);
    while (*end) {
        gunichar c = g_utf8_get_char(end);
        if (c == ' ' || ++joined == CLUSTER_MAX)
            break;
        if (!extends(c) && last != 0x200d && !(pair && is_flag(c)))
            break;
        pair = false;
        last = c;
        end = g_utf8_next_char(end);
    }
    k.last = last;
    k.len = (size_t)(end - at);
    return k;
}

static bool is_among(gunichar c, const char *set)
{
    for (; *set; set = g_utf8_next_char(set))
        if (g_utf8_get_char(set) == c)
            return true;
    return false;
}

static bool may_not_begin(gunichar c)
{
    return is_among(c, ",.!?:;)]}%…’”»›、。，．！？：；）］｝」』】〉》〕〗・ー～〜ゝゞ々ぁぃぅぇぉっゃゅょゎ"
                       "ァィゥェォッャュョヮヵヶ‼⁉ๆฯะาำๅ");
}

static bool may_not_end(gunichar c)
{
    return is_among(c, "([{‘“«‹¿¡（［｛「『【〈《〔〖เแโใไ");
}

static bool is_unspaced(gunichar c)
{
    switch (g_unichar_get_script(c)) {
    case G_UNICODE_SCRIPT_HAN:
    case G_UNICODE_SCRIPT_HIRAGANA:
    case G_UNICODE_SCRIPT_KATAKANA:
    case G_UNICODE_SCRIPT_BOPOMOFO:
        return true;
    default:
        return c >= 0x1f000 || (g_unichar_iswide(c) && !g_unichar_isalpha(c));
    }
}

/* Thai is broken before the vowels that are written first, which begin a syllable. */
static bool may_break(const struct cluster *a, const struct cluster *b)
{
    if (a->last == 0xa0 || b->c == 0xa0 || may_not_begin(b->c) || may_not_end(a->c))
        return false;
    if (is_unspaced(a->c) || is_unspaced(b->c) || (b->c >= 0xe40 && b->c <= 0xe44))
        return true;
    return is_among(a->c, "-–—…/") && g_unichar_isalnum(b->c);
}

unsigned text_atoms(const char *clean, struct text_atom *ret, unsigned room, bool *ret_cut)
{
    unsigned count = 0, run = 0;
    bool blank = false, begins = true;
    struct cluster before = {0};
    *ret_cut = false;
    for (const char *at = clean; *at;) {
        if (*at == ' ') {
            blank = begins = true;
            at++;
            continue;
        }
        struct cluster k = cluster_at(at);
        if (!begins && (may_break(&before, &k) || run >= RUN_MAX))
            begins = true;
        if (begins && count == room) {
            *ret_cut = true;
            break;
        }
        if (begins) {
            ret[count++] = (struct text_atom){.at = (uint32_t)(at - clean), .blank = blank};
            run = 0;
        }
        ret[count - 1].len += (uint32_t)k.len;
        run++;
        begins = blank = false;
        before = k;
        at += k.len;
    }
    return count;
}

bool text_is_right_to_left(const char *clean)
{
    for (const char *at = clean; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (!g_unichar_isalpha(c))
            continue;
        switch (g_unichar_get_script(c)) {
        case G_UNICODE_SCRIPT_ARABIC:
        case G_UNICODE_SCRIPT_HEBREW:
        case G_UNICODE_SCRIPT_SYRIAC:
        case G_UNICODE_SCRIPT_THAANA:
        case G_UNICODE_SCRIPT_NKO:
            return true;
        default:
            return false;
        }
    }
    return false;
}
