/* The comic's operation, held together.
 *
 * Happy path: the outline is written; then the storyboards, all at once; each page's panels as soon as its
 * storyboard is there; each page is rendered as soon as its panels are, and stored as soon as the story has
 * its name in the store. When all that is wanted is stored the operation completes.
 * Failure modes: a text that cannot be read is asked for once more, then made up; a run that failed is tried
 * once more; a panel that fails again becomes an empty field (partial), anything else fails the whole: what
 * is under way is cancelled, and when the last of it has come back what was stored is removed.
 * Invariants: `busy` counts operations that were begun and have not come back; nothing is begun while
 * failing; the operation completes when busy is 0, once. */
#include "comic/comic_own.h"
#include "comic/story_own.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum { LATER_MS = 50 };

/* ---- the end ---- */

static void take_outputs(struct comic *c)
{
    const unsigned pages = c->ask.story.pages;
    if (c->cover.wanted)
        c->output[c->output_count++] = c->cover.out;
    for (unsigned i = 0; i < pages; i++)
        c->output[c->output_count++] = c->page[i].object.out;
    if (c->book.wanted)
        c->output[c->output_count++] = c->book.out;
    c->detail = comic_detail_make(c);
}

static void undo(struct comic *c)
{
    if (!c->host->owns(c->host))
        return;
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        comic_object_remove(&c->page[i].object);
    comic_object_remove(&c->cover);
    comic_object_remove(&c->book);
    comic_claim_undo(c);
}

static bool all_stored(const struct comic *c)
{
    bool all = c->claim.at == CLAIM_DONE && c->claim.told;
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        all &= c->page[i].object.stored;
    return all && c->cover.stored == c->cover.wanted && c->book.stored == c->book.wanted;
}

static void end_if_over(struct comic *c)
{
    if (c->busy > 0 || (!c->failing && !all_stored(c)))
        return;
    timer_disarm(c->config.loop, &c->later);
    if (c->failing)
        undo(c);
    else
        take_outputs(c);
    comic_claim_release(c);
    op_complete(&c->op, c->failing ? -(int)c->err.code : 0);
}

/* ---- what is under way ---- */

void comic_begin(struct comic *c)
{
    c->busy++;
}

bool comic_back(struct comic *c)
{
    CHECK(c->busy > 0);
    c->busy--;
    if (c->failing)
        end_if_over(c);
    return !c->failing;
}

static void cancel_page(struct comic_page *p)
{
    op_cancel(&p->text.run.op);
    for (unsigned i = 0; i < STORY_PANELS_MAX; i++) {
        op_cancel(&p->panel[i].run.op);
        op_cancel(&p->panel[i].check.op);
    }
    op_cancel(&p->object.job.op);
    op_cancel(&p->object.put.op);
}

void comic_fail(struct comic *c, const struct error *e)
{
    if (c->failing)
        return;
    c->failing = true;
    c->err = *e;
    op_cancel(&c->text.run.op);
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        cancel_page(&c->page[i]);
    op_cancel(&c->cover.job.op);
    op_cancel(&c->cover.put.op);
    op_cancel(&c->book.job.op);
    op_cancel(&c->book.put.op);
    comic_claim_cancel(c);
    end_if_over(c);
}

static void cancel(struct op *op)
{
    struct error e;
    error_set(&e, ERR_CLIENT_GONE, "%s", "");
    comic_fail(CONTAINER_OF(op, struct comic, op), &e);
}

/* ---- what comes next ---- */

static void go_on_with_page(struct comic *c, unsigned i)
{
    struct comic_page *p = &c->page[i];
    if (!p->has_board) {
        if (!p->text.run.op.on_done) /* not yet begun */
            comic_text_start(&p->text);
        return;
    }
    for (unsigned k = 0; k < p->board.panel_count && !c->failing; k++)
        if (p->panel[k].at == PANEL_WAITS)
            comic_panel_start(&p->panel[k]);
    if (comic_page_is_drawn(p) && !p->object.wanted)
        comic_object_start(&p->object);
    else
        comic_object_put(&p->object);
}

static bool all_rendered(const struct comic *c)
{
    bool all = true;
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        all &= c->page[i].object.ready;
    return all && c->cover.ready == c->cover.wanted;
}

