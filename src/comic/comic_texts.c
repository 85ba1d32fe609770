/* What a language model writes: the outline, and a board for each page.
 *
 * Happy path: one run, its text is read. Failure modes: a text that cannot be read is given back to the model
 * once, with what is wrong; if that is no better (or that run fails), what can be used of it is kept and the
 * rest is made up, and meta says so. A run that fails by the model's fault is tried once more; then the comic
 * fails: without a text there is nothing to draw. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "comic/comic_own.h"

enum { PROMPT_MAX = 256 << 10, TRIES = 2 };

static bool is_outline(const struct comic_text *t)
{
    return t->page == COMIC_PAGES_MAX;
}

static char *take(struct comic *c, struct buf *text)
{
    CHECK(!text->failed);
    char *copy = arena_strdup(&c->arena, buf_text(text));
    buf_release(text);
    return copy;
}

static char *first_prompt(const struct comic_text *t)
{
    struct comic *c = t->c;
    struct buf text;
    buf_init(&text, PROMPT_MAX);
    if (is_outline(t))
        story_outline_prompt(&c->ask.story, &text);
    else
        story_board_prompt(&c->ask.story, comic_outline(c), t->page, &text);
    return take(c, &text);
}

static void text_done(struct op *op);

static void run(struct comic_text *t, const char *prompt)
{
    struct comic *c = t->c;
    struct comic_run *r = &t->run;
    *r = (struct comic_run){.kind = COMIC_WRITE, .prompt = prompt, .beside = story_instruction()};
    const char *repair = t->repairs ? "-repair" : "", *again = t->tries > 0 ? "-again" : "";
    int page = (int)t->page + 1;
    if (is_outline(t))
        snprintf(r->name, sizeof(r->name), "outline%s%s", repair, again);
    else
        snprintf(r->name, sizeof(r->name), "board%s-%d%s", repair, page, again);
    r->op.owner = t;
    t->tries++;
    comic_begin(c);
    c->host->start(c->host, r, text_done);
}

void comic_text_drop(struct comic_text *t)
{
    blob_unref(TAKE(t->run.bytes));
    blob_unref(TAKE(t->first_answer));
}

void comic_text_start(struct comic_text *t)
{
    t->prompt = first_prompt(t);
    run(t, t->prompt);
}

static int read_answer(struct comic_text *t, const struct blob *answer, struct error *e)
{
    struct comic *c = t->c;
    const char *text = (const char *)answer->data;
    if (is_outline(t))
        return story_outline_read(&c->ask.story, text, answer->size, &c->arena, &c->outline, e);
    return story_board_read(&c->ask.story, comic_outline(c), t->page, text, answer->size, &c->arena,
                            &c->page[t->page].board, e);
}

static void there(struct comic_text *t, enum story_source source)
{
    struct comic *c = t->c;
    t->source = source;
    comic_text_drop(t);
    if (is_outline(t)) {
        c->has_outline = true;
        c->title = c->outline.title;
        comic_tell(c, 0, 0, NULL, "outline");
    } else {
        unsigned boards = 0;
        c->page[t->page].has_board = true;
        for (unsigned i = 0; i < c->ask.story.pages; i++)
            boards += c->page[i].has_board;
        comic_tell(c, t->page + 1, 0, NULL, "storyboard %u/%u", boards, c->ask.story.pages);
    }
    comic_go_on(c);
}

/* With what can be used of the last answer, if there is one. */
static void fall_back(struct comic_text *t)
{
    struct comic *c = t->c;
    const struct blob *answer = t->run.bytes ? t->run.bytes : t->first_answer;
    const char *text = answer ? (const char *)answer->data : "";
    size_t size = answer ? answer->size : 0;
    if (is_outline(t))
        there(t, story_outline_salvage(&c->ask.story, text, size, &c->arena, &c->outline));
    else
        there(t, story_board_salvage(&c->ask.story, comic_outline(c), t->page, text, size, &c->arena,
                                     &c->page[t->page].board));
}

static void repair(struct comic_text *t, const struct error *wrong)
{
    struct comic *c = t->c;
    struct buf text;
    LOG(LOG_INFO, "a comic's text cannot be read", F_STR("text", t->run.name),
        F_STR("reason", wrong->reason));
    t->first_answer = TAKE(t->run.bytes);
    size_t size = MIN(t->first_answer->size, (size_t)STORY_ANSWER_MAX);
    const char *answer = arena_strndup(&c->arena, (const char *)t->first_answer->data, size);
    buf_init(&text, PROMPT_MAX);
    story_repair_prompt(t->prompt, answer, wrong, &text);
    t->repairs = true;
    t->tries = 0;
    run(t, take(c, &text));
}

/* By its model's fault: another run may do better. */
static bool may_try_again(const struct comic_text *t)
{
    return t->run.err.code == ERR_UPSTREAM && t->tries < TRIES;
}

static void text_done(struct op *op)
{
    struct comic_text *t = op->owner;
    struct error wrong;
    if (!comic_back(t->c))
        return;
    if (op->result == 0) {
        if (read_answer(t, t->run.bytes, &wrong) == 0)
            there(t, t->repairs ? STORY_REPAIRED : STORY_FROM_MODEL);
        else if (!t->repairs)
            repair(t, &wrong);
        else
            fall_back(t);
    } else if (t->repairs) {
        fall_back(t);
    } else if (may_try_again(t)) {
        run(t, t->prompt);
    } else {
        const struct error e = t->run.err;
        comic_fail(t->c, &e);
    }
}
