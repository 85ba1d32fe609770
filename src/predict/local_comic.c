/* A comic of photos: each is drawn by rule, the pages are laid out, and bound if that is asked for.
 *
 * Happy path: a page's photos are shrunk to what their panels need, drawn one after another, and rendered;
 * only one photo's pixels are in memory at a time, and only one page's panels. Failure modes: a photo that
 * cannot be decoded is named; cancelling is noticed between strokes and between photos. The same photos and
 * words give the same pages. */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/rng.h"
#include "comic/book.h"
#include "comic/story.h"
#include "imaging/page.h"
#include "local/style.h"
#include "predict/local_work.h"

/* Drawing takes some 90 bytes a pixel: a panel as large as a page is drawn a little smaller; and one that is
 * small a little larger, as style.h would work on it at twice its size. */
enum { DRAWN_PIXELS_LEAST = 720000, DRAWN_PIXELS_MAX = 740000 };
enum {
    SHOWN_PIXELS_MAX = 4000000,
    SHOWN_SIDE_MAX = 8192,
    PHOTO_QUALITY = 95,
    DETAIL_MAX = 256 << 10,
    TELLING_HEX = 12
};

/* A text for each photo; those at the end may be missing. */
struct texts {
    const char **text;
    size_t count;
};

struct comic_of_photos {
    struct local_work *w;
    struct arena arena;
    struct texts dialogues, speakers, emotions, captions;
    const char *title;
    bool drawn; /* else the photos stay as they are */
    enum local_style style;
    unsigned photos, pages;
    unsigned done, total; /* photos drawn, and what is made of them */
};

static const char *text_of(const struct texts *t, unsigned i)
{
    return i < t->count ? t->text[i] : "";
}

/* Between two pieces of work the C library would keep what both need together. */
static void step(struct comic_of_photos *c)
{
    malloc_trim(0);
    c->w->progress(c->w->ctx, ++c->done, c->total);
}

/* ---- which photos a page has ---- */

unsigned local_comic_pages(unsigned photos, unsigned most)
{
    unsigned pages = (photos + most - 1) / most;
    return most > 1 && pages > 1 && photos / pages == 1 ? pages - 1 : pages;
}

void local_comic_share(unsigned photos, unsigned pages, unsigned page, unsigned *ret_first,
                       unsigned *ret_count)
{
    unsigned each = photos / pages, more = photos % pages; /* the first ones have one more */
    *ret_count = each + (page < more);
    *ret_first = page * each + MIN(page, more);
}

/* ---- photos ---- */

static const struct blob *photo(const struct comic_of_photos *c, unsigned i, const struct image_info **ret)
{
    const struct prediction *p = c->w->prediction;
    *ret = i == 0 ? &p->info : &p->more[i - 1].info;
    return i == 0 ? p->input : p->more[i - 1].blob;
}

/* By which it covers a panel of that size, or else is what is best for drawing. */
static double scale_of(const struct comic_of_photos *c, const struct image_info *info, uint32_t width,
                       uint32_t height)
{
    double cover = MAX((double)width / info->width, (double)height / info->height);
    double pixels = (double)info->width * info->height;
    if (!c->drawn)
        return cover;
    return MIN(MAX(cover, sqrt(DRAWN_PIXELS_LEAST / pixels)), sqrt(DRAWN_PIXELS_MAX / pixels));
}

static int shrink(struct comic_of_photos *c, unsigned i, uint32_t width, uint32_t height,
                  struct prescaled *ret)
{
    const struct image_info *info;
    const struct blob *bytes = photo(c, i, &info);
    double scale = MIN(scale_of(c, info, width, height), 1.0);
    const struct prescale_rule rule = {
        .max_pixels = SHOWN_PIXELS_MAX,
        .max_side = (uint32_t)MIN(ceil(MAX(info->width, info->height) * scale), SHOWN_SIDE_MAX),
        .format = PRESCALE_JPEG,
        .quality = PHOTO_QUALITY,
        .convert = true,
    };
    int r = image_prescale((struct blob *)(uintptr_t)bytes, info, &rule, ret, &c->w->err);
    if (r == -ERR_VALIDATION)
        feature_blame_picture(c->w->prediction->feature, i, &c->w->err);
    return r;
}

/* A small photo is enlarged before, not after: lines are to be sharp on the page. */
static int decode(struct comic_of_photos *c, const struct prescaled *photo, double scale, struct pixels *ret)
{
    struct pixels small;
    uint32_t width = (uint32_t)(photo->info.width * scale), height = (uint32_t)(photo->info.height * scale);
    int r = image_decode(photo->image, &photo->info, &small, &c->w->err);
    if (r == 0 && (width <= small.width || height <= small.height))
        *ret = small;
    else if (r == 0) {
        r = image_resize(&small, width, height, ret, &c->w->err);
        pixels_release(&small);
    }
    return r;
}

