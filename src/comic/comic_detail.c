/* What is told of a comic besides its pictures: who says what, and where the words came from. */
#include "base/check.h"
#include "base/json_out.h"
#include "comic/comic_own.h"

enum { DETAIL_MAX = 512 << 10 };

/* Apps know five; one more decides only what the bubble looks like. */
static const char *emotion_name(enum story_emotion emotion)
{
    return story_emotion_name(emotion == STORY_THINKING ? STORY_NEUTRAL : emotion);
}

static void put_panel(struct buf *b, const struct comic_panel *p, const struct story_panel *said)
{
    json_out_begin(b, '{');
    json_out_int(b, "id", said->id);
    json_out_text(b, "dialogue", said->dialogue);
    json_out_text(b, "speaker", said->speaker);
    json_out_text(b, "emotion", emotion_name(said->emotion));
    json_out_text(b, "description", said->description);
    if (p->at == PANEL_MISSING)
        json_out_bool(b, "placeholder", true);
    json_out_end(b, '}');
}

static void put_pages(struct buf *b, const struct comic *c)
{
    json_out_key(b, "pages");
    json_out_begin(b, '[');
    for (unsigned i = 0; i < c->ask.story.pages; i++) {
        const struct comic_page *p = &c->page[i];
        json_out_begin(b, '{');
        json_out_int(b, "page_index", i);
        json_out_key(b, "panels");
        json_out_begin(b, '[');
        for (unsigned k = 0; k < p->board.panel_count; k++)
            put_panel(b, &p->panel[k], &p->board.panel[k]);
        json_out_end(b, ']');
        json_out_end(b, '}');
    }
    json_out_end(b, ']');
}

static void put_beat(struct buf *b, const struct story_beat *beat)
{
    json_out_begin(b, '{');
    json_out_int(b, "id", beat->id);
    json_out_text(b, "summary_vi", beat->summary);
    json_out_text(b, "summary_en", beat->summary_en);
    json_out_text(b, "main_emotion", emotion_name(beat->emotion));
    json_out_end(b, '}');
}

static void put_outline(struct buf *b, const struct comic *c)
{
    const struct story_outline *o = comic_outline(c);
    if (!o)
        return;
    json_out_key(b, "outline");
    json_out_begin(b, '{');
    json_out_text(b, "source", story_source_name(c->text.source));
    json_out_text(b, "title", o->title);
    json_out_key(b, "beats");
    json_out_begin(b, '[');
    for (unsigned i = 0; i < o->beat_count; i++)
        put_beat(b, &o->beat[i]);
    json_out_end(b, ']');
    story_put_characters(b, o);
    json_out_end(b, '}');
}

static void put_page_meta(struct buf *b, const struct comic *c, unsigned page)
{
    const struct story_outline *o = comic_outline(c);
    unsigned first = 0, count = 0;
    json_out_begin(b, '{');
    json_out_int(b, "page_index", page);
    if (o)
        story_share(o->beat_count, c->ask.story.pages, page, &first, &count);
    json_out_key(b, "beats");
    json_out_begin(b, '[');
    for (unsigned i = 0; i < count; i++)
        json_out_put_int(b, o->beat[first + i].id);
    json_out_end(b, ']');
    json_out_int(b, "panel_count", c->page[page].board.panel_count);
    json_out_text(b, "source", story_source_name(c->page[page].text.source));
    json_out_end(b, '}');
}

static void put_meta(struct buf *b, const struct comic *c)
{
    json_out_key(b, "meta");
    json_out_begin(b, '{');
    put_outline(b, c);
    json_out_key(b, "pages");
    json_out_begin(b, '[');
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        put_page_meta(b, c, i);
    json_out_end(b, ']');
    if (c->missing)
        json_out_int(b, "placeholders", c->missing);
    json_out_end(b, '}');
}

char *comic_detail_make(struct comic *c)
{
    struct buf text;
    buf_init(&text, DETAIL_MAX);
    json_out_begin(&text, '{');
    json_out_text(&text, "story_id", comic_story_id(c));
    json_out_text(&text, "title", comic_outline(c) ? c->outline.title : "");
    put_pages(&text, c);
    put_meta(&text, c);
    json_out_end(&text, '}');
    CHECK(!text.failed);
    return text.data;
}
