/* Happy path: a timer looks each second whether ten have passed; then the tally is drained into a batch, and
 * a job on the db lane spills it and applies what waits in the spill. Questions are jobs on the same lane.
 * Failure modes: a lane that is full, or a job that still runs, leaves the batch waiting here for the next
 * second. A database that cannot be had is tried again with the next batch, and said once when it goes and
 * once when it is back.
 * Invariants: one job writes at a time, and between its submission and its end only it touches the writer;
 * questions use the database alone, on the same one thread. The totals are changed by the job, and read by
 * anybody, under a mutex. After history_stop the timer goes on until the
 * last batch is handed over. */
#include "history/history.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "history/batch.h"
#include "history/read.h"
#include "history/spans.h"
#include "history/tally.h"
#include "history/writer.h"

enum { WROTE_ALL, WROTE_SOME }; /* what the job says when nothing went wrong */
enum { APPLY_MS = 2000, START_MS = 5000, ANSWER_MAX = 64 << 20 };

const char *const history_outcomes[HISTORY_OUTCOMES] = {"run", "hit", "twin", "refused", "failed"};

struct history {
    struct history_config config;
    struct tally *tally;
    struct writer writer;
    char source[UUID_TEXT];
    pthread_mutex_t mutex;
    struct history_totals totals; /* under the mutex */
    /* core thread */
    struct timer second;
    int64_t span;      /* the one being counted, in tens of seconds */
    uint64_t batches;  /* made so far */
    struct list ready; /* of struct handed: made, not yet with the job */
    bool writing;      /* a job is under way */
    bool due;          /* one is wanted */
    bool told_bad;     /* that the database is away */
    uint64_t told_dropped;
    unsigned tasks; /* under way */
    /* the job's, while it runs */
    struct lane_job job;
    struct list taken;
    struct error error;
    /* any thread */
    atomic_bool ok, stopped;
    _Atomic uint64_t waiting, dropped;
    _Atomic uint64_t questions; /* asked and not answered */
};

struct handed {
    struct list node;
    struct blob *batch;
};

/* ---- making and freeing ---- */

static void tell(struct history *h, bool bad, const char *what)
{
    if (h->config.tell)
        h->config.tell(h->config.ctx, bad, what);
}

static void publish(struct history *h, bool ok)
{
    struct spill_stats stats = spill_stats(h->writer.spill);
    atomic_store(&h->ok, ok);
    atomic_store(&h->waiting, stats.batches);
    atomic_store(&h->dropped, stats.dropped);
}

/* It is the same each ten seconds, unless others share the database, or it could not be had at the start. */
static int read_totals(struct history *h, struct error *e)
{
    struct history_totals totals;
    int r = writer_totals(&h->writer, &totals, e);
    if (r < 0)
        return r;
    pthread_mutex_lock(&h->mutex);
    h->totals = totals;
    pthread_mutex_unlock(&h->mutex);
    return 0;
}

/* What an earlier process has left is put in its place, so that the totals are whole. */
static int open_database(struct history *h, struct error *e)
{
    struct writer *w = &h->writer;
    int r = db_connect(w->db, e);
    if (r == 0)
        r = MIN(writer_apply(w, START_MS, NULL, e), 0);
    if (r == 0 && spill_stats(w->spill).batches == 0)
        r = read_totals(h, e);
    if (r < 0 && r != -ERR_DATABASE)
        return r;
    if (r < 0) {
        h->told_bad = true;
        tell(h, true, e->reason);
    }
    publish(h, r == 0);
    return 0;
}

int history_new(const struct history_config *config, struct history **ret, struct error *e)
{
    const struct options *opt = config->opt;
    struct history *h = NEW(struct history);
    FREE_ON_EXIT char *file = mem_printf("%s/limner.db", opt->data_dir);
    FREE_ON_EXIT char *folder = mem_printf("%s/history", opt->data_dir);
    const struct db_config db = {
        .url = opt->database_url, .path = file, .timeout_ms = (unsigned)opt->db_timeout_ms};
    h->config = *config;
    uuid_make(h->source);
    pthread_mutex_init(&h->mutex, NULL);
    list_init(&h->ready);
    list_init(&h->taken);
    h->tally = tally_new(config->provider, config->provider_count);
    h->writer.opt = opt;
    h->writer.source = h->source;
    h->writer.sketch = NEW(struct sketch);
    sketch_init(h->writer.sketch);
    h->writer.spill = spill_open(folder, h->source, (uint64_t)opt->history_spill_bytes);
    int r = db_new(&db, &h->writer.db, e);
    if (r == 0)
        r = open_database(h, e);
    if (r < 0) {
        history_free(h);
        return r;
    }
    *ret = h;
    return 0;
}