/* From a photo that is small enough to the panel's picture. */
static int draw(struct comic_of_photos *c, const struct prescaled *photo, double scale,
                struct page_panel *ret)
{
    struct local_work *w = c->w;
    const struct style_run run = {.threads = local_work_threads(w), .cancelled = w->cancelled};
    struct pixels in = {0}, out = {0};
    int r = decode(c, photo, scale, &in);
    if (r == 0)
        r = style_render(&in, c->style, &run, &out, &w->model, &w->err);
    pixels_release(&in);
    if (r < 0)
        return r;
    struct blob *image;
    r = image_encode(&out, IMAGE_PNG, 0, &image, &w->err);
    if (r == 0) {
        ret->image = image;
        ret->info = (struct image_info){
            .type = IMAGE_PNG, .width = out.width, .height = out.height, .orientation = 1};
    }
    pixels_release(&out);
    return r;
}

/* ret gets a reference to its picture. */
static int make_panel(struct comic_of_photos *c, unsigned i, uint32_t width, uint32_t height,
                      struct page_panel *ret)
{
    if (atomic_load(c->w->cancelled))
        return error_set(&c->w->err, ERR_CLIENT_GONE, "%s", "");
    struct prescaled small = {0};
    int r = shrink(c, i, width, height, &small);
    if (r < 0)
        return r;
    if (c->drawn) {
        r = draw(c, &small, scale_of(c, &small.info, width, height), ret);
        blob_unref(small.image);
    } else {
        ret->image = small.image;
        ret->info = small.info;
    }
    if (r == 0)
        step(c);
    return r;
}

/* ---- what is said ---- */

static const enum page_emotion emotions[STORY_EMOTION_COUNT] = {
    [STORY_HAPPY] = PAGE_HAPPY,         [STORY_SAD] = PAGE_SAD,         [STORY_ANGRY] = PAGE_ANGRY,
    [STORY_SURPRISED] = PAGE_SURPRISED, [STORY_NEUTRAL] = PAGE_NEUTRAL, [STORY_THINKING] = PAGE_THINKING,
};

/* A word that is none is no reason to fail. */
static enum story_emotion emotion_of(const struct comic_of_photos *c, unsigned i)
{
    enum story_emotion found;
    return story_emotion_find(text_of(&c->emotions, i), &found) ? found : STORY_NEUTRAL;
}

static void say(const struct comic_of_photos *c, unsigned i, struct page_panel *panel)
{
    const char *caption = text_of(&c->captions, i), *dialogue = text_of(&c->dialogues, i);
    const char *speaker = text_of(&c->speakers, i);
    bool narrator = strcasecmp(speaker, "narrator") == 0;
    if (*caption)
        panel->line[panel->line_count++] = (struct page_line){.text = caption, .voice = PAGE_CAPTION};
    if (*dialogue)
        panel->line[panel->line_count++] = (struct page_line){
            .text = dialogue,
            .speaker = speaker,
            .voice = narrator ? PAGE_CAPTION : PAGE_SPEECH,
            .emotion = emotions[emotion_of(c, i)],
        };
    for (unsigned k = 0; k < panel->line_count; k++)
        if (!panel->line[k].speaker)
            panel->line[k].speaker = "";
}

/* ---- pages ---- */

static void take_page(struct comic_of_photos *c, const struct page_made *made, const char *name)
{
    struct prediction_output *out = local_work_add(c->w, made->image, made->type, made->width, made->height);
    snprintf(out->file, sizeof(out->file), "%s", name);
    step(c);
}

static void drop_panels(struct page_request *page)
{
    for (unsigned i = 0; i < page->panel_count; i++)
        blob_unref((struct blob *)(uintptr_t)page->panel[i].image);
}

static int render_page(struct comic_of_photos *c, struct page_request *page, unsigned first, unsigned number)
{
    struct page_made made;
    unsigned bad = page->panel_count;
    int r = page_render(page, &made, &bad, &c->w->err);
    if (r == -ERR_VALIDATION && bad < page->panel_count)
        feature_blame_picture(c->w->prediction->feature, first + bad, &c->w->err);
    if (r == 0) {
        char name[24];
        snprintf(name, sizeof(name), "page-%u.png", number);
        take_page(c, &made, name);
    }
    return r;
}

static int make_page(struct comic_of_photos *c, unsigned number)
{
    struct page_request page = {.output = IMAGE_PNG};
    unsigned first, count;
    local_comic_share(c->photos, c->pages, number, &first, &count);
    int r = 0;
    for (unsigned i = 0; i < count && r == 0; i++) {
        uint32_t x, y, width, height;
        page_cell(count, i, false, &x, &y, &width, &height);
        r = make_panel(c, first + i, width, height, &page.panel[i]);
        page.panel_count += r == 0;
        if (r == 0)
            say(c, first + i, &page.panel[i]);
    }
    if (r == 0)
        r = render_page(c, &page, first, number + 1);
    drop_panels(&page);
    return r;
}

static int make_cover(struct comic_of_photos *c)
{
    struct page_panel first = {0};
    struct page_made made;
    int r = make_panel(c, 0, PAGE_WIDTH, PAGE_HEIGHT, &first);
    if (r < 0)
        return r;
    const struct page_cover cover = {
        .image = first.image, .info = first.info, .title = c->title, .byline = "", .output = IMAGE_PNG};
    r = page_render_cover(&cover, &made, &c->w->err);
    if (r == 0)
        take_page(c, &made, "cover.png");
    blob_unref((struct blob *)(uintptr_t)first.image);
    return r;
}

