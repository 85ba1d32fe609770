/* Happy path: what the journal knows of its children is read; then each item that has no child becomes a
 * request that is to be a job (025), some at a time; each child that is over is counted, and the last one
 * ends the batch. Failure modes: an item that is refused is counted as failed, with why; no room for more
 * jobs: it is tried again a second later; the batch is cancelled: so are its children, and what was not
 * submitted never is. Invariants: an item is new, being submitted, open (its child is a job), or over; `left`
 * counts those that are not over. */
#include "jobs/batch_own.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "jobs/batch_zip.h"
#include "metrics/metrics.h"
#include "request/intake.h"
#include "request/stage.h"

enum { BATCH_SUBMITS = 8, AGAIN_MS = 1000, ELSEWHERE_MS = 5000 };

static const char *child_key(const struct batch *b, unsigned i, struct arena *a)
{
    return arena_printf(a, "batch:%s:%u", b->job->id, i);
}

/* Which item a child is; -1: of none. */
static int64_t item_of_key(const struct batch *b, const char *key)
{
    char prefix[64];
    int n = snprintf(prefix, sizeof(prefix), "batch:%s:", b->job->id);
    if (!key || strncmp(key, prefix, (size_t)n) != 0)
        return -1;
    unsigned long i = strtoul(key + n, NULL, 10);
    return i < b->count ? (int64_t)i : -1;
}

/* ---- counting ---- */

static void submit_some(struct batch *b);

/* Its job may be freed with its end. */
static void end_it(struct timer *t)
{
    struct batch *b = CONTAINER_OF(t, struct batch, over);
    struct job *job = b->job;
    if (b->left > 0 || b->submitting > 0 || b->loading || job->ending)
        return;
    timer_disarm(job->jobs->svc->loop, &b->again);
    job->done = job->total = b->count;
    if (job->canceling)
        error_set(&job->outcome.err, ERR_CANCELED, "%s", "");
    job_end(job, job->canceling ? JOURNAL_CANCELED : JOURNAL_COMPLETED);
}

/* Not at once: whoever has counted the last item goes on with the batch. */
static void check_over(struct batch *b)
{
    struct loop *loop = b->job->jobs->svc->loop;
    if (b->left == 0 && b->over.slot == 0)
        timer_arm(loop, &b->over, loop_now_ns(loop), end_it);
}

static void item_over(struct batch *b, unsigned i, enum item_state state)
{
    if (b->item[i].state >= ITEM_COMPLETED)
        return;
    b->item[i].state = state;
    b->left--;
    b->job->done = b->count - b->left;
    if (b->left > 0 && !b->loading && !job_is_over(b->job))
        job_events_add(b->job, "progress");
}

static enum item_state state_of(enum journal_state state)
{
    return state == JOURNAL_COMPLETED  ? ITEM_COMPLETED
           : state == JOURNAL_CANCELED ? ITEM_CANCELED
           : state == JOURNAL_FAILED   ? ITEM_FAILED
                                       : ITEM_OPEN;
}

void job_batch_child_over(const struct job *child)
{
    struct job *parent = job_find(child->jobs, child->parent);
    if (!parent || !parent->batch || job_is_over(parent))
        return;
    struct batch *b = parent->batch;
    int64_t i = item_of_key(b, child->key);
    if (i < 0)
        return;
    parent->outcome.cost_nano += child->outcome.cost_nano;
    parent->outcome.billed |= child->outcome.billed;
    item_over(b, (unsigned)i, state_of(child->state));
    check_over(b);
}

/* ---- submitting ---- */

static void again(struct timer *t)
{
    submit_some(CONTAINER_OF(t, struct batch, again));
}

static void try_later(struct batch *b)
{
    struct loop *loop = b->job->jobs->svc->loop;
    if (b->again.slot == 0)
        timer_arm(loop, &b->again, loop_now_ns(loop) + AGAIN_MS * NS_PER_MS, again);
}

static bool passes(enum err code)
{
    return code == ERR_QUEUE_FULL || code == ERR_DATABASE || code == ERR_OVERLOADED ||
           code == ERR_STORAGE_FULL || code == ERR_DRAINING;
}

static void turn(struct timer *t)
{
    submit_some(CONTAINER_OF(t, struct batch, turn));
}

/* Not at once: an item that is refused has its answer inside of its start. */
static void go_on(struct batch *b)
{
    struct loop *loop = b->job->jobs->svc->loop;
    if (b->turn.slot == 0)
        timer_arm(loop, &b->turn, loop_now_ns(loop), turn);
}

static void nothing_to_do(struct request *req)
{
}

/* The child's job is in memory: it was accepted just now, or before. */
static void took(struct batch *b, unsigned i, const struct job *child)
{
    if (b->item[i].state >= ITEM_COMPLETED)
        return; /* it was over before its acceptance was told */
    b->item[i].state = ITEM_OPEN;
    if (job_is_over(child))
        item_over(b, i, state_of(child->state));
    else if (b->job->canceling)
        job_cancel((struct job *)(uintptr_t)child);
}