static void go_on_with_rest(struct comic *c)
{
    if (c->ask.cover && c->page[0].shown && !c->cover.wanted) /* its picture is sound, then */
        comic_object_start(&c->cover);
    if (c->ask.bound && all_rendered(c) && (!c->ask.cover || c->cover.ready) && !c->book.wanted)
        comic_object_start(&c->book);
    comic_object_put(&c->cover);
    comic_object_put(&c->book);
}

void comic_go_on(struct comic *c)
{
    if (c->failing)
        return;
    if (c->ask.story.pages > 1 && !c->has_outline)
        return; /* it is being written */
    if (c->claim.at == CLAIM_NOT_YET)
        comic_claim_start(c);
    for (unsigned i = 0; i < c->ask.story.pages && !c->failing; i++)
        go_on_with_page(c, i);
    if (!c->failing)
        go_on_with_rest(c);
    if (!c->failing)
        comic_claim_tell(c);
    if (!c->failing)
        end_if_over(c);
}

static void begin_again(struct timer *t)
{
    struct comic *c = CONTAINER_OF(t, struct comic, later);
    if (c->failing)
        return;
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        comic_object_lane(&c->page[i].object);
    comic_object_lane(&c->cover);
    comic_object_lane(&c->book);
    comic_claim_again(c);
    comic_go_on(c);
}

void comic_later(struct comic *c)
{
    timer_arm(c->config.loop, &c->later, loop_now_ns(c->config.loop) + LATER_MS * NS_PER_MS, begin_again);
}

/* ---- what is told ---- */

void comic_tell(struct comic *c, unsigned page, unsigned panel, const struct blob *preview, const char *fmt,
                ...)
{
    struct comic_news news = {.done = ++c->steps_done, .total = c->steps, .page = page, .panel = panel};
    va_list args;
    va_start(args, fmt);
    vsnprintf(news.step, sizeof(news.step), fmt, args);
    va_end(args);
    news.preview = preview;
    c->host->told(c->host, &news);
}

const struct story_outline *comic_outline(const struct comic *c)
{
    return c->has_outline ? &c->outline : NULL;
}

const char *comic_story_id(const struct comic *c)
{
    return c->claim.name.id;
}

/* ---- from its beginning ---- */

static void init_text(struct comic *c, struct comic_text *t, unsigned page)
{
    t->c = c;
    t->page = page;
}

struct comic *comic_new(const struct comic_config *config, const struct comic_ask *ask,
                        struct comic_host *host)
{
    const struct story_ask *s = &ask->story;
    CHECK(s->pages >= 1 && s->pages <= COMIC_PAGES_MAX && s->panels >= 1 && s->panels <= STORY_PANELS_MAX);
    struct comic *c = NEW(struct comic);
    c->config = *config;
    c->ask = *ask;
    c->host = host;
    arena_init(&c->arena);
    c->title = story_clean(s->prompt, STORY_TITLE_MAX, &c->arena);
    c->steps = (s->pages > 1) + s->pages * (2 + s->panels) + ask->cover + ask->bound;
    init_text(c, &c->text, COMIC_PAGES_MAX);
    for (unsigned i = 0; i < s->pages; i++)
        init_text(c, &c->page[i].text, i);
    comic_pages_init(c);
    return c;
}

void comic_start(struct comic *c, op_done_fn *on_done)
{
    op_begin(&c->op, c->config.loop, on_done, cancel);
    if (c->ask.story.pages > 1)
        comic_text_start(&c->text);
    else
        comic_go_on(c);
}

struct op *comic_op(struct comic *c)
{
    return &c->op;
}

const struct error *comic_error(const struct comic *c)
{
    return &c->err;
}

bool comic_is_degraded(const struct comic *c)
{
    return c->missing > 0;
}

unsigned comic_outputs(const struct comic *c, const struct comic_output **ret)
{
    *ret = c->output;
    return c->output_count;
}

const char *comic_detail(const struct comic *c)
{
    return c->detail;
}

void comic_free(struct comic *c)
{
    if (!c)
        return;
    CHECK(c->busy == 0 && c->later.slot == 0);
    comic_text_drop(&c->text);
    for (unsigned i = 0; i < c->ask.story.pages; i++) {
        struct comic_page *p = &c->page[i];
        comic_text_drop(&p->text);
        for (unsigned k = 0; k < STORY_PANELS_MAX; k++)
            comic_panel_drop(&p->panel[k]);
        comic_object_drop(&p->object);
    }
    comic_object_drop(&c->cover);
    comic_object_drop(&c->book);
    arena_release(&c->arena);
    free(c->detail);
    free(c);
}
