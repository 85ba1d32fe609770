/* Happy path: a change is added to `next`; if no job runs one is submitted, which takes all of it, and adds
 * it to the rows of the database in one transaction. Failure modes: the database cannot be had: what was
 * taken goes back to `next` and is tried again in a second; a commit whose outcome is not known may count
 * twice, which stops too early rather than too late. Invariants: one job at a time, and only it touches the
 * database and `taken` while it runs; what the database had before is read exactly once, before anything is
 * written. */
#include "money/budget_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/db.h"

struct change {
    int64_t start_s, nano;
    int told;
    bool any;
};

struct budget_store {
    struct budget_store_config config;
    struct db *db;
    struct change next[BUDGETS_MAX];
    struct lane_job job;
    bool writing, told_bad;
    /* the job's, while it runs */
    struct change taken[BUDGETS_MAX];
    struct change found[BUDGETS_MAX]; /* the newest period of each that was there */
    bool loaded, just_loaded;
    struct error error;
};

/* ---- the job ---- */

static bool read_row(void *ctx, const struct db_value *c, unsigned count)
{
    struct budget_store *s = ctx;
    for (unsigned i = 0; i < s->config.plan->count; i++) {
        struct change *f = &s->found[i];
        if (strcmp(s->config.plan->row[i].name, c[0].data) == 0 && (!f->any || c[1].num > f->start_s))
            *f = (struct change){c[1].num, c[2].num, (int)c[3].num, true};
    }
    return true;
}

static int load(struct budget_store *s, struct error *e)
{
    memset(s->found, 0, sizeof(s->found));
    int64_t r =
        db_run(s->db, "SELECT name, start_s, used_nano, told FROM budget_spent", NULL, 0, read_row, s, e);
    s->loaded = s->just_loaded = r >= 0;
    return (int)MIN(r, 0);
}

static int64_t write_change(struct budget_store *s, unsigned i, struct error *e)
{
    const struct change *c = &s->taken[i];
    const char *name = s->config.plan->row[i].name;
    int64_t r = db_write(s->db, e,
                         "INSERT INTO budget_spent (name, start_s, used_nano, told) VALUES ($1, $2, $3, $4) "
                         "ON CONFLICT (name, start_s) DO UPDATE SET "
                         "used_nano = budget_spent.used_nano + excluded.used_nano, "
                         "told = CASE WHEN budget_spent.told > excluded.told THEN budget_spent.told "
                         "ELSE excluded.told END",
                         DB_ARGS(DB_T(name), DB_I(c->start_s), DB_I(c->nano), DB_I(c->told)));
    if (r < 0)
        return r;
    return db_write(s->db, e, "DELETE FROM budget_spent WHERE name = $1 AND start_s < $2",
                    DB_ARGS(DB_T(name), DB_I(c->start_s)));
}

static int write_all(struct lane_job *job)
{
    struct budget_store *s = CONTAINER_OF(job, struct budget_store, job);
    struct error *e = &s->error;
    int64_t r = db_connect(s->db, e);
    if (r == 0 && !s->loaded)
        r = load(s, e);
    if (r == 0)
        r = db_begin(s->db, DB_LOCK_NONE, e);
    if (r < 0)
        return (int)r;
    for (unsigned i = 0; i < BUDGETS_MAX && r >= 0; i++)
        if (s->taken[i].any)
            r = write_change(s, i, e);
    if (r >= 0)
        return db_commit(s->db, e);
    db_rollback(s->db);
    return (int)r;
}

/* ---- the core ---- */

static void tell_loaded(struct budget_store *s)
{
    if (!s->just_loaded)
        return;
    s->just_loaded = false;
    for (unsigned i = 0; i < BUDGETS_MAX; i++)
        if (s->found[i].any)
            s->config.loaded(s->config.ctx, i, s->found[i].start_s, s->found[i].nano, s->found[i].told);
}

static void report(struct budget_store *s, bool ok)
{
    char what[sizeof(s->error.reason) + 32];
    snprintf(what, sizeof(what), "budgets: %s", ok ? "the database is back" : s->error.reason);
    if (ok == s->told_bad && s->config.tell)
        s->config.tell(s->config.tell_ctx, !ok, what);
    s->told_bad = !ok;
}

/* A newer period makes the older one's sum nobody's concern. */
static void merge(struct change *into, const struct change *c)
{
    if (!c->any || (into->any && c->start_s < into->start_s))
        return;
    if (!into->any || c->start_s > into->start_s)
        *into = (struct change){.start_s = c->start_s, .any = true};
    into->nano += c->nano;
    into->told = MAX(into->told, c->told);
}

static void submit(struct budget_store *s);

static void written(struct op *op)
{
    struct budget_store *s = CONTAINER_OF(op, struct budget_store, job.op);
    s->writing = false;
    report(s, op->result == 0);
    tell_loaded(s);
    if (op->result == 0) {
        submit(s);
        return;
    }
    for (unsigned i = 0; i < BUDGETS_MAX; i++)
        merge(&s->next[i], &s->taken[i]);
}

static bool has_news(const struct budget_store *s)
{
    for (unsigned i = 0; i < BUDGETS_MAX; i++)
        if (s->next[i].any)
            return true;
    return !s->loaded;
}

static void submit(struct budget_store *s)
{
    if (s->writing || !has_news(s))
        return;
    memcpy(s->taken, s->next, sizeof(s->taken));
    s->job = (struct lane_job){0};
    s->writing = lane_submit(s->config.lane, &s->job, write_all, written) == 0;
    if (s->writing) /* else the lane is full: in a second */
        memset(s->next, 0, sizeof(s->next));
}

void budget_store_add(struct budget_store *s, unsigned i, int64_t start_s, int64_t nano, int told)
{
    const struct change c = {start_s, nano, told, true};
    merge(&s->next[i], &c);
    if (!s->told_bad) /* else it waits for the next second */
        submit(s);
}

void budget_store_try(struct budget_store *s)
{
    submit(s);
}

bool budget_store_busy(const struct budget_store *s)
{
    return s->writing;
}

/* ---- life ---- */

int budget_store_new(const struct budget_store_config *config, struct budget_store **ret, struct error *e)
{
    const struct options *opt = config->opt;
    struct budget_store *s = NEW(struct budget_store);
    s->config = *config;
    FREE_ON_EXIT char *file = mem_printf("%s/limner.db", opt->data_dir);
    const struct db_config db = {
        .url = opt->database_url, .path = file, .timeout_ms = (unsigned)opt->db_timeout_ms};
    int r = db_new(&db, &s->db, e);
    if (r == 0)
        r = db_connect(s->db, e);
    if (r == 0)
        r = load(s, e);
    if (r == -ERR_DATABASE) { /* it will come back */
        s->error = *e;
        report(s, false);
        r = 0;
    }
    if (r < 0) {
        budget_store_free(s);
        return r;
    }
    tell_loaded(s);
    *ret = s;
    return 0;
}

void budget_store_free(struct budget_store *s)
{
    if (!s)
        return;
    CHECK(!s->writing);
    db_free(s->db);
    free(s);
}
