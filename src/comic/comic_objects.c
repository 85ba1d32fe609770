/* What is rendered and stored: pages, the cover, the book.
 *
 * Happy path: rendered on the imaging lane, then put under its name, as soon as the story has one. Failure
 * modes: the lane, or the store's queue, is full: asked again a moment later, as much was paid for it; a put
 * that fails (the store tries for a while by itself) fails the comic. */
#include <stdio.h>

#include "base/clock.h"
#include "comic/comic_own.h"

static int render(struct lane_job *job)
{
    struct comic_object *o = CONTAINER_OF(job, struct comic_object, job);
    return o->render(o);
}

static void rendered(struct op *op)
{
    struct comic_object *o = CONTAINER_OF(op, struct comic_object, job.op);
    struct comic *c = o->c;
    if (!comic_back(c))
        return;
    if (op->result == 0) {
        o->ready = true;
        o->out.bytes = o->bytes->size;
        o->done(o);
        blob_unref(TAKE(o->preview));
        comic_go_on(c);
    } else if (o->failed) {
        o->failed(o);
    } else {
        const struct error e = o->err;
        comic_fail(c, &e);
    }
}

void comic_object_lane(struct comic_object *o)
{
    struct comic *c = o->c;
    if (!o->waits_for_lane || c->failing)
        return;
    o->job = (struct lane_job){0};
    o->waits_for_lane = lane_submit(c->config.imaging, &o->job, render, rendered) < 0;
    if (o->waits_for_lane)
        comic_later(c);
    else
        comic_begin(c);
}

void comic_object_start(struct comic_object *o)
{
    o->wanted = o->waits_for_lane = true;
    o->bad_panel = PAGE_PANELS_MAX;
    comic_object_lane(o);
}

static void stored(struct op *op)
{
    struct comic_object *o = CONTAINER_OF(op, struct comic_object, put.op);
    struct comic *c = o->c;
    o->putting = false;
    o->stored = op->result == 0;
    if (!comic_back(c))
        return;
    if (op->result == -ERR_QUEUE_FULL) {
        comic_later(c);
        return;
    }
    if (!o->stored) {
        const struct error e = o->put.err;
        comic_fail(c, &e);
        return;
    }
    comic_go_on(c);
}

static void set_key(struct comic_object *o)
{
    snprintf(o->out.key, sizeof(o->out.key), "comics/%.200s/%s", comic_story_id(o->c), o->file);
}

void comic_object_put(struct comic_object *o)
{
    struct comic *c = o->c;
    if (!o->ready || o->putting || o->stored || !comic_claim_is_ours(c) || c->failing)
        return;
    set_key(o);
    o->put = (struct store_put){.key = o->out.key,
                                .content_type = o->out.content_type,
                                .body = o->bytes,
                                .limit_ms = c->config.store_limit_ms};
    o->putting = true;
    comic_begin(c);
    store_put_start(c->config.store, &o->put, stored);
}

void comic_object_drop(struct comic_object *o)
{
    blob_unref(TAKE(o->bytes));
    blob_unref(TAKE(o->preview));
}

void comic_object_remove(struct comic_object *o)
{
    struct store *store = o->c->config.store;
    if (!o->stored && !comic_claim_was_ours(o->c))
        return;
    set_key(o);
    int r = store->ops->remove(store, o->out.key);
    (void)r; /* best effort: an unlisted object harms nobody */
    o->stored = false;
}