/* ---- the book ---- */

static int bind(struct comic_of_photos *c, const char *format)
{
    struct local_work *w = c->w;
    enum book_format as = strcmp(format, "cbz") == 0 ? BOOK_CBZ : BOOK_PDF;
    struct book book = {.title = *c->title ? c->title : w->folder,
                        .author = "",
                        .language = "",
                        .summary = "",
                        .made_s = clock_wall_s(),
                        .page_count = w->output_count};
    for (unsigned i = 0; i < w->output_count; i++) {
        const struct prediction_output *out = &w->output[i];
        book.page[i] = out->blob;
        book.info[i] = (struct image_info){
            .type = out->type, .width = out->width, .height = out->height, .orientation = 1};
    }
    struct blob *bytes;
    int r = book_make(&book, as, &bytes, &w->err);
    if (r < 0)
        return r;
    struct prediction_output *out = local_work_add(w, bytes, IMAGE_UNKNOWN, 0, 0);
    out->mime = book_mime(as);
    snprintf(out->file, sizeof(out->file), "book.%s", book_extension(as));
    step(c);
    return 0;
}

/* ---- what is told besides ---- */

static void put_panel(struct buf *b, const struct comic_of_photos *c, unsigned i, unsigned id)
{
    json_out_begin(b, '{');
    json_out_int(b, "id", id);
    json_out_text(b, "dialogue", text_of(&c->dialogues, i));
    json_out_text(b, "speaker", text_of(&c->speakers, i));
    json_out_text(b, "emotion", story_emotion_name(emotion_of(c, i)));
    if (*text_of(&c->captions, i))
        json_out_text(b, "caption", text_of(&c->captions, i));
    json_out_int(b, "photo", i);
    json_out_end(b, '}');
}

static char *detail_of(const struct comic_of_photos *c)
{
    struct buf b;
    buf_init(&b, DETAIL_MAX);
    json_out_begin(&b, '{');
    json_out_text(&b, "story_id", c->w->folder);
    json_out_text(&b, "title", c->title);
    json_out_key(&b, "pages");
    json_out_begin(&b, '[');
    for (unsigned page = 0; page < c->pages; page++) {
        unsigned first, count;
        local_comic_share(c->photos, c->pages, page, &first, &count);
        json_out_begin(&b, '{');
        json_out_int(&b, "page_index", page);
        json_out_key(&b, "panels");
        json_out_begin(&b, '[');
        for (unsigned i = 0; i < count; i++)
            put_panel(&b, c, first + i, i + 1);
        json_out_end(&b, ']');
        json_out_end(&b, '}');
    }
    json_out_end(&b, ']');
    json_out_end(&b, '}');
    CHECK(!b.failed);
    return b.data;
}

/* ---- the whole ---- */

/* A name that tells what it is, and that no other comic has. */
static void name_it(struct comic_of_photos *c)
{
    char id[UUID_TEXT];
    uuid_make(id);
    const char *slug = *c->title ? story_slug(c->title, &c->arena) : "photos";
    snprintf(c->w->folder, sizeof(c->w->folder), "%.60s-%s", slug, id + strlen(id) - TELLING_HEX);
}

static struct texts texts_of(struct comic_of_photos *c, const char *name)
{
    struct texts t;
    t.text = params_list(c->w->prediction->params, name, &c->arena, &t.count);
    return t;
}

static void read_params(struct comic_of_photos *c)
{
    const struct prediction *p = c->w->prediction;
    c->title = params_text(p->params, "title");
    c->dialogues = texts_of(c, "dialogues");
    c->speakers = texts_of(c, "speakers");
    c->emotions = texts_of(c, "emotions");
    c->captions = texts_of(c, "captions");
    c->drawn = style_find(params_text(p->params, "style"), &c->style);
    c->photos = 1 + p->more_count;
    c->pages = local_comic_pages(c->photos, (unsigned)params_int(p->params, "panels_per_page", 4));
}

static int make_all(struct comic_of_photos *c)
{
    const struct params *params = c->w->prediction->params;
    const char *format = params_text(params, "format");
    bool cover = params_bool(params, "cover"), book = strcmp(format, "png") != 0;
    c->total = c->photos + c->pages + (cover ? 2 : 0) + book;
    int r = cover ? make_cover(c) : 0;
    for (unsigned page = 0; page < c->pages && r == 0; page++)
        r = make_page(c, page);
    return r == 0 && book ? bind(c, format) : r;
}

int local_comic_run(struct local_work *w)
{
    struct comic_of_photos c = {.w = w};
    arena_init(&c.arena);
    w->model = "limner-comic";
    read_params(&c);
    name_it(&c);
    int r = make_all(&c);
    if (r == 0)
        w->detail = detail_of(&c);
    arena_release(&c.arena);
    return r;
}

int local_comic_available(const struct local *local, struct error *e)
{
    (void)local;
    return page_fonts_check(e);
}