/* It did not become a job: it is over, or tried again when there may be room. */
static void not_submitted(struct batch *b, unsigned i, enum err why)
{
    struct item *item = &b->item[i];
    b->submitting--;
    if (passes(why) && !b->job->canceling) {
        item->state = ITEM_NEW;
        b->next = MIN(b->next, i);
        try_later(b);
        return;
    }
    item->refused = why;
    item_over(b, i, b->job->canceling ? ITEM_CANCELED : ITEM_FAILED);
}

static void answered(struct request *req)
{
    struct item *item = req->client_state;
    struct batch *b = item->batch;
    unsigned i = (unsigned)(item - b->item);
    const struct job_ticket *t = req->accept.ticket;
    if (t && t->op.result == 0) {
        b->submitting--;
        took(b, i, t->job);
    } else {
        not_submitted(b, i, req->err.code);
    }
    go_on(b);
    check_over(b);
}

static const char *base_url(struct request *req)
{
    const struct item *item = req->client_state;
    return item->batch->job->base_url;
}

static const struct client_ops submit_client = {
    .suspend = nothing_to_do, .watch = nothing_to_do, .answer = answered, .base_url = base_url};

/* What an item says goes over what all say. */
static void add_fields(struct request *req, const json_t *fields, const json_t *over)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        if (over && json_object_get(over, name))
            continue;
        if (intake_value(req, name, value) < 0)
            return;
    }
}

/* picture: out of the archive, and taken over; NULL: the item says where it is. */
/* Pictures that were named and are kept need not be remembered elsewhere. */
static void open_kept(const struct job *job, struct request *req)
{
    for (unsigned i = 0; i < IMAGES_MAX; i++) {
        const uint8_t *digest = req->receive.digest[i];
        struct error ignored;
        if (!digest || req->receive.body[i] || !batch_pictures_has(&job->pictures, digest))
            continue;
        if (inputs_open(job->jobs->inputs, digest, &req->receive.body[i], &ignored) == 0)
            req->receive.digest[i] = NULL;
    }
}

static void submit(struct batch *b, unsigned i, struct body *picture)
{
    const struct job *job = b->job;
    struct services *svc = job->jobs->svc;
    struct request *req =
        request_new(svc, job->feature, job->request_id, &submit_client, &b->item[i], loop_now_ns(svc->loop));
    const json_t *item = b->zip ? NULL : json_array_get(b->items, i);
    metrics_arrived(svc->metrics, job->feature);
    req->tenant = job->tenant ? arena_strdup(&req->arena, job->tenant) : NULL;
    req->priority = (unsigned)job->priority;
    req->ask.async = true;
    req->ask.key = child_key(b, i, &req->arena);
    req->ask.parent = arena_strdup(&req->arena, job->id);
    req->receive.known = true;
    req->receive.body[0] = picture;
    add_fields(req, b->fields, item);
    if (item && req->err.code == ERR_NONE)
        add_fields(req, item, NULL);
    int r = req->err.code == ERR_NONE ? take_digests(req) : 0;
    if (r == 0 && req->err.code == ERR_NONE)
        r = take_addresses(req);
    if (r == 0)
        open_kept(job, req);
    (void)r; /* 010 fails with what err says */
    req->receive.complete = true;
    request_start(req); /* may be over already when this returns */
}

/* ---- out of an archive ---- */

static void unpacked(struct op *op)
{
    struct item *item = op->owner;
    struct batch *b = item->batch;
    unsigned i = (unsigned)(item - b->item);
    struct error e;
    struct body *picture = batch_zip_take_body(b->zip, &e);
    if (picture && !b->job->canceling && !b->job->jobs->stopped) {
        submit(b, i, picture);
    } else {
        body_unref(picture);
        not_submitted(b, i, picture ? ERR_DRAINING : e.code);
    }
    submit_some(b);
    check_over(b);
}

static void begin_item(struct batch *b, unsigned i)
{
    b->item[i].state = ITEM_SUBMITTED;
    b->submitting++;
    if (!b->zip) {
        submit(b, i, NULL);
        return;
    }
    json_int_t at = json_integer_value(json_object_get(json_array_get(b->items, i), "at"));
    if (batch_zip_unpack(b->zip, (unsigned)at, unpacked, &b->item[i]) < 0)
        not_submitted(b, i, ERR_QUEUE_FULL);
}

static bool may_submit(const struct batch *b)
{
    return !b->job->canceling && !b->job->jobs->stopped && b->again.slot == 0 &&
           b->submitting < BATCH_SUBMITS && b->next < b->count && (!b->zip || !batch_zip_busy(b->zip));
}

static void submit_some(struct batch *b)
{
    while (may_submit(b)) {
        unsigned i = b->next++;
        if (b->item[i].state == ITEM_NEW)
            begin_item(b, i);
    }
    if (b->zip && b->next == b->count && !batch_zip_busy(b->zip))
        batch_zip_close(b->zip);
}

/* ---- beginning ---- */

static void look(struct timer *t)
{
    job_batch_begin(CONTAINER_OF(t, struct batch, look)->job);
}