static void drop_handed(struct list *list)
{
    while (!list_empty(list)) {
        struct handed *handed = CONTAINER_OF(list_pop_front(list), struct handed, node);
        blob_unref(handed->batch);
        free(handed);
    }
}

void history_free(struct history *h)
{
    if (!h)
        return;
    CHECK(!h->writing);
    drop_handed(&h->ready);
    tally_free(h->tally);
    spill_close(h->writer.spill);
    db_free(h->writer.db);
    free(h->writer.sketch);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

/* ---- counting ---- */

void history_add(struct history *h, const struct history_sample *s)
{
    if (h)
        tally_add(h->tally, s);
}

void history_totals(struct history *h, struct history_totals *ret)
{
    pthread_mutex_lock(&h->mutex);
    *ret = h->totals;
    pthread_mutex_unlock(&h->mutex);
}

struct history_state history_state(const struct history *h)
{
    return (struct history_state){atomic_load(&h->ok), atomic_load(&h->waiting), atomic_load(&h->dropped)};
}

static void make_batch(struct history *h)
{
    BUF_ON_EXIT struct buf bytes;
    struct batch_head head = {.number = h->batches + 1, .at = h->span * SPAN_LEAST_S};
    memcpy(head.source, h->source, sizeof(head.source));
    buf_init(&bytes, BATCH_MAX);
    batch_begin(&bytes, &head);
    if (!tally_drain(h->tally, &bytes))
        return;
    CHECK(!bytes.failed);
    struct handed *handed = NEW(struct handed);
    handed->batch = buf_take_blob(&bytes);
    list_push_back(&h->ready, &handed->node);
    h->batches++;
}

/* ---- writing ---- */

static int write_all(struct lane_job *job)
{
    struct history *h = CONTAINER_OF(job, struct history, job);
    struct writer *w = &h->writer;
    LIST_FOREACH (node, &h->taken)
        spill_append(w->spill, CONTAINER_OF(node, struct handed, node)->batch);
    drop_handed(&h->taken);
    int r = db_connect(w->db, &h->error);
    if (r == 0)
        r = writer_apply(w, APPLY_MS, &job->cancelled, &h->error);
    bool all = r == 1;
    if (all)
        r = read_totals(h, &h->error);
    if (r >= 0)
        r = MIN(writer_clear_old(w, clock_wall_s(), &h->error), 0);
    publish(h, r == 0);
    return r < 0 ? r : all ? WROTE_ALL : WROTE_SOME;
}

static void move_all(struct list *from, struct list *to)
{
    struct list *node;
    while ((node = list_pop_front(from)))
        list_push_back(to, node);
}

static void written(struct op *op);

/* All that is ready goes along. A lane that is full leaves it for the next second. */
static void submit(struct history *h)
{
    h->due = false;
    move_all(&h->ready, &h->taken);
    h->job = (struct lane_job){0};
    h->writing = lane_submit(h->config.lane, &h->job, write_all, written) == 0;
    if (h->writing)
        return;
    h->due = true;
    move_all(&h->taken, &h->ready);
}

/* Once when it goes, once when it is back, and when something is lost. */
static void report(struct history *h, bool ok)
{
    struct history_state state = history_state(h);
    char what[sizeof(h->error.reason) + 64];
    if (!ok && !h->told_bad)
        tell(h, true, h->error.reason);
    else if (ok && h->told_bad)
        tell(h, false, "the database is back");
    h->told_bad = !ok;
    if (state.dropped == h->told_dropped)
        return;
    snprintf(what, sizeof(what), "%" PRIu64 " batches were dropped: HISTORY_SPILL_BYTES is full",
             state.dropped - h->told_dropped);
    tell(h, true, what);
    h->told_dropped = state.dropped;
}

static void written(struct op *op)
{
    struct history *h = CONTAINER_OF(op, struct history, job.op);
    h->writing = false;
    report(h, op->result >= 0);
    bool more = op->result == WROTE_SOME;
    if (h->due || !list_empty(&h->ready) || (more && !atomic_load(&h->stopped)))
        submit(h);
}

static void second_over(struct timer *t)
{
    struct history *h = CONTAINER_OF(t, struct history, second);
    int64_t span = clock_wall_s() / SPAN_LEAST_S;
    if (span != h->span) {
        make_batch(h);
        h->span = span;
        h->due = true;
    }
    if (h->due && !h->writing)
        submit(h);
    if (h->due || !atomic_load(&h->stopped))
        timer_arm(h->config.loop, t, loop_now_ns(h->config.loop) + NS_PER_S, second_over);
}

void history_start(struct history *h)
{
    if (!h)
        return;
    h->span = clock_wall_s() / SPAN_LEAST_S;
    timer_arm(h->config.loop, &h->second, loop_now_ns(h->config.loop) + NS_PER_S, second_over);
}

void history_stop(struct history *h)
{
    if (!h || atomic_load(&h->stopped))
        return;
    atomic_store(&h->stopped, true);
    timer_disarm(h->config.loop, &h->second);
    h->span = h->span ? h->span : clock_wall_s() / SPAN_LEAST_S;
    make_batch(h);
    h->due = !list_empty(&h->ready);
    if (h->due && !h->writing)
        submit(h);
    if (h->due && !h->writing)
        timer_arm(h->config.loop, &h->second, loop_now_ns(h->config.loop) + NS_PER_S, second_over);
}

bool history_busy(const struct history *h)
{
    return h && (h->writing || h->due || h->tasks > 0 || atomic_load(&h->questions) > 0);
}

/* ---- questions ---- */

static int answer_question(struct lane_job *job)
{
    struct history_question *q = CONTAINER_OF(job, struct history_question, job);
    struct db *db = q->history->writer.db;
    BUF_ON_EXIT struct buf out;
    buf_init(&out, ANSWER_MAX);
    int r = db_connect(db, &q->error);
    if (r == 0)
        r = history_read(db, &q->query, &job->cancelled, &out, &q->error);
    if (r == 0)
        q->data = buf_take_blob(&out);
    return r;
}

static void give_answer(struct history_question *q)
{
    struct history *h = q->history;
    struct blob *data = TAKE(q->data);
    struct error e = q->error;
    q->answer(q, data, data ? NULL : &e);
    blob_unref(data);
    atomic_fetch_sub(&h->questions, 1);
}

static void answered(struct op *op)
{
    give_answer(CONTAINER_OF(op, struct history_question, job.op));
}

static void deliver_question(struct message *m)
{
    struct history_question *q = CONTAINER_OF(m, struct history_question, mail);
    struct history *h = q->history;
    q->job = (struct lane_job){0};
    if (lane_submit(h->config.lane, &q->job, answer_question, answered) == 0)
        return;
    error_set(&q->error, ERR_QUEUE_FULL, "Too much is waiting for the database");
    give_answer(q);
}

void history_ask(struct history *h, struct history_question *q)
{
    q->history = h;
    q->data = NULL;
    q->error = (struct error){0};
    int64_t before = (int64_t)atomic_fetch_add(&h->questions, 1);
    if (atomic_load(&h->stopped))
        error_set(&q->error, ERR_DRAINING, "The server is shutting down; ask again in a moment");
    else if (before >= h->config.opt->db_queue_max)
        error_set(&q->error, ERR_QUEUE_FULL, "Too many questions wait for the database");
    if (q->error.code == ERR_NONE)
        loop_post(h->config.loop, &q->mail, deliver_question);
    else
        give_answer(q);
}

/* ---- other work ---- */

static int do_task(struct lane_job *job)
{
    struct history_task *t = CONTAINER_OF(job, struct history_task, job);
    struct db *db = t->history->writer.db;
    int r = db_connect(db, &t->error);
    return r < 0 ? r : t->work(t, db, &t->error);
}

static void task_done(struct op *op)
{
    struct history_task *t = CONTAINER_OF(op, struct history_task, job.op);
    struct error e = t->error;
    t->history->tasks--;
    t->done(t, op->result, &e);
}

void history_run(struct history *h, struct history_task *t)
{
    struct error e = {0};
    t->history = h;
    t->error = (struct error){0};
    t->job = (struct lane_job){0};
    int r = 0;
    if (atomic_load(&h->stopped))
        r = error_set(&e, ERR_DRAINING, "The server is shutting down");
    else if (lane_submit(h->config.lane, &t->job, do_task, task_done) < 0)
        r = error_set(&e, ERR_QUEUE_FULL, "Too much is waiting for the database");
    if (r == 0)
        h->tasks++;
    else
        t->done(t, r, &e);
}
