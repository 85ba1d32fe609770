/* fuzz_story.c: what a language model writes, and what a caller wishes for, on any bytes. clang
 * -fsanitize=fuzzer,address,undefined.
 *
 * The first byte chooses the call and what was asked for, the rest is the answer or the prompt. What comes
 * out must keep the promises of story.h. */
#include <ctype.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "comic/story_own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s, size_t most)
{
    size_t count = 0;
    for (size_t n; *s; s += n, count++) {
        n = utf8_char(s);
        CHECK(n > 0 && (unsigned char)*s >= ' ' && *s != 0x7f);
    }
    CHECK(count <= most);
}

static void check_tags(const char *tags)
{
    static const char *const never[] = {"manga", "screentone", "black and white"};
    CHECK(strncmp(tags, "masterpiece, best quality, anime style", 38) == 0 &&
          strlen(tags) <= STORY_TAGS_BYTES_MAX);
    CHECK(strstr(tags, "no text, no speech bubble") && story_ascii(tags));
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        for (const char *at = tags; (at = strstr(at, never[i])); at++)
            CHECK(isalnum((unsigned char)at[-1]) ||
                  isalnum((unsigned char)at[strlen(never[i])])); /* of another word */
}

static void check_outline(const struct story_outline *o, unsigned least)
{
    CHECK(o->beat_count >= least && o->beat_count <= STORY_BEATS_MAX &&
          o->character_count <= STORY_CHARACTERS_MAX);
    CHECK(*o->story_id && strlen(o->story_id) <= STORY_SLUG_MAX);
    CHECK(strspn(o->story_id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(o->story_id));
    check_text(o->title, STORY_TITLE_MAX);
    for (unsigned i = 0; i < o->beat_count; i++) {
        CHECK(o->beat[i].id == i + 1 && *o->beat[i].summary && *o->beat[i].summary_en);
        CHECK(o->beat[i].emotion < STORY_EMOTION_COUNT);
        check_text(o->beat[i].summary, STORY_TEXT_MAX);
    }
    for (unsigned i = 0; i < o->character_count; i++) {
        CHECK(*o->character[i].name && *o->character[i].tags);
        check_text(o->character[i].name, STORY_NAME_MAX);
    }
}

static void check_board(const struct story_board *b, const struct story_ask *ask)
{
    CHECK(b->panel_count == story_panels(ask));
    for (unsigned i = 0; i < b->panel_count; i++) {
        CHECK(b->panel[i].id == i + 1 && b->panel[i].emotion < STORY_EMOTION_COUNT);
        check_text(b->panel[i].dialogue, STORY_DIALOGUE_MAX);
        check_text(b->panel[i].description, STORY_TEXT_MAX);
        check_text(b->panel[i].speaker, STORY_NAME_MAX);
        check_tags(b->panel[i].tags);
    }
}

static void check_error(int r, const struct error *e)
{
    CHECK(r == -(int)ERR_UPSTREAM && e->code == ERR_UPSTREAM && e->reason[0]);
    check_text(e->reason, sizeof(e->reason));
}

static void try_outline(const struct story_ask *ask, const char *answer, size_t size, struct arena *a)
{
    struct story_outline o;
    struct error e = {0};
    int r = story_outline_read(ask, answer, size, a, &o, &e);
    if (r < 0)
        check_error(r, &e);
    else
        check_outline(&o, STORY_BEATS_LEAST);
    story_outline_salvage(ask, answer, size, a, &o);
    check_outline(&o, MIN(ask->pages, (unsigned)STORY_BEATS_LEAST));
    struct story_board b;
    story_board_fallback(ask, &o, ask->pages - 1, a, &b);
    check_board(&b, ask);
}

static void try_board(const struct story_ask *ask, const struct story_outline *o, const char *answer,
                      size_t size, struct arena *a)
{
    struct story_board b;
    struct error e = {0};
    int r = story_board_read(ask, o, 0, answer, size, a, &b, &e);
    if (r < 0)
        check_error(r, &e);
    else
        check_board(&b, ask);
    story_board_salvage(ask, o, 0, answer, size, a, &b);
    check_board(&b, ask);
}

/* The text as a prompt, as an answer to be mended, and as everything else that takes words. */
static void try_prompt(struct story_ask *ask, const char *text, struct arena *a)
{
    BUF_ON_EXIT struct buf first, again;
    buf_init(&first, 1 << 20);
    buf_init(&again, 1 << 20);
    struct story_outline o;
    struct story_board b;
    struct error e = {.reason = "wrong"};
    enum story_emotion emotion;
    ask->prompt = text;
    story_outline_fallback(ask, a, &o);
    check_outline(&o, STORY_BEATS_LEAST);
    story_board_fallback(ask, &o, 0, a, &b);
    check_board(&b, ask);
    story_outline_prompt(ask, &first);
    story_repair_prompt(buf_text(&first), text, &e, &again);
    unsigned ends = 0;
    for (const char *at = buf_text(&again); (at = strstr(at, "</material>")); at++)
        ends++;
    CHECK(ends == 2 && !again.failed);
    buf_release(&first);
    story_board_prompt(ask, &o, 0, &first);
    CHECK(!first.failed);
    CHECK(!story_emotion_find(text, &emotion) || emotion < STORY_EMOTION_COUNT);
    check_tags(story_tags(text, &o, text, text, a));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct story_outline known = {
        .title = "Lan",
        .beat = {{1, "Lan vào rừng.", "Lan enters the forest.", STORY_HAPPY}},
        .beat_count = 1,
        .character = {{"Lan", "1girl, black hair"}, {"Bông", "dragon"}},
        .character_count = 2};
    if (size == 0)
        return 0;
    FREE_ON_EXIT char *text = mem_zalloc(size); /* on the heap: reading past the end is seen */
    memcpy(text, data + 1, size - 1);
    struct story_ask ask = {.prompt = "Lan vào rừng.",
                            .language = data[0] & 4 ? "vi" : "",
                            .style = "anime_color",
                            .pages = 1u + (data[0] >> 3 & 3),
                            .panels = 1u + (data[0] >> 5 & 7)};
    struct arena a;
    arena_init(&a);
    switch (data[0] & 3) {
    case 0:
        try_outline(&ask, text, size - 1, &a);
        break;
    case 1:
        try_board(&ask, &known, text, size - 1, &a);
        break;
    case 2:
        try_board(&ask, NULL, text, size - 1, &a);
        break;
    default:
        try_prompt(&ask, text, &a);
    }
    arena_release(&a);
    return 0;
}
