/* What is rendered of a comic: its pages, a cover with the first panel on it, and the book they are bound
 * into. Runs on the lane, which reads what the core has set up and does not change before the job is back. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "comic/comic_own.h"

enum { PREVIEW_SIDE = 256 };

static const enum page_emotion page_emotions[STORY_EMOTION_COUNT] = {
    [STORY_HAPPY] = PAGE_HAPPY,         [STORY_SAD] = PAGE_SAD,         [STORY_ANGRY] = PAGE_ANGRY,
    [STORY_SURPRISED] = PAGE_SURPRISED, [STORY_NEUTRAL] = PAGE_NEUTRAL, [STORY_THINKING] = PAGE_THINKING,
};

static bool is_narrator(const char *speaker)
{
    return strcasecmp(speaker, "narrator") == 0;
}

/* Languages that are written from the right are read so as well, and so are their panels. */
static bool reads_from_right(const char *language)
{
    static const char *const tags[] = {"ar", "fa", "he", "ur", "yi", "ps", "ckb", "dv", "sd", "ug"};
    size_t len = strcspn(language, "-_");
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        if (strlen(tags[i]) == len && strncasecmp(tags[i], language, len) == 0)
            return true;
    return false;
}

static void set_panel(const struct comic_panel *from, const struct story_panel *said, struct page_panel *to)
{
    to->image = from->image;
    to->info = from->info;
    to->label = from->image ? NULL : "This panel could not be drawn";
    to->line[0] = (struct page_line){
        .text = said->dialogue,
        .speaker = said->speaker,
        .voice = is_narrator(said->speaker) ? PAGE_CAPTION : PAGE_SPEECH,
        .emotion = page_emotions[said->emotion],
    };
    to->line_count = *said->dialogue ? 1 : 0;
}

static int take_made(struct comic_object *o, struct page_made *made)
{
    o->bytes = made->image;
    o->out.width = made->width;
    o->out.height = made->height;
    const struct image_info info = {.type = made->type, .width = made->width, .height = made->height};
    struct error ignored; /* a preview is a courtesy */
    if (page_thumbnail(o->bytes, &info, PREVIEW_SIDE, &o->preview, &ignored) < 0)
        o->preview = NULL;
    return 0;
}

static int render_page(struct comic_object *o)
{
    const struct comic_page *p = &o->c->page[o->page];
    struct page_request req = {.panel_count = p->board.panel_count,
                               .right_to_left = reads_from_right(o->c->ask.story.language),
                               .output = IMAGE_PNG};
    struct page_made made = {0};
    for (unsigned i = 0; i < p->board.panel_count; i++)
        set_panel(&p->panel[i], &p->board.panel[i], &req.panel[i]);
    int r = page_render(&req, &made, &o->bad_panel, &o->err);
    return r < 0 ? r : take_made(o, &made);
}

static void page_done(struct comic_object *o)
{
    struct comic *c = o->c;
    struct comic_page *p = &c->page[o->page];
    unsigned shown = 1;
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        shown += c->page[i].shown;
    for (unsigned i = 0; i < p->board.panel_count; i++)
        if (o->page > 0 || i > 0 || !c->ask.cover) /* the cover needs the first */
            blob_unref(TAKE(p->panel[i].image));
    p->shown = true;
    comic_tell(c, o->page + 1, 0, o->preview, "page %u/%u", shown, c->ask.story.pages);
}

/* A picture that could not be decoded after all: that panel is drawn once more. */
static void page_failed(struct comic_object *o)
{
    struct comic_page *p = &o->c->page[o->page];
    const struct error said = o->err;
    struct error e;
    if (o->bad_panel >= p->board.panel_count) {
        comic_fail(o->c, &said);
        return;
    }
    struct comic_panel *bad = &p->panel[o->bad_panel];
    o->wanted = false;
    o->c->drawn--;
    o->c->steps_done--;
    error_set(&e, ERR_UPSTREAM, "The picture cannot be used: %.150s", said.reason);
    comic_panel_failed(bad, &e);
}

/* ---- the cover ---- */

static int render_cover(struct comic_object *o)
{
    const struct comic_panel *first = &o->c->page[0].panel[0];
    struct page_cover cover = {.image = first->image,
                               .info = first->info,
                               .title = comic_outline(o->c) ? o->c->outline.title : "",
                               .byline = "",
                               .output = IMAGE_PNG};
    struct page_made made = {0};
    int r = page_render_cover(&cover, &made, &o->err);
    return r < 0 ? r : take_made(o, &made);
}

static void cover_done(struct comic_object *o)
{
    struct comic *c = o->c;
    blob_unref(TAKE(c->page[0].panel[0].image));
    comic_tell(c, 0, 0, o->preview, "cover");
}

/* ---- the book ---- */

static int bind_book(struct comic_object *o)
{
    struct comic *c = o->c;
    const struct comic_object *page[COMIC_PAGES_MAX + 1];
    struct book book = {.title = c->title,
                        .author = "",
                        .language = c->ask.story.language,
                        .summary = c->ask.story.prompt,
                        .made_s = clock_wall_s(),
                        .right_to_left = reads_from_right(c->ask.story.language)};
    if (c->ask.cover)
        page[book.page_count++] = &c->cover;
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        page[book.page_count++] = &c->page[i].object;
    for (unsigned i = 0; i < book.page_count; i++) {
        book.page[i] = page[i]->bytes;
        book.info[i] = (struct image_info){
            .type = IMAGE_PNG, .width = page[i]->out.width, .height = page[i]->out.height, .orientation = 1};
    }
    return book_make(&book, c->ask.format, &o->bytes, &o->err);
}

static void book_done(struct comic_object *o)
{
    comic_tell(o->c, 0, 0, NULL, "book");
}

/* ---- all of them ---- */

void comic_pages_init(struct comic *c)
{
    c->cover = (struct comic_object){.c = c, .render = render_cover, .done = cover_done};
    c->book = (struct comic_object){.c = c, .render = bind_book, .done = book_done};
    c->cover.out.content_type = image_mime(IMAGE_PNG);
    c->book.out.content_type = book_mime(c->ask.format);
    snprintf(c->cover.file, sizeof(c->cover.file), "cover.png");
    snprintf(c->book.file, sizeof(c->book.file), "book.%s", book_extension(c->ask.format));
    for (unsigned i = 0; i < COMIC_PAGES_MAX; i++) {
        struct comic_page *p = &c->page[i];
        p->object = (struct comic_object){
            .c = c, .page = i, .render = render_page, .done = page_done, .failed = page_failed};
        p->object.out.content_type = image_mime(IMAGE_PNG);
        snprintf(p->object.file, sizeof(p->object.file), "page-%u.png", i + 1);
        for (unsigned k = 0; k < STORY_PANELS_MAX; k++)
            p->panel[k] = (struct comic_panel){.c = c, .page = i, .panel = k};
    }
}

bool comic_page_is_drawn(const struct comic_page *p)
{
    bool all = p->has_board;
    for (unsigned i = 0; i < p->board.panel_count; i++)
        all &= p->panel[i].at == PANEL_THERE || p->panel[i].at == PANEL_MISSING;
    return all;
}
