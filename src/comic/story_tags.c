#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "comic/story_own.h"

static const char required[] = "masterpiece, best quality, anime style, vibrant colors, high quality, "
                               "detailed background, no text, no speech bubble";

static const char negative[] =
    "text, letters, speech bubble, speech balloon, caption, subtitles, sound effects, watermark, signature, "
    "logo, "
    "artist name, username, manga, comic, panels, collage, multiple views, screentone, monochrome, "
    "greyscale, "
    "black and white, lineart, sketch, lowres, worst quality, low quality, jpeg artifacts, blurry, bad "
    "anatomy, "
    "bad hands, bad proportions, missing fingers, extra fingers, fused fingers, extra digits, extra limbs, "
    "missing limbs, extra arms, extra legs, deformed, mutated, bad face, cross-eyed, cropped, out of frame, "
    "nsfw, nude";

static const struct {
    const char *style, *tags;
} styles[] = {
    {"anime_color", "anime coloring, clean cel shading"}, /* also for a style that is not here */
    {"watercolor", "watercolor painting, soft washes, paper texture"},
    {"pastel", "pastel colors, soft lighting, gentle shading"},
    {"cyberpunk", "cyberpunk, neon lights, futuristic"},
    {"chibi", "chibi, super deformed, cute proportions"},
};

/* A tag with one of these words is left out; with a star, any word that begins so. Instead: what the words
 * become when there are others beside them, so that a panda stays one. */
static const struct {
    const char *words, *instead;
} banned[] = {
    {"black and white", "two-tone"},
    {"black-and-white", "two-tone"},
    {"manga*", NULL},
    {"comic*", NULL},
    {"4koma", NULL},
    {"multiple panels", NULL},
    {"split panel*", NULL},
    {"screentone*", NULL},
    {"screen tone*", NULL},
    {"halftone*", NULL},
    {"monochrom*", NULL},
    {"greyscale", NULL},
    {"grayscale", NULL},
    {"lineart", NULL},
    {"line art", NULL},
    {"text", NULL},
    {"texts", NULL},
    {"lettering", NULL},
    {"typography", NULL},
    {"caption*", NULL},
    {"subtitle*", NULL},
    {"watermark*", NULL},
    {"signature*", NULL},
    {"logo", NULL},
    {"logos", NULL},
    {"speech bubble*", NULL},
    {"speech balloon*", NULL},
    {"thought bubble*", NULL},
    {"word balloon*", NULL},
    {"dialogue*", NULL},
};

enum {
    TAG_MAX = 120,        /* bytes; more is prose */
    LOOKS_BYTES_MAX = 600 /* of the list when the characters are in it; the rest is for what happens */
};

struct tags {
    struct buf out;
    size_t room;
    unsigned count, people;
    unsigned girls, boys; /* of the characters; their tags say one each */
};

/* Where the words are in the tag, as words of their own; '_' is a blank. NULL: nowhere. */
static char *find_words(char *tag, const char *words)
{
    size_t len = strcspn(words, "*");
    for (char *at = tag; *at; at++) {
        size_t n = 0;
        while (n < len && (at[n] == '_' ? ' ' : at[n]) == words[n])
            n++;
        if (n == len && (at == tag || !isalnum((unsigned char)at[-1])) &&
            (words[len] == '*' || !isalnum((unsigned char)at[len])))
            return at;
    }
    return NULL;
}

/* Changes the tag in its place; false: it is not to be drawn. */
static bool allow(char *tag)
{
    for (size_t i = 0; i < ARRAY_LEN(banned); i++) {
        char *at = find_words(tag, banned[i].words);
        size_t len = strlen(banned[i].words), instead = banned[i].instead ? strlen(banned[i].instead) : 0;
        if (!at)
            continue;
        if (!instead || strlen(tag) == len || instead > len)
            return false;
        memcpy(at, banned[i].instead, instead);
        memmove(at + instead, at + len, strlen(at + len) + 1);
        return allow(tag);
    }
    return true;
}

/* Takes the next tag of a list: lower case, one blank between words, no weights. false: there is none left;
 * what cannot be a tag comes as "". */
