#include <ctype.h>
#include <string.h>

#include "base/check.h"
#include "comic/story_own.h"

enum { PIECES_MAX = 48, SUBJECTS_MAX = 5, WORDS_MAX = 110 /* bytes of a tag */ };

/* How a panel is seen when nobody says so; one after the other. */
static const char *const shots[] = {
    "wide shot, scenery, sky, establishing shot",
    "medium shot, standing, from side",
    "close-up, expressive eyes, looking to the side",
    "full body, walking, dynamic pose",
    "from behind, looking afar, depth of field",
    "upper body, talking, open mouth",
    "low angle, dramatic lighting, wind",
    "high angle, wide shot, from above",
    "close-up, hands, detailed",
    "medium shot, sunlight, warm light",
    "wide shot, sunset, silhouette of hills",
    "upper body, smile, looking at viewer",
};

/* What a Vietnamese prompt is about, for a model that reads English. */
struct subject {
    const char *word, *tag;
};
static const struct subject heroes[] = {
    {"cô bé", "1girl"},     {"bé gái", "1girl"},    {"cô gái", "1girl"},
    {"nữ sinh", "1girl"},   {"cậu bé", "1boy"},     {"bé trai", "1boy"},
    {"chàng trai", "1boy"}, {"nam sinh", "1boy"},   {"công chúa", "princess"},
    {"hoàng tử", "prince"}, {"ông lão", "old man"}, {"bà lão", "old woman"},
    {"hiệp sĩ", "knight"},  {"phù thủy", "witch"},  {"phi hành gia", "astronaut"},
    {"người máy", "robot"}, {"rô-bốt", "robot"},    {"robot", "robot"},
    {"mèo", "cat"},         {"chó", "dog"},         {"rồng", "dragon"},
    {"thỏ", "rabbit"},      {"chim", "bird"},       {"cá", "fish"},
    {"ngựa", "horse"},      {"hổ", "tiger"},        {"gấu", "bear"},
    {"voi", "elephant"},
};
static const struct subject places[] = {
    {"rừng", "forest"},  {"biển", "ocean"},       {"núi", "mountain"},      {"sông", "river"},
    {"làng", "village"}, {"thành phố", "city"},   {"trường học", "school"}, {"lâu đài", "castle"},
    {"vũ trụ", "space"}, {"mặt trăng", "moon"},   {"ngôi sao", "stars"},    {"mưa", "rain"},
    {"tuyết", "snow"},   {"đêm", "night"},        {"hoa", "flowers"},       {"khu vườn", "garden"},
    {"bầu trời", "sky"}, {"hoàng hôn", "sunset"}, {"bãi biển", "beach"},    {"ngôi nhà", "house"},
};

struct pieces {
    const char *text[PIECES_MAX];
    unsigned count;
};

void story_share(unsigned count, unsigned pages, unsigned page, unsigned *ret_first, unsigned *ret_count)
{
    CHECK(page < pages);
    unsigned first = (unsigned)((uint64_t)count * page / pages);
    *ret_count = (unsigned)((uint64_t)count * (page + 1) / pages) - first;
    *ret_first = first;
}

/* Bytes of the sentence that s begins with, and of what ends it. */
static size_t sentence(const char *s, size_t size)
{
    size_t at = 0, n;
    while (at < size) {
        uint32_t code = story_code(s + at, &n);
        at += n;
        bool full = code == '\n' || code == 0x3002 || code == 0xff01 || code == 0xff1f;
        bool stop = strchr(".!?", (int)code) && code < 0x80;
        if (full || ((stop || code == 0x2026) && (at == size || isspace((unsigned char)s[at]))))
            break;
    }
    return at;
}

static void split_sentences(const char *prompt, struct arena *a, struct pieces *p)
{
    size_t size = story_head(prompt, STORY_PROMPT_MAX), at = 0;
    while (at < size) {
        size_t n = p->count == PIECES_MAX - 1 ? size - at : sentence(prompt + at, size - at);
        const char *text = story_clean(arena_strndup(a, prompt + at, n), STORY_TEXT_MAX, a);
        if (*text)
            p->text[p->count++] = text;
        at += n;
    }
    if (p->count == 0)
        p->text[p->count++] = "…";
}

/* Where a text is cut in two: behind the mark or at the blank that is nearest to its middle; 0: nowhere. */
static size_t middle(const char *text)
{
    size_t len = strlen(text), best = 0, best_far = len;
    for (size_t i = 1; i + 1 < len; i++) {
        if (text[i] != ' ')
            continue;
        size_t far = i > len / 2 ? i - len / 2 : len / 2 - i;
        if (far < len / 3 && strchr(",;:", text[i - 1]))
            far /= 32;
        if (far < best_far) {
            best = i;
            best_far = far;
        }
    }
    return best;
}

/* The longest piece is cut in two, as long as there is room and what it says is too long for a panel. */
static void split_long(struct pieces *p, struct arena *a)
{
    while (p->count < STORY_BEATS_MAX) {
        unsigned longest = 0;
        for (unsigned i = 1; i < p->count; i++)
            if (strlen(p->text[i]) > strlen(p->text[longest]))
                longest = i;
        const char *text = p->text[longest];
        size_t at = text[story_head(text, STORY_DIALOGUE_MAX)] ? middle(text) : 0;
        if (at == 0)
            return;
        memmove(p->text + longest + 1, p->text + longest, (p->count - longest) * sizeof(*p->text));
        p->text[longest] = arena_strndup(a, text, at);
        p->text[longest + 1] = text + at + 1;
        p->count++;
    }
}

