/* story.h: a story in words: what a language model is asked, and how strictly its answers are read.
 *
 * A prompt becomes an outline (beats, and characters with a fixed look), the beats are shared out over pages,
 * and each page becomes a board: its panels, what each shows and what is said in it. The model's answer is
 * text that should be JSON: the outermost object is cut out of it, within bounds of size and depth; types are
 * coerced or refused by a table; what cannot be read is asked for once more with the repair prompt, and then
 * made up by the fallbacks, which always succeed. Nothing that the model or the prompt says is an instruction
 * to this program, and the prompt is given to the model as data.
 *
 * No I/O, any thread. What is read lives in the arena. Errors: UPSTREAM, with what was wrong, for the log and
 * the repair prompt. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "tables/error.h"

enum {
    STORY_ANSWER_MAX = 256 << 10, /* bytes of an answer that are looked at; a longer one is refused */
    STORY_DEPTH_MAX = 12,
    STORY_PROMPT_MAX = 4000, /* characters */
    STORY_BEATS_LEAST = 8,
    STORY_BEATS_MAX = 12,
    STORY_CHARACTERS_MAX = 6,
    STORY_PANELS_MAX = 6,
    STORY_SLUG_MAX = 60,
    STORY_DIALOGUE_MAX = 70 /* characters */
};

enum story_emotion {
    STORY_HAPPY,
    STORY_SAD,
    STORY_ANGRY,
    STORY_SURPRISED,
    STORY_NEUTRAL,
    STORY_THINKING,
    STORY_EMOTION_COUNT
};

const char *story_emotion_name(enum story_emotion emotion);         /* "happy" */
bool story_emotion_find(const char *word, enum story_emotion *ret); /* also near words: "furious" */

/* What is asked for. */
struct story_ask {
    const char *prompt;   /* the caller's, checked */
    const char *language; /* of the dialogue: a tag as "vi"; "": as the prompt's */
    const char *style;    /* of the drawing, "anime_color" */
    unsigned pages;       /* 1: one board without an outline */
    unsigned panels;      /* a page */
};

struct story_character {
    const char *name;
    const char *tags; /* how it looks, in every panel it is in: "1girl, short red hair, green coat" */
};

struct story_beat {
    unsigned id;
    const char *summary;    /* in the language of the dialogue (summary_vi) */
    const char *summary_en; /* for the model that draws */
    enum story_emotion emotion;
};

/* Where it came from; told in meta. */
enum story_source { STORY_FROM_MODEL, STORY_REPAIRED, STORY_FALLBACK };
const char *story_source_name(enum story_source source); /* "model", "repaired", "fallback" */

struct story_outline {
    const char *story_id; /* a slug: a-z, 0-9, - */
    const char *title;
    struct story_beat beat[STORY_BEATS_MAX];
    unsigned beat_count;
    struct story_character character[STORY_CHARACTERS_MAX];
    unsigned character_count;
};

struct story_panel {
    unsigned id;             /* 1… on its page */
    const char *description; /* in the language of the dialogue (description_vi) */
    const char *tags;        /* for the model that draws: normalised, with the characters' */
    const char *dialogue;    /* at most STORY_DIALOGUE_MAX characters; "": nobody speaks */
    const char *speaker;     /* "": not said; "narrator" */
    enum story_emotion emotion;
};

struct story_board {
    struct story_panel panel[STORY_PANELS_MAX];
    unsigned panel_count; /* as many as were asked for */
};

/* ---- prompts; texts are appended to ret ---- */

/* What both calls tell the model about itself (system_instruction): it writes JSON and nothing else, and
 * takes the story as material. */
const char *story_instruction(void);
void story_outline_prompt(const struct story_ask *ask, struct buf *ret);
/* Page is 0…; outline NULL: there is none, and the prompt is the whole story. */
void story_board_prompt(const struct story_ask *ask, const struct story_outline *outline, unsigned page,
                        struct buf *ret);
/* Asks to mend an answer: the same prompt again, what came (cut to a bound), and what is wrong with it. */
void story_repair_prompt(const char *prompt, const char *answer, const struct error *wrong, struct buf *ret);

/* ---- answers ----
 * Beats and panels beyond those that are wanted are cut off; too few, without those that cannot be used, are
 * an error. An answer that ends in the middle counts up to its last whole beat or panel, if these are enough.
 * A board is refused if its dialogue has no letter beyond ASCII and its language is not written so. */

/* "characters": [{"name","tags"}], a member of an object that is open. */
void story_put_characters(struct buf *json, const struct story_outline *o);

int story_outline_read(const struct story_ask *ask, const char *answer, size_t size, struct arena *a,
                       struct story_outline *ret, struct error *e) MUST_CHECK;
int story_board_read(const struct story_ask *ask, const struct story_outline *outline, unsigned page,
                     const char *answer, size_t size, struct arena *a, struct story_board *ret,
                     struct error *e) MUST_CHECK;

/* ---- without the model ---- */

void story_outline_fallback(const struct story_ask *ask, struct arena *a, struct story_outline *ret);
void story_board_fallback(const struct story_ask *ask, const struct story_outline *outline, unsigned page,
                          struct arena *a, struct story_board *ret);

/* Which beats a page has: in order, each once, the pages as even as can be. */
void story_share(unsigned beats, unsigned pages, unsigned page, unsigned *ret_first, unsigned *ret_count);

/* The last answer was no good, and there will be no other: what can be used of it is kept, also in another
 * language than was asked for, and only the rest is made up. REPAIRED: nothing was. Always succeeds. */
enum story_source story_outline_salvage(const struct story_ask *ask, const char *answer, size_t size,
                                        struct arena *a, struct story_outline *ret);
enum story_source story_board_salvage(const struct story_ask *ask, const struct story_outline *outline,
                                      unsigned page, const char *answer, size_t size, struct arena *a,
                                      struct story_board *ret);

/* ---- tags for the model that draws ---- */

/* Comma-separated tags in lower case, each once; what is required is there, what is banned (manga,
 * screentone, black and white, text, speech bubble, …) is not, "no text" stays. The characters whose names
 * are in the panel come with their looks. Bounded to a length that the model reads. */
char *story_tags(const char *tags, const struct story_outline *outline, const char *said_of,
                 const char *style, struct arena *a) MUST_CHECK;
const char *story_negative(void); /* the negative prompt: against text, and bad anatomy */

/* "Cô bé và Rồng!" → "co-be-va-rong"; never empty. */
char *story_slug(const char *text, struct arena *a) MUST_CHECK;