static bool next_tag(const char **at, char tag[static TAG_MAX + 1])
{
    const char *from = *at, *end = from + strcspn(from, ",;\n|");
    char *to = tag;
    if (!*from)
        return false;
    *at = end + (*end != '\0');
    for (const char *s = from; s < end; s++) {
        unsigned char c = (unsigned char)*s;
        bool weight = c == ':' && strspn(s + 1, "0123456789.)] ") == (size_t)(end - s - 1);
        if (c >= 0x80 || to - tag == TAG_MAX || weight) {
            to = weight ? to : tag;
            break;
        }
        if (isspace(c) ? to > tag && to[-1] != ' ' : !strchr("()[]{}<>\"\\`*#", c))
            *to++ = isspace(c) ? ' ' : (char)tolower(c);
    }
    while (to > tag && strchr(" .", to[-1]))
        to--;
    *to = '\0';
    return true;
}

static bool has(const struct buf *list, const char *tag)
{
    const char *at = buf_text(list), *end = at + list->len;
    while (at < end) {
        struct word w = word_next(&at, end, ',');
        if (word_is(&w, tag))
            return true;
    }
    return false;
}

static void add(struct tags *t, const char *tag)
{
    if (!*tag || t->count == STORY_TAGS_MAX || has(&t->out, tag) || t->out.len + strlen(tag) + 2 > t->room)
        return;
    buf_printf(&t->out, "%s%s", t->count > 0 ? ", " : "", tag);
    t->count++;
}

static bool is_head_count(const char *tag)
{
    size_t digits = strspn(tag, "0123456789");
    const char *what = tag + digits;
    return strcmp(tag, "solo") == 0 ||
           (digits > 0 && (strcmp(what, "girl") == 0 || strcmp(what, "girls") == 0 ||
                           strcmp(what, "boy") == 0 || strcmp(what, "boys") == 0));
}

/* plain: the tags are ours. Where characters were counted, their number is not said a second time. */
static void add_all(struct tags *t, const char *tags, bool plain)
{
    char tag[TAG_MAX + 1] = "";
    while (next_tag(&tags, tag)) {
        bool counted = t->girls + t->boys > 0 && is_head_count(tag);
        if (plain || (!counted && allow(tag)))
            add(t, tag);
    }
}

/* "1girl" and "1boy" of each look; two girls are not 1girl. */
static void count_heads(struct tags *t, const char *looks)
{
    char tag[TAG_MAX + 1] = "";
    while (next_tag(&looks, tag)) {
        t->girls += strcmp(tag, "1girl") == 0;
        t->boys += strcmp(tag, "1boy") == 0;
    }
}

static void add_heads(struct tags *t)
{
    char tag[32];
    snprintf(tag, sizeof(tag), "%ugirl%s", t->girls, t->girls > 1 ? "s" : "");
    add(t, t->girls > 0 ? tag : "");
    snprintf(tag, sizeof(tag), "%uboy%s", t->boys, t->boys > 1 ? "s" : "");
    add(t, t->boys > 0 ? tag : "");
    add(t, t->girls + t->boys == 1 && t->people == 1 ? "solo" : "");
}

static const char *style_tags(const char *style)
{
    for (size_t i = 0; i < ARRAY_LEN(styles); i++)
        if (strcmp(styles[i].style, style) == 0)
            return styles[i].tags;
    return styles[0].tags;
}

static void add_characters(struct tags *t, const struct story_outline *outline, const char *said_of)
{
    bool in[STORY_CHARACTERS_MAX] = {0};
    for (unsigned i = 0; i < outline->character_count; i++) {
        in[i] = story_names(said_of, outline->character[i].name);
        t->people += in[i];
        if (in[i])
            count_heads(t, outline->character[i].tags);
    }
    add_heads(t);
    for (unsigned i = 0; i < outline->character_count; i++)
        if (in[i])
            add_all(t, outline->character[i].tags, false);
}

char *story_tags(const char *tags, const struct story_outline *outline, const char *said_of,
                 const char *style, struct arena *a)
{
    struct tags t = {.room = LOOKS_BYTES_MAX};
    buf_init(&t.out, STORY_TAGS_BYTES_MAX);
    add_all(&t, required, true);
    add_all(&t, style_tags(style), true);
    if (outline)
        add_characters(&t, outline, said_of);
    t.room = STORY_TAGS_BYTES_MAX;
    add_all(&t, tags, false);
    char *made = arena_strdup(a, buf_text(&t.out));
    buf_release(&t.out);
    return made;
}

bool story_tags_usable(const char *tags)
{
    BUF_ON_EXIT struct buf ours;
    char tag[TAG_MAX + 1] = "";
    buf_init(&ours, sizeof(required));
    buf_puts(&ours, required);
    while (next_tag(&tags, tag))
        if (*tag && allow(tag) && !has(&ours, tag))
            return true;
    return false;
}

const char *story_negative(void)
{
    return negative;
}
