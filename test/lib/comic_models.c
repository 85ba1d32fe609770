#include "comic_models.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comic_rig.h"
#include "scratch.h"

enum { ANSWER_MAX = 1 << 16, BEATS = 9, WRITES_MS = 100, DRAWS_MS = 1000 };

/* ---- what good models say ---- */

static struct blob *write_outline(void)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ANSWER_MAX);
    buf_puts(&b,
             "{\"story_id\":\"the-cat\",\"title\":\"The Cat\",\"characters\":[{\"name\":\"Mira\",\"tags\":"
             "\"1girl, short red hair\"}],\"beats\":[");
    for (unsigned i = 1; i <= BEATS; i++)
        buf_printf(&b,
                   "%s{\"id\":%u,\"summary\":\"Step %u.\",\"summary_en\":\"Step %u.\",\"main_emotion\":"
                   "\"happy\"}",
                   i > 1 ? "," : "", i, i, i);
    buf_puts(&b, "]}");
    return buf_take_blob(&b);
}

static struct blob *write_board(unsigned page, unsigned panels)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ANSWER_MAX);
    buf_puts(&b, "{\"characters\":[{\"name\":\"Mira\",\"tags\":\"1girl, short red hair\"}],\"panels\":[");
    for (unsigned i = 1; i <= panels; i++)
        buf_printf(
            &b,
            "%s{\"id\":%u,\"description\":\"Mira waits.\",\"prompt_tags\":\"standing, street, place %u "
            "%u\",\"characters\":[\"Mira\"],\"dialogue\":\"Line %u-%u\",\"speaker\":\"Mira\","
            "\"emotion\":\"sad\"}",
            i > 1 ? "," : "", i, page, i, page, i);
    buf_puts(&b, "]}");
    return buf_take_blob(&b);
}

static struct blob *draw(const struct comic_rig *rig, enum comic_picture picture)
{
    static const char none[] = "this is no picture";
    if (picture == PICTURE_NONE)
        return blob_copy(none, sizeof(none));
    size_t size = rig->good->size, half = size / 2;
    if (picture == PICTURE_GOOD)
        return blob_copy(rig->good->data, size);
    if (picture == PICTURE_CUT)
        return blob_copy(rig->good->data, half);
    uint8_t *torn = mem_alloc(size);
    memcpy(torn, rig->good->data, size);
    memset(torn + half, 0, size / 4);
    return blob_take(torn, size, free);
}

static struct blob *answer(const struct comic_rig_run *r)
{
    const struct comic_says *s = r->says;
    if (r->kind == COMIC_DRAW)
        return draw(r->rig, s ? s->picture : PICTURE_GOOD);
    if (s && s->text)
        return blob_copy(s->text, strlen(s->text));
    return r->page == 0 ? write_outline() : write_board(r->page, r->panels);
}

/* ---- the host ---- */

static void end(struct comic_rig_run *r, enum err code)
{
    struct comic_run *run = TAKE(r->run);
    timer_disarm(&r->rig->loop, &r->timer);
    if (code == ERR_NONE)
        run->bytes = answer(r);
    else
        error_set(&run->err, code, "The model says no");
    op_complete(&run->op, -(int)code);
}

static void answers(struct timer *t)
{
    struct comic_rig_run *r = CONTAINER_OF(t, struct comic_rig_run, timer);
    enum err code = r->says ? r->says->fails : ERR_NONE;
    if (code == ERR_NONE)
        buf_printf(&r->rig->log, "end %s\n", r->name);
    else
        buf_printf(&r->rig->log, "fail %s %s\n", r->name, err_row(code)->code);
    end(r, code);
}

static void cancel(struct op *op)
{
    struct comic_run *run = CONTAINER_OF(op, struct comic_run, op);
    struct comic_rig_run *r = run->state;
    buf_printf(&r->rig->log, "cancel %s\n", r->name);
    r->cancelled = true;
    if (!r->says || !r->says->deaf)
        end(r, ERR_CLIENT_GONE);
}

static const struct comic_says *says_of(const struct comic_rig *rig, const struct comic_rig_run *r)
{
    for (const struct comic_says *s = rig->says; s && s->name; s++)
        if (fnmatch(s->name, r->name, 0) == 0 && (s->nth == 0 || s->nth == r->nth))
            return s;
    return NULL;
}

/* The page that a name is of, "board-2": 0: of none. */
static unsigned page_of(const char *name)
{
    unsigned page = 0;
    const char *dash = strrchr(name, '-');
    if (strncmp(name, "board", strlen("board")) == 0)
        assert_int_equal(sscanf(dash, "-%u", &page), 1);
    return page;
}

/* A second try is called so by the comic; here it is the second of its name. */
static void take_name(struct comic_rig_run *r, const char *name)
{
    static const char again[] = "-again";
    size_t len = strlen(name), end = strlen(again);
    r->again = len > end && strcmp(name + len - end, again) == 0;
    snprintf(r->name, sizeof(r->name), "%.*s", (int)(len - (r->again ? end : 0)), name);
}

static void start(struct comic_host *h, struct comic_run *run, op_done_fn *on_done)
{
    struct comic_rig_comic *c = CONTAINER_OF(h, struct comic_rig_comic, host);
    struct comic_rig *rig = c->rig;
    assert_true(rig->run_count < COMIC_RIG_RUNS);
    unsigned number = rig->run_count++;
    struct comic_rig_run *r = &rig->run[number];
    *r = (struct comic_rig_run){.rig = rig, .run = run, .kind = run->kind};
    take_name(r, run->name);
    r->prompt = mem_strdup(run->prompt);
    r->beside = mem_strdup(run->beside);
    r->width = run->width;
    r->height = run->height;
    r->seed = run->seed;
    r->page = page_of(r->name);
    r->panels = c->comic->ask.story.panels;
    r->nth = comic_rig_asked(rig, r->name);
    r->says = says_of(rig, r);
    run->state = r;
    buf_printf(&rig->log, "start %s\n", r->name);
    op_begin(&run->op, &rig->loop, on_done, cancel);
    uint64_t ms = r->says && r->says->ms     ? r->says->ms
                  : run->kind == COMIC_WRITE ? WRITES_MS + number
                                             : DRAWS_MS + number;
    timer_arm(&rig->loop, &r->timer, rig->now_ns + ms * NS_PER_MS, answers);
}

static void told(struct comic_host *h, const struct comic_news *news)
{
    struct comic_rig_comic *c = CONTAINER_OF(h, struct comic_rig_comic, host);
    buf_printf(&c->rig->log, "told %s\n", news->step);
    assert_true(news->done <= news->total);
    c->told++;
    c->news = *news;
    if (c->told == c->cancel_at)
        op_cancel(comic_op(c->comic));
}

static bool owns(struct comic_host *h)
{
    return !CONTAINER_OF(h, struct comic_rig_comic, host)->rig->loses;
}

void comic_models_init(struct comic_host *h)
{
    *h = (struct comic_host){.start = start, .told = told, .owns = owns};
}
