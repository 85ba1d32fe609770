#include "journal_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "db/db.h"
#include "scratch.h"

static void found(void *ctx, const struct journal_row *row)
{
    struct journal_rig *rig = ctx;
    assert_true(rig->found_count < RIG_FOUND_MAX);
    snprintf(rig->found[rig->found_count++], JOURNAL_ID_MAX + 1, "%s", row->id);
}

static void taken(void *ctx)
{
    struct journal_rig *rig = ctx;
    rig->taken++;
}

static void started(void *ctx)
{
    struct journal_rig *rig = ctx;
    rig->started++;
}

static void noted(void *ctx, const char *id, bool over)
{
    struct journal_rig *rig = ctx;
    if (!over) {
        rig->noted++;
        return;
    }
    snprintf(rig->ended_id, sizeof(rig->ended_id), "%s", id);
    rig->ended++;
}

static void tell(void *ctx, bool bad, const char *what)
{
    struct journal_rig *rig = ctx;
    if (bad)
        snprintf(rig->told, sizeof(rig->told), "%s", what);
    rig->bad += bad;
    rig->good += !bad;
}

struct journal_rig *journal_rig_new(char *url, char *folder)
{
    struct journal_rig *rig = NEW(struct journal_rig);
    rig->folder = folder ? folder : scratch_new();
    rig->path = mem_printf("%s/limner.db", rig->folder);
    rig->url = url;
    waiting_loop_init(&rig->w);
    rig->lane = lane_new(&(struct lane_config){"journal", 1, 1, NULL}, &rig->w.loop);
    rig->config = (struct journal_config){.loop = &rig->w.loop,
                                          .lane = rig->lane,
                                          .url = url ? url : "",
                                          .path = rig->path,
                                          .owner = "one",
                                          .timeout_ms = 1000,
                                          .keep_h = 24,
                                          .owner_s = 30,
                                          .found = found,
                                          .started = started,
                                          .taken = taken,
                                          .noted = noted,
                                          .tell = tell,
                                          .ctx = rig};
    return rig;
}

int journal_rig_open(struct journal_rig *rig)
{
    rig->found_count = rig->started = rig->ended = rig->noted = rig->bad = rig->good = 0;
    return journal_new(&rig->config, &rig->j, &rig->e);
}

static void mark_stopped(struct timer *t)
{
    (void)t;
}

void journal_rig_close(struct journal_rig *rig)
{
    unsigned never = 0;
    struct timer look = {0};
    if (!rig->j)
        return;
    journal_stop(rig->j);
    while (journal_busy(rig->j)) {
        timer_arm(&rig->w.loop, &look, loop_now_ns(&rig->w.loop) + 1000000, mark_stopped);
        waiting_loop_step(&rig->w);
    }
    timer_disarm(&rig->w.loop, &look);
    waiting_loop_run(&rig->w, &never, 0); /* ops that have failed */
    journal_free(TAKE(rig->j));
}

void journal_rig_leave(struct journal_rig *rig)
{
    journal_rig_close(rig);
    lane_free(rig->lane);
    waiting_loop_release(&rig->w);
    free(rig->folder);
    free(rig->path);
    free(rig->url);
    free(rig);
}

void journal_rig_free(struct journal_rig *rig)
{
    char *folder = rig->folder;
    rig->folder = NULL;
    journal_rig_leave(rig);
    scratch_free(folder);
}

void journal_rig_turn_until(struct journal_rig *rig, const unsigned *count, unsigned target)
{
    waiting_loop_run(&rig->w, count, target);
}

/* ---- ops ---- */

static void op_done(struct op *op)
{
    struct journal_rig *rig = op->owner;
    rig->done++;
}

static int wait_for(struct journal_rig *rig, struct op *op)
{
    waiting_loop_run(&rig->w, &rig->done, rig->done + 1);
    return op->result;
}

int journal_rig_insert(struct journal_rig *rig, const struct journal_row *row)
{
    struct journal_write w = {.op.owner = rig};
    journal_insert(rig->j, &w, row, op_done);
    int r = wait_for(rig, &w.op);
    if (r == -ERR_IDEMPOTENCY_CONFLICT)
        snprintf(rig->told, sizeof(rig->told), "%s %02x", w.other_id, w.other_fingerprint[0]);
    return r;
}

int journal_rig_intent(struct journal_rig *rig, const struct journal_row *row)
{
    struct journal_write w = {.op.owner = rig};
    journal_intent(rig->j, &w, row, op_done);
    return wait_for(rig, &w.op);
}

struct finding {
    struct journal_read read;
    struct journal_copy *copy;
    unsigned count;
    int64_t last_ms;
};

static const char *keep(struct journal_copy *c, unsigned i, const char *text)
{
    if (text)
        snprintf(c->text[i], sizeof(c->text[i]), "%s", text);
    return text ? c->text[i] : NULL;
}

static void copy_row(struct journal_read *r, const struct journal_row *row)
{
    struct journal_copy *c = CONTAINER_OF(r, struct finding, read)->copy;
    const char **const at[] = {&c->row.id,           &c->row.owner,           &c->row.tenant,
                               &c->row.feature,      &c->row.parent,          &c->row.request,
                               &c->row.callback_url, &c->row.idempotency_key, &c->row.provider,
                               &c->row.prediction,   &c->row.input_url,       &c->row.result,
                               &c->row.error,        &c->row.callback_log};
    c->row = *row;
    for (unsigned i = 0; i < ARRAY_LEN(at); i++)
        *at[i] = keep(c, i, *at[i]);
}

int journal_rig_find(struct journal_rig *rig, const char *id, struct journal_copy *ret)
{
    struct finding f = {.read.op.owner = rig, .read.row = copy_row, .copy = ret};
    snprintf(f.read.id, sizeof(f.read.id), "%s", id);
    journal_find(rig->j, &f.read, op_done);
    return wait_for(rig, &f.read.op);
}

static void count_row(struct journal_read *r, const struct journal_row *row)
{
    struct finding *f = CONTAINER_OF(r, struct finding, read);
    assert_true(row->created_ms >= f->last_ms);
    f->last_ms = row->created_ms;
    f->count++;
}

unsigned journal_rig_children(struct journal_rig *rig, const char *parent)
{
    struct finding f = {.read.op.owner = rig, .read.row = count_row};
    snprintf(f.read.id, sizeof(f.read.id), "%s", parent);
    journal_children(rig->j, &f.read, op_done);
    int r = wait_for(rig, &f.read.op);
    assert_int_equal(r, f.count ? 0 : -ERR_NOT_FOUND);
    return f.count;
}

/* ---- beside the journal ---- */

static bool keep_number(void *ctx, const struct db_value *columns, unsigned count)
{
    *(int64_t *)ctx = columns[0].num;
    return true;
}

static int64_t run_sql(struct journal_rig *rig, const char *sql, db_row_fn *row, void *ctx)
{
    struct db *db;
    const struct db_config config = {.url = rig->config.url, .path = rig->path, .timeout_ms = 5000};
    assert_int_equal(db_new(&config, &db, &rig->e), 0);
    if (db_connect(db, &rig->e) < 0 || db_run(db, sql, NULL, 0, row, ctx, &rig->e) < 0)
        fail_msg("%s: %s", sql, rig->e.reason);
    db_free(db);
    return 0;
}

int64_t journal_rig_number(struct journal_rig *rig, const char *sql)
{
    int64_t n = -1;
    run_sql(rig, sql, keep_number, &n);
    return n;
}

void journal_rig_sql(struct journal_rig *rig, const char *sql)
{
    run_sql(rig, sql, NULL, NULL);
}