static void look_again(struct batch *b, unsigned after_ms)
{
    struct loop *loop = b->job->jobs->svc->loop;
    if (!b->job->jobs->stopped && b->look.slot == 0)
        timer_arm(loop, &b->look, loop_now_ns(loop) + after_ms * NS_PER_MS, look);
}

static void child_row(struct journal_read *r, const struct journal_row *row)
{
    struct batch *b = CONTAINER_OF(r, struct batch, read);
    int64_t i = item_of_key(b, row->idempotency_key);
    const struct job *child = job_find(b->job->jobs, row->id);
    if (i < 0)
        return;
    enum item_state state = state_of(child ? child->state : job_state_of_row(row));
    b->item[i].away = !child;
    if (state == ITEM_OPEN) {
        b->item[i].state = ITEM_OPEN;
    } else if (b->item[i].state < ITEM_COMPLETED) {
        b->job->outcome.cost_nano += row->cost_nano;
        b->job->outcome.billed |= row->cost_nano > 0;
        item_over(b, (unsigned)i, state);
    }
}

/* Another gateway works on them: the journal tells how they end. */
static bool has_children_elsewhere(const struct batch *b)
{
    for (unsigned i = 0; i < b->count; i++)
        if (b->item[i].state == ITEM_OPEN && b->item[i].away)
            return true;
    return false;
}

static void read_over(struct op *op)
{
    struct batch *b = CONTAINER_OF(op, struct batch, read.op);
    b->loading = false;
    if (op->result == -ERR_DATABASE && !b->job->jobs->stopped) {
        look_again(b, AGAIN_MS); /* what it has is not known: nothing is submitted before that */
        return;
    }
    if (b->job->canceling)
        job_batch_cancel(b->job); /* perhaps an earlier process did not come to all of it */
    else
        submit_some(b);
    if (has_children_elsewhere(b))
        look_again(b, ELSEWHERE_MS);
    check_over(b);
}

static struct batch *batch_new(struct job *job)
{
    struct batch *b = NEW(struct batch);
    json_t *doc = json_loads(job->request, 0, NULL);
    json_t *entries = json_object_get(doc, "entries");
    b->job = job;
    b->items = json_incref(entries ? entries : json_object_get(doc, "items"));
    b->zip = entries ? batch_zip_new(job) : NULL;
    b->passed_over = (unsigned)json_integer_value(json_object_get(doc, "passed_over"));
    b->fields = json_incref(json_object_get(doc, "fields"));
    b->count = b->left = (unsigned)json_array_size(b->items);
    b->item = mem_zalloc(MAX(b->count, 1u) * sizeof(*b->item));
    for (unsigned i = 0; i < b->count; i++)
        b->item[i].batch = b;
    json_decref(doc);
    return b;
}

void job_batch_begin(struct job *job)
{
    if (!job->batch) {
        job->batch = batch_new(job);
        job->begun = true;
        job->state = JOURNAL_RUNNING;
        job->jobs->running++;
        job->started_ms = (int64_t)clock_wall_ms();
        job->total = job->batch->count;
        job_events_add(job, "started");
    }
    struct batch *b = job->batch;
    if (job->ending || b->loading)
        return;
    b->loading = true;
    b->read = (struct journal_read){0};
    memcpy(b->read.id, job->id, sizeof(job->id));
    b->read.row = child_row;
    journal_children(job->jobs->svc->journal, &b->read, read_over);
}

void job_batch_cancel(struct job *job)
{
    struct batch *b = job->batch;
    struct jobs *j = job->jobs;
    for (unsigned i = 0; i < b->count; i++)
        if (b->item[i].state == ITEM_NEW)
            item_over(b, i, ITEM_CANCELED);
    for (size_t k = 0; k < JOB_BUCKETS; k++)
        LIST_FOREACH_SAFE (node, &j->bucket[k]) {
            struct job *child = CONTAINER_OF(node, struct job, in_bucket);
            if (child->parent && strcmp(child->parent, job->id) == 0)
                job_cancel(child);
        }
    check_over(b);
}

void job_batch_adopt(struct job *job)
{
    json_t *doc = json_loads(job->request, 0, NULL);
    batch_pictures_find(&job->pictures, job->feature, json_object_get(doc, "items"),
                        json_object_get(doc, "fields"));
    batch_pictures_adopt(&job->pictures, job->jobs->inputs);
    json_decref(doc);
}

void job_batch_slim(struct job *job)
{
    struct batch *b = job->batch;
    if (b->zip)
        return;
    json_decref(TAKE(b->items));
    json_decref(TAKE(b->fields));
    free(TAKE(job->request));
}

void job_batch_free(struct job *job)
{
    struct batch *b = job->batch;
    if (!b)
        return;
    timer_disarm(job->jobs->svc->loop, &b->again);
    timer_disarm(job->jobs->svc->loop, &b->over);
    timer_disarm(job->jobs->svc->loop, &b->look);
    timer_disarm(job->jobs->svc->loop, &b->turn);
    batch_zip_free(b->zip);
    json_decref(b->items);
    json_decref(b->fields);
    free(b->item);
    free(b);
    job->batch = NULL;
}
