#include <ctype.h>
#include <string.h>

#include "comic/story_own.h"

enum { TAG_MAX = 35 };

/* beyond: it is not written without letters beyond ASCII. */
static const struct language {
    const char *tag, *name;
    bool beyond;
} languages[] = {
    {"vi", "Vietnamese", true},  {"en", "English", false},    {"ja", "Japanese", true},
    {"ko", "Korean", true},      {"zh", "Chinese", true},     {"th", "Thai", true},
    {"km", "Khmer", true},       {"lo", "Lao", true},         {"my", "Burmese", true},
    {"hi", "Hindi", true},       {"bn", "Bengali", true},     {"ta", "Tamil", true},
    {"ar", "Arabic", true},      {"he", "Hebrew", true},      {"fa", "Persian", true},
    {"ru", "Russian", true},     {"uk", "Ukrainian", true},   {"bg", "Bulgarian", true},
    {"el", "Greek", true},       {"fr", "French", false},     {"es", "Spanish", false},
    {"pt", "Portuguese", false}, {"de", "German", false},     {"it", "Italian", false},
    {"nl", "Dutch", false},      {"pl", "Polish", false},     {"cs", "Czech", false},
    {"tr", "Turkish", false},    {"id", "Indonesian", false}, {"ms", "Malay", false},
    {"fil", "Filipino", false},  {"sv", "Swedish", false},
};

/* The primary part of the tag counts: pt of pt-BR. */
static const struct language *find_language(const char *tag)
{
    size_t len = strcspn(tag, "-_");
    for (size_t i = 0; i < ARRAY_LEN(languages); i++)
        if (strlen(languages[i].tag) == len && strncasecmp(languages[i].tag, tag, len) == 0)
            return &languages[i];
    return NULL;
}

/* Letters that only one language has, or hardly another. */
static const struct {
    uint32_t first, last;
    const char *tag;
} scripts[] = {
    {0x0102, 0x0103, "vi"}, {0x0110, 0x0111, "vi"}, {0x01a0, 0x01a1, "vi"}, {0x01af, 0x01b0, "vi"},
    {0x1ea0, 0x1ef9, "vi"}, {0x3041, 0x30ff, "ja"}, {0xac00, 0xd7a3, "ko"}, {0x0e01, 0x0e5b, "th"},
    {0x1780, 0x17d3, "km"}, {0x0e81, 0x0edf, "lo"}, {0x05d0, 0x05ea, "he"}, {0x0370, 0x03ff, "el"},
};

/* The tag whose letters are a tenth of the text or more; "": none. */
static const char *guess(const char *text)
{
    enum { HITS_LEAST = 3, PART = 10 };
    unsigned hits[ARRAY_LEN(scripts)] = {0}, letters = 0;
    size_t n;
    for (const char *end = text + story_head(text, STORY_PROMPT_MAX); text < end; text += n) {
        uint32_t code = story_code(text, &n);
        letters += code >= 0xc0 || isalpha((int)code);
        for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
            hits[i] += code >= scripts[i].first && code <= scripts[i].last;
    }
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        unsigned all = 0;
        for (size_t k = 0; k < ARRAY_LEN(scripts); k++)
            all += strcmp(scripts[k].tag, scripts[i].tag) == 0 ? hits[k] : 0;
        if (all >= HITS_LEAST && all * PART >= letters)
            return scripts[i].tag;
    }
    return "";
}

/* A tag comes from outside: one of another shape than a tag's is none. */
static bool is_tag(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '-')
        n++;
    return n >= 2 && n <= TAG_MAX && s[n] == '\0';
}

const char *story_language(const struct story_ask *ask)
{
    return is_tag(ask->language) ? ask->language : guess(ask->prompt);
}

const char *story_language_name(const char *tag)
{
    const struct language *l = find_language(tag);
    return l ? l->name : NULL;
}

bool story_language_missing(const char *tag, const char *text)
{
    enum { LETTERS_LEAST = 16 }; /* a shout or a name says nothing */
    const struct language *l = find_language(tag);
    size_t letters = 0, n;
    if (!l || !l->beyond)
        return false;
    for (; *text; text += n) {
        uint32_t code = story_code(text, &n);
        if (code >= 0xc0 && code != 0x2026 && (code < 0x2000 || code >= 0x2e80))
            return false;
        letters += code < 0x80 && isalpha((int)code);
    }
    return letters >= LETTERS_LEAST;
}
