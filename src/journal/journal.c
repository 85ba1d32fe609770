/* Happy path: what is asked for is queued; if no job runs one is submitted, which takes what waits, does it
 * in its order in one transaction, and then what is due besides (chores). Failure modes: the group was not
 * written: its ops fail, its notes go back to the front of the queue, before what came meanwhile, and the
 * next second tries again; one row that the database refuses is left out, and the rest is done again without
 * it. Invariants: one job at a time, and only it touches the database, the group and what chores find while
 * it runs; the map holds what is in the queue, nothing else; what a group has read is told before its ops
 * complete; a row that was taken over is told once, even if that commit's outcome was not known. */
#include "journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "journal/work.h"

enum {
    GROUP_MAX = 1000, /* one transaction must not keep history from the file for long */
    CLEAR_EVERY_S = 60
};

/* ---- the core: after a job ---- */

static void tell(struct journal *j, bool bad, const char *what)
{
    if (j->config.tell)
        j->config.tell(j->config.ctx, bad, what);
}

static void report(struct journal *j, bool ok)
{
    if (ok == j->bad)
        tell(j, !ok, ok ? "the database is back" : j->error.reason);
    j->bad = !ok;
}

static void tell_found(struct journal *j, struct journal_found *f)
{
    for (struct list *node = f->count ? f->rows.next : &f->rows; node != &f->rows; node = node->next)
        j->config.found(j->config.ctx, &CONTAINER_OF(node, struct sql_row, node)->row);
}

/* After a second start some are told again; but not those that have ended here, which is not written yet. */
static void tell_open(struct journal *j)
{
    LIST_FOREACH_SAFE (node, &j->open.rows) {
        const struct journal_row *row = &CONTAINER_OF(node, struct sql_row, node)->row;
        if (!notes_newest(&j->notes, row->id))
            j->config.found(j->config.ctx, row);
    }
}

/* It was written after it was asked for, and the one before likewise: that no more than owner_s lie between
 * them is certain only if that is so from the first asking until now. */
static void settle_beat(struct journal *j)
{
    uint64_t now = loop_now_ns(j->config.loop);
    if (j->sql.several && (!j->held_ns || now - j->held_ns >= j->config.owner_s * NS_PER_S))
        j->hold++;
    j->held_ns = j->asked_ns;
}

static void settle_chores(struct journal *j)
{
    unsigned done = j->done;
    j->due |= j->chores & ~done; /* again, in a second */
    if (done & CHORE_BEAT)
        settle_beat(j);
    if (done & CHORE_OPEN && !j->stopping) {
        tell_open(j);
        sql_advance(&j->open);
        j->started = !j->open.more && !j->from_the_start;
        if (!j->started)
            j->due |= CHORE_OPEN;
        else
            j->config.started(j->config.ctx);
    }
    if (done & CHORE_TAKE && !j->stopping) {
        tell_found(j, &j->taken);
        j->due |= j->taken.more ? CHORE_TAKE : 0;
        j->config.taken(j->config.ctx);
    }
    sql_release(&j->open);
    sql_release(&j->taken);
}

static void note_settled(struct journal *j, struct journal_note *n)
{
    char what[160];
    if (n->item.result == -ERR_INTERNAL) {
        snprintf(what, sizeof(what), "the database refuses what is to be noted of %s", n->id);
        tell(j, true, what);
    }
    bool over = n->remove || n->state >= JOURNAL_COMPLETED;
    if (j->config.noted && (over || n->error))
        j->config.noted(j->config.ctx, n->id, over);
    note_free(n);
}

static void read_settled(struct journal *j, struct journal_read *r)
{
    for (struct list *node = r->found.rows.next; r->found.count && node != &r->found.rows; node = node->next)
        r->row(r, &CONTAINER_OF(node, struct sql_row, node)->row);
    r->told += r->found.count;
    sql_advance(&r->found);
    sql_release(&r->found);
    if (r->found.more && r->item.kind == ITEM_CHILDREN)
        list_push_back(&j->queue, &r->item.node);
    else
        op_complete(&r->op, r->item.result < 0 ? r->item.result : r->told ? 0 : -ERR_NOT_FOUND);
}

static void item_written(struct journal *j, struct journal_item *item)
{
    if (item->kind == ITEM_NOTE)
        note_settled(j, note_of(item));
    else if (changes(item))
        op_complete(&write_of(item)->op, item->result);
    else
        read_settled(j, read_of(item));
}

/* Before what came meanwhile; joined with it where that changes nothing. */
static void put_back(struct journal *j, struct journal_note *n)
{
    struct journal_item *next = notes_oldest(&j->notes, n->id);
    if (next && next->kind == ITEM_NOTE) {
        struct journal_note *later = note_of(next);
        note_merge(n, later);
        list_insert_after(&later->item.node, &n->item.node);
        list_remove(&later->item.node);
        list_insert_after(&later->item.by_id, &n->item.by_id);
        list_remove(&later->item.by_id);
        note_free(later);
    } else {
        list_push_front(&j->queue, &n->item.node);
        notes_add_first(&j->notes, &n->item);
    }
}

