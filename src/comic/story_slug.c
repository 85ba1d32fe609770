#include <ctype.h>
#include <string.h>

#include "base/hash.h"
#include "comic/story_own.h"

/* Letters of a block: as many as it has, or one for all. '-' is no letter; those of two letters are below. */
static const struct {
    uint32_t first, last;
    const char *letters;
} blocks[] = {
    {0x00c0, 0x00ff, "aaaaaa-ceeeeiiiidnooooo-ouuuuy--aaaaaa-ceeeeiiiidnooooo-ouuuuy-y"},
    {0x0100, 0x0105, "a"},
    {0x0106, 0x010d, "c"},
    {0x010e, 0x0111, "d"},
    {0x0112, 0x011b, "e"},
    {0x011c, 0x0123, "g"},
    {0x0124, 0x0127, "h"},
    {0x0128, 0x0131, "i"},
    {0x0134, 0x0135, "j"},
    {0x0136, 0x0138, "k"},
    {0x0139, 0x0142, "l"},
    {0x0143, 0x014b, "n"},
    {0x014c, 0x0151, "o"},
    {0x0154, 0x0159, "r"},
    {0x015a, 0x0161, "s"},
    {0x0162, 0x0167, "t"},
    {0x0168, 0x0173, "u"},
    {0x0174, 0x0175, "w"},
    {0x0176, 0x0178, "y"},
    {0x0179, 0x017e, "z"},
    {0x017f, 0x017f, "s"},
    {0x018f, 0x018f, "e"},
    {0x01a0, 0x01a1, "o"},
    {0x01af, 0x01b0, "u"},
    {0x01cd, 0x01dc, "aaiioouuuuuuuuuu"},
    {0x0200, 0x021b, "aaaaeeeeiiiioooorrrruuuusstt"},
    {0x0259, 0x0259, "e"},
    {0x1e00, 0x1e01, "a"},
    {0x1e02, 0x1e07, "b"},
    {0x1e08, 0x1e09, "c"},
    {0x1e0a, 0x1e13, "d"},
    {0x1e14, 0x1e1d, "e"},
    {0x1e1e, 0x1e1f, "f"},
    {0x1e20, 0x1e21, "g"},
    {0x1e22, 0x1e2b, "h"},
    {0x1e2c, 0x1e2f, "i"},
    {0x1e30, 0x1e35, "k"},
    {0x1e36, 0x1e3d, "l"},
    {0x1e3e, 0x1e43, "m"},
    {0x1e44, 0x1e4b, "n"},
    {0x1e4c, 0x1e53, "o"},
    {0x1e54, 0x1e57, "p"},
    {0x1e58, 0x1e5f, "r"},
    {0x1e60, 0x1e69, "s"},
    {0x1e6a, 0x1e71, "t"},
    {0x1e72, 0x1e7b, "u"},
    {0x1e7c, 0x1e7f, "v"},
    {0x1e80, 0x1e89, "w"},
    {0x1e8a, 0x1e8d, "x"},
    {0x1e8e, 0x1e8f, "y"},
    {0x1e90, 0x1e95, "z"},
    {0x1ea0, 0x1eb7, "a"},
    {0x1eb8, 0x1ec7, "e"},
    {0x1ec8, 0x1ecb, "i"},
    {0x1ecc, 0x1ee3, "o"},
    {0x1ee4, 0x1ef1, "u"},
    {0x1ef2, 0x1ef9, "y"},
};

static const struct {
    uint32_t code;
    const char *letters;
} twos[] = {
    {0x00c6, "ae"}, {0x00e6, "ae"}, {0x00de, "th"}, {0x00fe, "th"}, {0x00df, "ss"},
    {0x1e9e, "ss"}, {0x0132, "ij"}, {0x0133, "ij"}, {0x0152, "oe"}, {0x0153, "oe"},
};

/* "a" for 'a' and so on, as texts. */
static const char *one_letter(int c)
{
    static const char all[] = "a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0q\0r\0s\0t\0u\0v\0w\0x\0y\0z\0"
                              "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
    if (c >= 'a' && c <= 'z')
        return all + 2 * (c - 'a');
    if (c >= '0' && c <= '9')
        return all + 2 * (c - '0' + 26);
    return NULL;
}

const char *story_fold(uint32_t code)
{
    if (code < 0x80)
        return one_letter(tolower((int)code));
    if (code >= 0x300 && code <= 0x36f)
        return "";
    for (size_t i = 0; i < ARRAY_LEN(twos); i++)
        if (twos[i].code == code)
            return twos[i].letters;
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        if (code >= blocks[i].first && code <= blocks[i].last)
            return one_letter(blocks[i].letters[1] ? blocks[i].letters[code - blocks[i].first]
                                                   : blocks[i].letters[0]);
    return NULL;
}

/* As story_fold_text; also counts the letters of other scripts that were left out. */
static char *fold(const char *text, struct arena *a, size_t *ret_lost)
{
    char *folded = arena_alloc(a, 2 * strlen(text) + 2), *to = folded;
    bool gap = false;
    size_t n;
    *ret_lost = 0;
    for (; *text; text += n) {
        uint32_t code = story_code(text, &n);
        const char *letters = story_fold(code);
        *ret_lost += !letters && code >= 0x370 && (code < 0x2000 || code >= 0x2c00);
        if (!letters) {
            gap = to > folded;
            continue;
        }
        if (gap && *letters)
            *to++ = '-';
        gap = gap && !*letters;
        while (*letters)
            *to++ = *letters++;
    }
    *to = '\0';
    return folded;
}

char *story_fold_text(const char *text, struct arena *a)
{
    size_t lost;
    return fold(text, a, &lost);
}

char *story_slug(const char *text, struct arena *a)
{
    size_t lost;
    char *head = arena_strndup(a, text, (size_t)STORY_ANSWER_MAX), *slug = fold(head, a, &lost);
    size_t len = strlen(slug);
    if (len == 0 || lost > len)
        return arena_printf(a, "story-%08x", hash_text(text));
    if (len > STORY_SLUG_MAX) {
        len = STORY_SLUG_MAX;
        while (len > STORY_SLUG_MAX / 2 && slug[len] != '-')
            len--;
        slug[slug[len] == '-' ? len : (size_t)STORY_SLUG_MAX] = '\0';
    }
    return slug;
}
