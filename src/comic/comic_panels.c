/* A page's panels.
 *
 * Happy path: one run draws it; the lane looks whether it can be decoded, and makes a preview. Failure modes:
 * a run that fails by its model's fault (a filter, too), or a picture that is damaged: drawn once more, with
 * another seed, as the same one would come out the same; then it is missing, or the comic fails. What is no
 * fault of a model (money, a queue, a deadline) fails the comic at once: the next would fare no better. */
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "comic/comic_own.h"

enum { TRIES = 2, PREVIEW_SIDE = 192, NEXT_SEED = 7919 };

/* The sizes that the model was trained on. */
static const struct {
    uint32_t width, height;
} sizes[] = {{832, 1216}, {896, 1152}, {1024, 1024}, {1152, 896}, {1216, 832}};

/* The one whose shape is nearest to the panel's cell. */
static void set_size(const struct comic_panel *p, struct comic_run *r)
{
    uint32_t x, y, width, height;
    double best = 1e9;
    page_cell(p->c->page[p->page].board.panel_count, p->panel, false, &x, &y, &width, &height);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        double ratio = (double)sizes[i].width * height / ((double)sizes[i].height * width);
        double off = ratio > 1 ? ratio : 1 / ratio;
        if (off < best) {
            best = off;
            r->width = sizes[i].width;
            r->height = sizes[i].height;
        }
    }
}

static void panel_done(struct op *op);
static void checked(struct op *op);

void comic_panel_start(struct comic_panel *p)
{
    struct comic *c = p->c;
    struct comic_run *r = &p->run;
    int page = (int)p->page + 1, panel = (int)p->panel + 1;
    *r = (struct comic_run){.kind = COMIC_DRAW, .beside = story_negative()};
    snprintf(r->name, sizeof(r->name), "panel-%d-%d%s", page, panel, p->tries > 0 ? "-again" : "");
    r->prompt = c->page[p->page].board.panel[p->panel].tags;
    r->seed = (c->ask.seed + page * 100 + panel + (int64_t)p->tries * NEXT_SEED) & INT32_MAX;
    set_size(p, r);
    r->op.owner = p;
    p->at = PANEL_RUNS;
    p->tries++;
    comic_begin(c);
    c->host->start(c->host, r, panel_done);
}

static void over(struct comic_panel *p, enum panel_at at)
{
    struct comic *c = p->c;
    const unsigned all = c->ask.story.pages * c->ask.story.panels;
    p->at = at;
    c->drawn++;
    c->missing += at == PANEL_MISSING;
    comic_tell(c, p->page + 1, p->panel + 1, p->preview, "panel %u/%u", c->drawn, all);
    blob_unref(TAKE(p->preview)); /* whoever keeps it has a copy */
    comic_go_on(c);
}

void comic_panel_failed(struct comic_panel *p, const struct error *e)
{
    struct comic *c = p->c;
    struct error why = *e;
    comic_panel_drop(p);
    LOG(LOG_WARN, "a comic's panel failed", F_STR("panel", p->run.name), F_INT("try", p->tries),
        F_STR("reason", why.reason));
    if (why.code != ERR_UPSTREAM && why.code != ERR_CONTENT_FILTERED) {
        comic_fail(c, &why);
    } else if (p->tries < TRIES) {
        comic_panel_start(p);
    } else if (c->config.partial) {
        over(p, PANEL_MISSING);
    } else {
        error_set(&why, why.code, "Panel %u of page %u could not be drawn: %.150s", p->panel + 1, p->page + 1,
                  e->reason);
        comic_fail(c, &why);
    }
}

static const struct image_limits limits = {.max_pixels = 16 << 20, .max_pixels_per_byte = UINT64_MAX};

static int check(struct lane_job *job)
{
    struct comic_panel *p = CONTAINER_OF(job, struct comic_panel, check);
    int r = image_probe(p->run.bytes, &limits, &p->info, &p->err);
    return r < 0 ? r : page_thumbnail(p->run.bytes, &p->info, PREVIEW_SIDE, &p->preview, &p->err);
}

/* The picture is at fault, and its model with it. */
static void unusable(struct comic_panel *p)
{
    const struct error said = p->err;
    struct error e;
    error_set(&e, ERR_UPSTREAM, "The picture cannot be used: %.150s", said.reason);
    comic_panel_failed(p, &e);
}

static void checked(struct op *op)
{
    struct comic_panel *p = CONTAINER_OF(op, struct comic_panel, check.op);
    if (!comic_back(p->c))
        return;
    if (op->result < 0) {
        unusable(p);
        return;
    }
    p->image = TAKE(p->run.bytes);
    over(p, PANEL_THERE);
}

static void panel_done(struct op *op)
{
    struct comic_panel *p = op->owner;
    struct comic *c = p->c;
    if (!comic_back(c))
        return;
    if (op->result < 0) {
        const struct error e = p->run.err;
        comic_panel_failed(p, &e);
        return;
    }
    p->at = PANEL_CHECKED;
    p->check = (struct lane_job){0};
    if (lane_submit(c->config.imaging, &p->check, check, checked) == 0) {
        comic_begin(c);
        return;
    }
    p->image = TAKE(p->run.bytes); /* the lane is full; the page will find out */
    if (image_probe(p->image, &limits, &p->info, &p->err) == 0)
        over(p, PANEL_THERE);
    else
        unusable(p);
}

void comic_panel_drop(struct comic_panel *p)
{
    blob_unref(TAKE(p->run.bytes));
    blob_unref(TAKE(p->preview));
    blob_unref(TAKE(p->image));
}