static void item_failed(struct journal *j, struct journal_item *item)
{
    if (item->kind == ITEM_NOTE) {
        put_back(j, note_of(item));
    } else if (changes(item)) {
        op_complete(&write_of(item)->op, -ERR_DATABASE);
    } else {
        sql_release(&read_of(item)->found);
        op_complete(&read_of(item)->op, -ERR_DATABASE);
    }
}

/* It is the end, and there is no database. */
static void give_up(struct journal *j)
{
    struct list *node;
    char what[96];
    while ((node = list_pop_front(&j->queue))) {
        struct journal_item *item = CONTAINER_OF(node, struct journal_item, node);
        list_remove(&item->by_id);
        j->lost += item->kind == ITEM_NOTE;
        if (item->kind == ITEM_NOTE)
            note_free(note_of(item));
        else
            item_failed(j, item);
    }
    if (j->lost == 0)
        return;
    snprintf(what, sizeof(what), "%u changes of rows could not be written; the next start looks for itself",
             j->lost);
    tell(j, true, what);
}

static void submit(struct journal *j);

static void settled(struct op *op)
{
    struct journal *j = CONTAINER_OF(op, struct journal, job.op);
    struct list group;
    struct list *node;
    bool written = j->group_written;
    list_init(&group);
    while ((node = list_pop_front(&j->group)))
        list_push_back(&group, node);
    j->writing = false;
    j->settling = true; /* who is told may ask for more */
    report(j, op->result == 0);
    /* From the end, if they go back. */
    while ((node = written ? group.next : group.prev) != &group) {
        list_remove(node);
        (written ? item_written : item_failed)(j, CONTAINER_OF(node, struct journal_item, node));
    }
    settle_chores(j);
    j->settling = false;
    if (j->stopping && op->result < 0)
        give_up(j);
    else if (!j->bad)
        submit(j);
}

/* ---- the core: before a job ---- */

static void submit(struct journal *j)
{
    unsigned count = 0;
    struct list *node;
    if (j->writing || j->settling || (list_empty(&j->queue) && j->due == 0))
        return;
    j->job = (struct lane_job){0};
    j->writing = true;
    j->chores = j->stopping ? 0 : j->due;
    if (j->from_the_start && j->chores & CHORE_OPEN) {
        j->from_the_start = false;
        j->open.after_ms = 0;
        j->open.after_id[0] = '\0';
    }
    j->due = j->done = 0;
    j->asked_ns = loop_now_ns(j->config.loop);
    while (count++ < GROUP_MAX && (node = list_pop_front(&j->queue))) {
        struct journal_item *item = CONTAINER_OF(node, struct journal_item, node);
        list_remove(&item->by_id);
        list_push_back(&j->group, node);
    }
    CHECK(lane_submit(j->config.lane, &j->job, journal_work, settled) ==
          0); /* it is ours, and one job fits */
}

/* While the database is away the next second tries. */
static void kick(struct journal *j)
{
    if (!j->bad || j->stopping)
        submit(j);
}

static bool is_due(uint64_t *at_ns, uint64_t now, uint64_t every_ns)
{
    if (now < *at_ns)
        return false;
    *at_ns = now + every_ns;
    return true;
}

static void tick(struct timer *t)
{
    struct journal *j = CONTAINER_OF(t, struct journal, timer);
    uint64_t now = loop_now_ns(j->config.loop), beat_ns = j->config.owner_s * NS_PER_S / 4;
    if ((j->sql.several && is_due(&j->beat_ns, now, beat_ns)) || j->bad)
        j->due |= CHORE_BEAT; /* which also shows whether it can be written again */
    if (j->sql.several && j->started && is_due(&j->take_ns, now, 2 * beat_ns))
        j->due |= CHORE_TAKE;
    if (is_due(&j->clear_ns, now, CLEAR_EVERY_S * NS_PER_S))
        j->due |= CHORE_CLEAR;
    submit(j);
    timer_arm(j->config.loop, t, now + (j->sql.several ? MIN(NS_PER_S, beat_ns) : NS_PER_S), tick);
}

static void queue_op(struct journal *j, struct op *op, struct journal_item *item, int kind,
                     op_done_fn *on_done)
{
    op_begin(op, j->config.loop, on_done, NULL);
    *item = (struct journal_item){.kind = kind};
    list_push_back(&j->queue, &item->node);
    if (changes(item))
        notes_add(&j->notes, item);
    kick(j);
}

void journal_insert(struct journal *j, struct journal_write *w, const struct journal_row *row,
                    op_done_fn *on_done)
{
    w->row = row;
    queue_op(j, &w->op, &w->item, ITEM_INSERT, on_done);
}

void journal_intent(struct journal *j, struct journal_write *w, const struct journal_row *row,
                    op_done_fn *on_done)
{
    w->row = row;
    queue_op(j, &w->op, &w->item, ITEM_INTENT, on_done);
}

