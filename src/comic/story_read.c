#include <string.h>

#include "base/check.h"
#include "comic/story_own.h"

enum { WHO_ROOM = 4096, DIALOGUE_ROOM = 4096 };

/* What the model writes of a panel, before it is put in order. */
struct raw_panel {
    unsigned id;
    const char *description, *tags, *dialogue, *speaker, *characters;
    enum story_emotion emotion;
};

static const struct story_member head_members[] = {
    {"story_id", "id", STORY_IS_TEXT, false, STORY_TITLE_MAX, offsetof(struct story_outline, story_id)},
    {"title", "story_title", STORY_IS_TEXT, false, STORY_TITLE_MAX, offsetof(struct story_outline, title)},
};

static const struct story_member beat_members[] = {
    {"id", NULL, STORY_IS_NUMBER, false, 99, offsetof(struct story_beat, id)},
    {"summary", "summary_vi", STORY_IS_TEXT, true, STORY_TEXT_MAX, offsetof(struct story_beat, summary)},
    {"summary_en", NULL, STORY_IS_TEXT, false, STORY_TEXT_MAX, offsetof(struct story_beat, summary_en)},
    {"main_emotion", "emotion", STORY_IS_EMOTION, false, 0, offsetof(struct story_beat, emotion)},
};

static const struct story_member character_members[] = {
    {"name", NULL, STORY_IS_TEXT, true, STORY_NAME_MAX, offsetof(struct story_character, name)},
    {"tags", "appearance", STORY_IS_WORDS, true, STORY_TEXT_MAX, offsetof(struct story_character, tags)},
};

static const struct story_member panel_members[] = {
    {"id", NULL, STORY_IS_NUMBER, false, 99, offsetof(struct raw_panel, id)},
    {"description", "description_vi", STORY_IS_TEXT, false, STORY_TEXT_MAX,
     offsetof(struct raw_panel, description)},
    {"prompt_tags", "tags", STORY_IS_WORDS, true, STORY_TAGS_BYTES_MAX, offsetof(struct raw_panel, tags)},
    {"characters", NULL, STORY_IS_WORDS, false, STORY_TEXT_MAX, offsetof(struct raw_panel, characters)},
    {"dialogue", NULL, STORY_IS_TEXT, false, STORY_DIALOGUE_MAX, offsetof(struct raw_panel, dialogue)},
    {"speaker", NULL, STORY_IS_TEXT, false, STORY_NAME_MAX, offsetof(struct raw_panel, speaker)},
    {"emotion", "main_emotion", STORY_IS_EMOTION, false, 0, offsetof(struct raw_panel, emotion)},
};

static const struct story_list beats = {
    "beats",
    beat_members,
    ARRAY_LEN(beat_members),
    sizeof(struct story_beat),
    offsetof(struct story_beat, id),
    STORY_BEATS_MAX,
};
static const struct story_list characters = {
    "characters", character_members,    ARRAY_LEN(character_members), sizeof(struct story_character),
    STORY_NO_ID,  STORY_CHARACTERS_MAX,
};
static const struct story_list panels = {
    "panels",
    panel_members,
    ARRAY_LEN(panel_members),
    sizeof(struct raw_panel),
    offsetof(struct raw_panel, id),
    STORY_PANELS_MAX,
};

/* What is read, and into what. */
struct reading {
    const struct story_ask *ask;
    const struct story_outline *known; /* NULL: there is none */
    unsigned least;
    bool any_language;
    struct arena *a;
    struct story_outline *outline;
    struct story_board *board;
};

typedef int take_fn(const struct reading *r, const json_t *object, struct error *e);

/* The first object of the answer that can be read counts; what is wrong is said of the first that cannot. */
static int read_answer(const struct reading *r, const char *answer, size_t size, const char *member,
                       take_fn *take, struct error *e)
{
    struct story_json j;
    struct error first = {0};
    int code = story_json_init(&j, answer, size, r->a, e);
    if (code < 0)
        return code;
    for (;;) {
        JSON_ON_EXIT json_t *object = story_json_next(&j, member);
        struct error wrong = {0};
        if (!object)
            break;
        if (take(r, object, &wrong) == 0)
            return 0;
        if (first.code == ERR_NONE)
            error_set(&first, ERR_UPSTREAM, "%s%.220s", j.cut ? "The answer ends in the middle: " : "",
                      wrong.reason);
    }
    if (first.code == ERR_NONE)
        error_set(&first, ERR_UPSTREAM, "The answer has no JSON object with \"%s\"%s%s", member,
                  j.wrong ? ": " : "", j.wrong ? j.wrong : "");
    *e = first;
    return -ERR_UPSTREAM;
}

/* Two with the same name are one. */
static void drop_twins(struct story_outline *o)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < o->character_count; i++) {
        bool twin = false;
        for (unsigned k = 0; k < kept; k++)
            twin = twin || story_same_name(o->character[k].name, o->character[i].name);
        if (!twin)
            o->character[kept++] = o->character[i];
    }
    o->character_count = kept;
}

static int read_characters(const json_t *object, struct arena *a, struct story_outline *o, struct error *e)
{
    int r = story_list_read(object, &characters, 0, a, o->character, &o->character_count, e);
    drop_twins(o);
    return r;
}

static int take_outline(const struct reading *r, const json_t *object, struct error *e)
{
    struct story_outline o = {0};
    int code = story_members_read(object, head_members, ARRAY_LEN(head_members), &o, r->a, e);
    if (code == 0)
        code = story_list_read(object, &beats, r->least, r->a, o.beat, &o.beat_count, e);
    if (code == 0)
        code = read_characters(object, r->a, &o, e);
    if (code < 0)
        return code;
    for (unsigned i = 0; i < o.beat_count; i++)
        if (!o.beat[i].summary_en[0])
            o.beat[i].summary_en = o.beat[i].summary;
    if (!o.title[0])
        o.title = story_clean(r->ask->prompt, STORY_TITLE_MAX, r->a);
    o.story_id = story_slug(o.story_id[0] ? o.story_id : o.title, r->a);
    *r->outline = o;
    return 0;
}