/* The pieces of a beat as one text. Where there are fewer pieces than beats, neighbours have the same. */
static const char *join(const struct pieces *p, unsigned beats, unsigned beat, struct arena *a)
{
    unsigned first, count;
    BUF_ON_EXIT struct buf all;
    buf_init(&all, PIECES_MAX * 4 * (STORY_TEXT_MAX + 2));
    story_share(p->count, beats, beat, &first, &count);
    if (count == 0)
        return p->text[first];
    for (unsigned i = first; i < first + count; i++)
        buf_printf(&all, "%s%s", i > first ? " " : "", p->text[i]);
    return story_clean(buf_text(&all), STORY_TEXT_MAX, a);
}

/* The tags of the words that are in the text, each with a comma behind it. */
static const char *find_subjects(const char *text, const struct subject *rows, size_t count, struct arena *a)
{
    char *plain = story_clean(text, STORY_PROMPT_MAX, a), *found = arena_strdup(a, "");
    unsigned left = SUBJECTS_MAX;
    for (char *s = plain; *s; s++)
        *s = (char)((unsigned char)*s < 0x80 ? tolower(*s) : *s);
    for (size_t i = 0; i < count && left > 0; i++)
        if (story_names(plain, rows[i].word)) {
            found = arena_printf(a, "%s%s, ", found, rows[i].tag);
            left--;
        }
    return found;
}

/* English words can be drawn as they are. Of others: who the story is about, and where the beat is. */
static const char *in_english(const char *text, const char *about, struct arena *a)
{
    if (story_ascii(text))
        return text;
    return arena_printf(a, "%s%san event of the story", about,
                        find_subjects(text, places, ARRAY_LEN(places), a));
}

void story_outline_fallback(const struct story_ask *ask, struct arena *a, struct story_outline *ret)
{
    struct pieces p = {0};
    struct story_outline o = {.title = story_clean(ask->prompt, STORY_TITLE_MAX, a)};
    split_sentences(ask->prompt, a, &p);
    split_long(&p, a);
    const char *about = find_subjects(ask->prompt, heroes, ARRAY_LEN(heroes), a);
    o.beat_count = MAX(MIN(p.count, (unsigned)STORY_BEATS_MAX), (unsigned)STORY_BEATS_LEAST);
    for (unsigned i = 0; i < o.beat_count; i++) {
        const char *text = join(&p, o.beat_count, i, a);
        o.beat[i] = (struct story_beat){.id = i + 1, .summary = text, .emotion = STORY_NEUTRAL};
        o.beat[i].summary_en = in_english(text, about, a);
    }
    o.story_id = story_slug(story_clean(ask->prompt, STORY_SLUG_MAX, a), a);
    *ret = o;
}

/* What the narrator says in a panel: the beats of it, but not again what he has said just before. */
static const char *narration(const struct story_outline *o, unsigned first, unsigned count, struct arena *a)
{
    char *said = arena_strdup(a, "");
    const char *last = first > 0 ? o->beat[first - 1].summary : "";
    for (unsigned i = first; i < first + count; last = o->beat[i++].summary)
        if (strcmp(o->beat[i].summary, last) != 0)
            said = arena_printf(a, "%s%s%s", said, *said ? " " : "", o->beat[i].summary);
    return story_clean(said, STORY_DIALOGUE_MAX, a);
}

/* A beat in English is tags enough, cut at a word. */
static const char *scene_tags(const struct story_beat *b, unsigned shot, struct arena *a)
{
    size_t len = story_ascii(b->summary_en) ? strlen(b->summary_en) : 0;
    if (len > WORDS_MAX)
        for (len = WORDS_MAX; len > 0 && b->summary_en[len] != ' ';)
            len--;
    return arena_printf(a, "%.*s, %s", (int)len, b->summary_en, shots[shot % ARRAY_LEN(shots)]);
}

/* Panel i of a page. Its beats are those that begin with it: none, where there are more panels than beats. */
static struct story_panel make_panel(const struct story_ask *ask, const struct story_outline *o,
                                     unsigned page, unsigned i, struct arena *a)
{
    unsigned first, count, wanted = story_panels(ask), pages = story_pages(ask);
    story_share(o->beat_count, pages, MIN(page, pages - 1), &first, &count);
    unsigned from = (i * count + wanted - 1) / wanted, next = ((i + 1) * count + wanted - 1) / wanted;
    unsigned at = first + (next > from || from == 0 ? from : from - 1); /* where the story is */
    const struct story_beat *beat = &o->beat[MIN(at, o->beat_count - 1)];
    const char *said = narration(o, first + from, next - from, a);
    const char *names = arena_printf(a, "%s\n%s", beat->summary, beat->summary_en);
    const char *tags = scene_tags(beat, page * wanted + i, a);
    return (struct story_panel){
        .id = i + 1,
        .description = beat->summary,
        .tags = story_tags(tags, o, names, ask->style, a),
        .dialogue = said,
        .speaker = *said ? "narrator" : "",
        .emotion = beat->emotion,
    };
}

void story_board_fallback(const struct story_ask *ask, const struct story_outline *outline, unsigned page,
                          struct arena *a, struct story_board *ret)
{
    struct story_outline own;
    struct story_board b = {.panel_count = story_panels(ask)};
    bool known = outline && outline->beat_count > 0;
    if (!known)
        story_outline_fallback(ask, a, &own);
    for (unsigned i = 0; i < b.panel_count; i++)
        b.panel[i] = make_panel(ask, known ? outline : &own, page, i, a);
    *ret = b;
}