static void queue_read(struct journal *j, struct journal_read *r, int kind, op_done_fn *on_done)
{
    r->journal = j;
    r->told = 0;
    r->found = (struct journal_found){0};
    queue_op(j, &r->op, &r->item, kind, on_done);
}

void journal_find(struct journal *j, struct journal_read *r, op_done_fn *on_done)
{
    queue_read(j, r, ITEM_FIND, on_done);
}

void journal_children(struct journal *j, struct journal_read *r, op_done_fn *on_done)
{
    queue_read(j, r, ITEM_CHILDREN, on_done);
}

/* ---- notes ---- */

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

/* Its texts are taken, the rest goes. */
static void note(struct journal *j, struct journal_note *n)
{
    struct journal_item *newest = notes_newest(&j->notes, n->id);
    if (newest && newest->kind == ITEM_NOTE) {
        note_merge(note_of(newest), n);
        note_free(n);
        return; /* whoever queued it has seen to the rest */
    }
    list_push_back(&j->queue, &n->item.node);
    notes_add(&j->notes, &n->item);
    kick(j);
}

void journal_note_run(struct journal *j, const char *id, const char *prediction, const char *input_url)
{
    struct journal_note *n = note_new(id);
    n->prediction = copy(prediction);
    n->input_url = copy(input_url);
    note(j, n);
}

void journal_note_state(struct journal *j, const char *id, enum journal_state state, int64_t cost_nano,
                        const char *result, const char *error)
{
    struct journal_note *n = note_new(id);
    n->state = (int64_t)state;
    n->cost_nano = cost_nano;
    n->started_ms = state == JOURNAL_RUNNING ? (int64_t)clock_wall_ms() : -1;
    n->ended_ms = state >= JOURNAL_COMPLETED ? (int64_t)clock_wall_ms() : -1;
    n->result = copy(result);
    n->error = copy(error);
    note(j, n);
}

void journal_note_callback(struct journal *j, const char *id, int64_t due_ms, const char *log)
{
    struct journal_note *n = note_new(id);
    n->callback_due_ms = due_ms;
    n->callback_log = log ? mem_strdup(log) : NULL;
    note(j, n);
}

void journal_remove(struct journal *j, const char *id)
{
    struct journal_note *n = note_new(id);
    n->remove = true;
    note(j, n);
}

void journal_drop_steps(struct journal *j, const char *id)
{
    struct journal_note *n = note_new(id);
    n->drop_steps = true;
    note(j, n);
}

/* ---- life ---- */

static int first_look(struct journal *j, struct error *e)
{
    int r = db_connect(j->sql.db, e);
    if (r == 0 && j->sql.several) {
        r = sql_beat(&j->sql, e);
        j->held_ns = r == 0 ? loop_now_ns(j->config.loop) : 0;
    }
    if (r != -ERR_DATABASE)
        return r;
    j->error = *e; /* it will come back */
    report(j, false);
    return 0;
}

int journal_new(const struct journal_config *config, struct journal **ret, struct error *e)
{
    struct journal *j = NEW(struct journal);
    const struct db_config db = {
        .url = config->url,
        .path = config->path,
        .timeout_ms = config->timeout_ms,
        .durable = config->to_disk ? DB_DURABLE_DISK : DB_DURABLE_PROCESS,
    };
    j->config = *config;
    j->sql.several = *config->url != '\0';
    j->sql.owner = mem_strdup(config->owner);
    rng_bytes(&j->sql.run, sizeof(j->sql.run));
    j->sql.run &= INT64_MAX;
    notes_init(&j->notes);
    list_init(&j->queue);
    list_init(&j->group);
    int r = db_new(&db, &j->sql.db, e);
    if (r == 0)
        r = first_look(j, e);
    if (r < 0) {
        journal_free(j);
        return r;
    }
    timer_arm(config->loop, &j->timer, loop_now_ns(config->loop), tick);
    *ret = j;
    return 0;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    CHECK(!journal_busy(j) && list_empty(&j->queue));
    timer_disarm(j->config.loop, &j->timer);
    db_free(j->sql.db);
    free((char *)(uintptr_t)j->sql.owner);
    free(j);
}

/* From the first row on: an earlier process may have made some since, of any age by its clock. */
void journal_start(struct journal *j)
{
    j->from_the_start = true; /* the lane may be reading now */
    j->due |= CHORE_OPEN;
    kick(j);
}

void journal_stop(struct journal *j)
{
    if (j->stopping)
        return;
    j->stopping = true;
    timer_disarm(j->config.loop, &j->timer);
    j->due = 0;
    submit(j);
}

bool journal_busy(const struct journal *j)
{
    return j->writing;
}

bool journal_waits(const struct journal *j)
{
    return !list_empty(&j->queue);
}

bool journal_is_up(const struct journal *j)
{
    return !j->bad;
}

bool journal_holds(const struct journal *j)
{
    uint64_t now = loop_now_ns(j->config.loop);
    return !j->sql.several || (j->held_ns && now - j->held_ns < j->config.owner_s * NS_PER_S / 2);
}

unsigned journal_hold(const struct journal *j)
{
    return j->hold;
}
