/* Happy path: a put is a job of a lane of its own, which writes, syncs and renames; the loop stays free for
 * signals and for the bar. Failure modes: what fails before the rename removes the hidden file; a cancelled
 * write stops at its next block; when one of several results fails, its request removes the others.
 * Invariants: one write at a time, as the lane has one thread; a hidden file's name is known to the core
 * before its job begins, so that out_store_abandon can remove it; what the lane reads of a write does not
 * change while its put runs. */
#include "cli/out_store.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "loop/lane.h"

struct out_store {
    struct store store;
    struct lane *lane;
    struct out_aim aim;
    unsigned begun;     /* results of this aim */
    struct list writes; /* those that run, and what this aim has written */
};

struct out_write {
    struct list node; /* in the store's writes */
    struct lane_job job;
    struct store_put *put; /* NULL: it is over */
    char *key;             /* a copy of the put's */
    struct out_file file;
};

static struct out_store *self_of(struct store *s)
{
    return CONTAINER_OF(s, struct out_store, store);
}

/* ---- on the lane thread ---- */

static int run_put(struct lane_job *job)
{
    struct out_write *w = CONTAINER_OF(job, struct out_write, job);
    return out_file_write(&w->file, w->put->body, job, &w->put->err);
}

/* ---- the contract, on the core thread ---- */

static void write_free(struct out_write *w)
{
    list_remove(&w->node);
    free(w->key);
    out_file_release(&w->file);
    free(w);
}

static void on_written(struct op *op)
{
    struct out_write *w = CONTAINER_OF(op, struct out_write, job.op);
    struct store_put *p = TAKE(w->put);
    int result = op->result;
    if (result < 0 && p->err.code == ERR_NONE) /* cancelled before it began */
        error_set(&p->err, ERR_CLIENT_GONE, "Writing the result was cancelled");
    if (result < 0)
        write_free(w);
    op_complete(&p->op, result);
}

static void cancel_put(struct op *op)
{
    struct store_put *p = CONTAINER_OF(op, struct store_put, op);
    struct out_write *w = p->driver_state;
    op_cancel(&w->job.op);
}

/* Which result it is, from 1; 0: none. */
static unsigned number_of(struct out_store *s, const char *key)
{
    size_t len = strlen(s->aim.prefix);
    if (strncmp(key, s->aim.prefix, len) != 0 || key[len] != '/')
        return 0;
    return s->aim.comic ? comic_out_number(s->aim.comic, key) : ++s->begun;
}

static void start_write(struct out_store *s, struct store_put *p, unsigned n)
{
    struct out_write *w = NEW(struct out_write);
    w->put = p;
    w->key = mem_strdup(p->key);
    out_file_init(&w->file, &s->aim, n);
    list_push_back(&s->writes, &w->node);
    p->driver_state = w;
    p->op.cancel = cancel_put;
    CHECK(lane_submit(s->lane, &w->job, run_put, on_written) == 0); /* a request's results have room */
}

static void let_go(struct message *m)
{
    struct store_refusal *r = CONTAINER_OF(m, struct store_refusal, mail);
    op_complete(r->op, 0);
}

static void out_put(struct store *store, struct store_put *p)
{
    struct out_store *s = self_of(store);
    CHECK(s->lane && s->aim.path);
    unsigned n = number_of(s, p->key);
    if (n == 0) {
        p->refusal.op = &p->op;
        loop_post(store->loop, &p->refusal.mail, let_go);
        return;
    }
    if (n > 1 && out_is_stream(s->aim.path))
        store_refuse(&p->refusal, &p->op, &p->err, ERR_INTERNAL,
                     "The model gave several pictures, and only a file or a folder takes more than one");
    else
        start_write(s, p, n);
}

static int out_remove(struct store *store, const char *key)
{
    LIST_FOREACH_SAFE (at, &self_of(store)->writes) {
        struct out_write *w = CONTAINER_OF(at, struct out_write, node);
        if (w->put || strcmp(w->key, key) != 0)
            continue;
        bool removed = w->file.place && unlink(w->file.place) == 0;
        write_free(w);
        return removed ? 0 : -ERR_NOT_FOUND;
    }
    return -ERR_NOT_FOUND;
}

static int out_check(struct store *store, struct error *e)
{
    return 0; /* inputs.c has looked at the place before anything began */
}

/* What is written need not be known any more once the next request begins. */
static void forget_written(struct out_store *s)
{
    LIST_FOREACH_SAFE (at, &s->writes) {
        struct out_write *w = CONTAINER_OF(at, struct out_write, node);
        CHECK(!w->put);
        write_free(w);
    }
}

static void out_free(struct store *store)
{
    struct out_store *s = self_of(store);
    forget_written(s);
    lane_free(s->lane);
    free(s);
}

static const struct store_ops out_ops = {
    .name = "out",
    .put = out_put,
    .remove = out_remove,
    .check = out_check,
    .free = out_free,
};

struct store *out_store_new(void)
{
    struct out_store *s = NEW(struct out_store);
    s->store.ops = &out_ops;
    list_init(&s->writes);
    return &s->store;
}

void out_store_begin(struct store *store, struct loop *loop)
{
    struct out_store *s = self_of(store);
    store->loop = loop;
    s->lane = lane_new(&(struct lane_config){"out", 1, RESULT_OUTPUTS_MAX, imaging_thread_stop}, loop);
}

void out_store_aim(struct store *store, const struct out_aim *aim)
{
    struct out_store *s = self_of(store);
    forget_written(s);
    s->aim = *aim;
    s->begun = 0;
}

void out_store_abandon(struct store *store)
{
    LIST_FOREACH_SAFE (at, &self_of(store)->writes) {
        struct out_write *w = CONTAINER_OF(at, struct out_write, node);
        atomic_store(&w->job.cancelled, true);
        out_file_abandon(&w->file);
    }
}