int story_outline_read(const struct story_ask *ask, const char *answer, size_t size, struct arena *a,
                       struct story_outline *ret, struct error *e)
{
    struct reading r = {.ask = ask, .least = STORY_BEATS_LEAST, .a = a, .outline = ret};
    return read_answer(&r, answer, size, beats.name, take_outline, e);
}

static bool lists_name(const char *list, const char *name, struct arena *a)
{
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ",");
        if (story_same_name(story_clean(arena_strndup(a, at, len), STORY_NAME_MAX, a), name))
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

/* The names of those who are in the panel, as the outline spells them. */
static const char *who(const struct raw_panel *p, const struct story_outline *o, struct arena *a)
{
    BUF_ON_EXIT struct buf names;
    buf_init(&names, WHO_ROOM);
    for (unsigned i = 0; i < o->character_count; i++) {
        const char *name = o->character[i].name;
        bool in = p->characters[0] ? lists_name(p->characters, name, a)
                                   : story_same_name(p->speaker, name) || story_names(p->description, name);
        if (in)
            buf_printf(&names, "%s\n", name);
    }
    return arena_strdup(a, buf_text(&names));
}

static const char *known_speaker(const char *speaker, const struct story_outline *o)
{
    for (unsigned i = 0; i < o->character_count; i++)
        if (story_same_name(o->character[i].name, speaker))
            return o->character[i].name;
    return story_narrates(speaker) ? "narrator" : speaker;
}

static struct story_panel finish(const struct reading *r, const struct raw_panel *p,
                                 const struct story_outline *o)
{
    return (struct story_panel){
        .description = p->description,
        .tags = story_tags(p->tags, o, who(p, o, r->a), r->ask->style, r->a),
        .dialogue = p->dialogue,
        .speaker = p->dialogue[0] ? known_speaker(p->speaker, o) : "",
        .emotion = p->emotion,
    };
}

static int check_language(const struct reading *r, const struct story_board *b, struct error *e)
{
    BUF_ON_EXIT struct buf said;
    buf_init(&said, DIALOGUE_ROOM);
    for (unsigned i = 0; i < b->panel_count; i++)
        buf_printf(&said, "%s\n", b->panel[i].dialogue);
    const char *tag = story_language(r->ask);
    if (r->any_language || !story_language_missing(tag, buf_text(&said)))
        return 0;
    return error_set(e, ERR_UPSTREAM, "the dialogue is not in %s", story_language_name(tag));
}

static int take_board(const struct reading *r, const json_t *object, struct error *e)
{
    struct raw_panel raw[STORY_PANELS_MAX];
    struct story_outline own = {0}; /* of a board that stands alone: the characters are in it */
    struct story_board b = {0};
    unsigned count = 0, wanted = story_panels(r->ask);
    const struct story_outline *o = r->known ? r->known : &own;
    int code = story_list_read(object, &panels, r->least, r->a, raw, &count, e);
    if (code == 0 && !r->known)
        code = read_characters(object, r->a, &own, e);
    if (code < 0)
        return code;
    for (unsigned i = 0; i < count && b.panel_count < wanted; i++)
        if (story_tags_usable(raw[i].tags)) {
            b.panel[b.panel_count] = finish(r, &raw[i], o);
            b.panel[b.panel_count].id = b.panel_count + 1;
            b.panel_count++;
        }
    if (b.panel_count < r->least)
        return error_set(e, ERR_UPSTREAM, "%u of %u panels have prompt_tags in English that can be drawn",
                         b.panel_count, r->least);
    code = check_language(r, &b, e);
    if (code == 0)
        *r->board = b;
    return code;
}

int story_board_read(const struct story_ask *ask, const struct story_outline *outline, unsigned page,
                     const char *answer, size_t size, struct arena *a, struct story_board *ret,
                     struct error *e)
{
    struct reading r = {.ask = ask, .known = outline, .least = story_panels(ask), .a = a, .board = ret};
    return read_answer(&r, answer, size, panels.name, take_board, e);
}

enum story_source story_outline_salvage(const struct story_ask *ask, const char *answer, size_t size,
                                        struct arena *a, struct story_outline *ret)
{
    struct reading r = {.ask = ask, .least = story_pages(ask), .any_language = true, .a = a, .outline = ret};
    struct error e = {0};
    if (read_answer(&r, answer, size, beats.name, take_outline, &e) == 0)
        return STORY_REPAIRED;
    story_outline_fallback(ask, a, ret);
    return STORY_FALLBACK;
}

enum story_source story_board_salvage(const struct story_ask *ask, const struct story_outline *outline,
                                      unsigned page, const char *answer, size_t size, struct arena *a,
                                      struct story_board *ret)
{
    struct story_board got = {0};
    struct reading r = {
        .ask = ask, .known = outline, .least = 1, .any_language = true, .a = a, .board = &got};
    struct error e = {0};
    bool read = read_answer(&r, answer, size, panels.name, take_board, &e) == 0;
    if (read && got.panel_count == story_panels(ask)) {
        *ret = got;
        return STORY_REPAIRED;
    }
    story_board_fallback(ask, outline, page, a, ret);
    for (unsigned i = 0; read && i < got.panel_count; i++)
        ret->panel[i] = got.panel[i];
    return STORY_FALLBACK;
}
