/* story_own.h: the inside of story.h, for its own files. Any thread.
 *
 * Texts are UTF-8 that has been checked, but for the caller's prompt, in which anything may be. */
#pragma once

#include <stdint.h>

#include "base/json.h"
#include "comic/story.h"

enum {
    STORY_TEXT_MAX = 300, /* characters of a summary, a description, a look */
    STORY_NAME_MAX = 40,
    STORY_TITLE_MAX = 80,
    STORY_TAGS_MAX = 75, /* and bytes: about what a model of pictures still obeys */
    STORY_TAGS_BYTES_MAX = 1000
};

/* ---- text (story_text.c) ---- */

/* The character at s, and its bytes; a byte that is no UTF-8 is U+FFFD. */
uint32_t story_code(const char *s, size_t *ret_bytes);
/* Plain text in one line: no control characters, nothing that turns the direction of what follows, single
 * blanks. What is longer than so many characters is cut at a word and ends with an ellipsis. */
char *story_clean(const char *s, size_t most, struct arena *a) MUST_CHECK;
/* Bytes of the first so many characters; a character and the marks on it stay together. */
size_t story_head(const char *s, size_t most);
bool story_ascii(const char *s);
/* Same name, whatever its case and marks. */
bool story_same_name(const char *a, const char *b);
/* Is the name in the text, as a word of its own? */
bool story_names(const char *text, const char *name);
bool story_narrates(const char *speaker);

/* ---- languages (story_language.c) ---- */

/* The tag of the dialogue's language: the caller's, or as the letters of the prompt tell; "": not known. */
const char *story_language(const struct story_ask *ask);
/* How the language of a tag is called, "Vietnamese"; NULL: not known. */
const char *story_language_name(const char *tag);
/* So much text without a letter beyond ASCII cannot be in the tag's language. */
bool story_language_missing(const char *tag, const char *text);

/* ---- letters (story_slug.c) ---- */

/* The letters of a–z and 0–9 that stand for a Latin one, "d" for Đ; "" for a mark; NULL: there are none. */
const char *story_fold(uint32_t code);
/* Words of a–z and 0–9 with one - between them; "" if there are none. */
char *story_fold_text(const char *text, struct arena *a) MUST_CHECK;

/* ---- objects in an answer (story_json.c) ---- */

struct story_json {
    char *text; /* in the arena */
    size_t at, size;
    unsigned tries;
    const char *wrong; /* with the last object that could not be read; NULL: nothing */
    bool cut;          /* the last object's end is missing; what is whole in its lists was given */
};

int story_json_init(struct story_json *j, const char *answer, size_t size, struct arena *a,
                    struct error *e) MUST_CHECK;
/* The next outermost object that has the member, or has an object with it, for the caller; NULL: none. */
json_t *story_json_next(struct story_json *j, const char *member) MUST_CHECK;

/* ---- members, by a table (story_members.c) ---- */

enum story_kind {
    STORY_IS_TEXT,   /* const char *; a number is taken as text */
    STORY_IS_WORDS,  /* const char *; a list of texts is joined with commas */
    STORY_IS_NUMBER, /* unsigned; "3" is taken */
    STORY_IS_EMOTION /* enum story_emotion; what is not known is neutral */
};

struct story_member {
    const char *name, *other; /* other: a name that is taken as well; NULL: none */
    enum story_kind kind;
    bool required;
    unsigned most; /* characters, or the largest number */
    size_t at;     /* in the struct that is filled */
};

#define STORY_NO_ID SIZE_MAX

struct story_list {
    const char *name;
    const struct story_member *member;
    size_t members;
    size_t size; /* of a struct */
    size_t id;   /* where its number is; STORY_NO_ID: it has none */
    unsigned most;
};

/* Texts that are absent are "", numbers 0. Fails if a required one is absent or of a wrong type. */
int story_members_read(const json_t *object, const struct story_member *rows, size_t count, void *ret,
                       struct arena *a, struct error *e) MUST_CHECK;
/* Elements that cannot be read are left out, those beyond the most cut off. In the order of their ids if
 * each has its own, else as they are. Fails if there are fewer than `least`. */
int story_list_read(const json_t *object, const struct story_list *list, unsigned least, struct arena *a,
                    void *ret, unsigned *ret_count, struct error *e) MUST_CHECK;

/* ---- tags (story_tags.c) ---- */

/* Is there a tag in it that may be drawn, apart from those that every panel has? */
bool story_tags_usable(const char *tags);

/* ---- limits of what is asked ---- */

static inline unsigned story_panels(const struct story_ask *ask)
{
    return ask->panels < 1 ? 1 : MIN(ask->panels, (unsigned)STORY_PANELS_MAX);
}

static inline unsigned story_pages(const struct story_ask *ask)
{
    return MAX(ask->pages, 1u);
}
