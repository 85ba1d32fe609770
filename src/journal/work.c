#include "journal/work.h"

#include "base/clock.h"
#include "base/rng.h"

enum { REFUSED_MAX = 4 }; /* of one group: more, and it is the database that is wrong */

static int apply(struct sql *s, struct journal_item *item, struct error *e)
{
    switch (item->kind) {
    case ITEM_INSERT:
        return sql_insert(s, write_of(item), e);
    case ITEM_INTENT:
        return sql_intent(s, write_of(item), e);
    case ITEM_NOTE:
        return sql_note(s, note_of(item), e);
    case ITEM_FIND:
        return sql_find(s, &read_of(item)->found, read_of(item)->id, e);
    default:
        return sql_children(s, &read_of(item)->found, read_of(item)->id, e);
    }
}

/* Anything but damage, which names the setting. */
static bool is_the_rows_fault(const struct error *e)
{
    return e->code == ERR_INTERNAL && !*e->field;
}

static int apply_all(struct journal *j, struct journal_item **ret_refused)
{
    LIST_FOREACH (node, &j->group) {
        struct journal_item *item = CONTAINER_OF(node, struct journal_item, node);
        if (item->result == -ERR_INTERNAL)
            continue;
        int r = apply(&j->sql, item, &j->error);
        if (r < 0) {
            *ret_refused = is_the_rows_fault(&j->error) ? item : NULL;
            return r;
        }
    }
    return 0;
}

static int write_once(struct journal *j, bool transaction, struct journal_item **ret_refused)
{
    struct db *db = j->sql.db;
    int r = transaction ? db_begin(db, DB_LOCK_NONE, &j->error) : 0;
    if (r < 0)
        return r;
    r = apply_all(j, ret_refused);
    if (!transaction)
        return r;
    if (r == 0)
        return db_commit(db, &j->error);
    db_rollback(db);
    return r;
}

static int write_group(struct journal *j)
{
    bool transaction = false;
    LIST_FOREACH (node, &j->group) {
        struct journal_item *item = CONTAINER_OF(node, struct journal_item, node);
        item->result = 0;
        transaction |= changes(item);
    }
    for (unsigned refused = 0;; refused++) {
        struct journal_item *item = NULL;
        int r = write_once(j, transaction, &item);
        if (r == 0 || !item || refused == REFUSED_MAX)
            return r;
        item->result = -ERR_INTERNAL;
    }
}

static int read_open(struct journal *j)
{
    if (!j->sql.several && !j->adopted) {
        int r = sql_adopt(&j->sql, &j->error);
        if (r < 0)
            return r;
        j->adopted = true;
    }
    return sql_open(&j->sql, &j->open, &j->error);
}

/* What an earlier try may have taken is looked for before more is. */
static int take_over(struct journal *j)
{
    if (j->mark == 0) {
        int64_t mark;
        rng_bytes(&mark, sizeof(mark));
        j->mark = mark & INT64_MAX;
        int64_t n = sql_take_over(&j->sql, j->config.owner_s, j->mark, &j->error);
        if (n < 0)
            return (int)n;
    }
    int r = sql_taken(&j->sql, &j->taken, j->mark, &j->error);
    if (r == 0)
        j->mark = 0;
    return r;
}

static int clear(struct journal *j)
{
    int64_t before_ms = (int64_t)clock_wall_ms() - (int64_t)j->config.keep_h * 3600 * 1000;
    return sql_clear(&j->sql, before_ms, &j->error);
}

static int do_chore(struct journal *j, enum chore chore)
{
    switch (chore) {
    case CHORE_OPEN:
        return read_open(j);
    case CHORE_TAKE:
        return take_over(j);
    case CHORE_CLEAR:
        return clear(j);
    case CHORE_BEAT:
        break;
    }
    return 0;
}

static int do_chores(struct journal *j)
{
    static const enum chore chores[] = {CHORE_OPEN, CHORE_TAKE, CHORE_CLEAR};
    int r = db_connect(j->sql.db, &j->error);
    for (unsigned i = 0; i < ARRAY_LEN(chores) && r >= 0; i++) {
        if (!(j->chores & ~j->done & (unsigned)chores[i]))
            continue;
        r = do_chore(j, chores[i]);
        j->done |= r == 0 ? (unsigned)chores[i] : 0; /* 1: some of it */
    }
    return MIN(r, 0);
}

/* The word that we live comes first: rows of one who has not said it are taken over at once. */
static int try_group(struct journal *j)
{
    int r = db_connect(j->sql.db, &j->error);
    if (r == 0 && j->chores & CHORE_BEAT)
        r = sql_beat(&j->sql, &j->error);
    if (r < 0)
        return r;
    j->done |= j->chores & CHORE_BEAT;
    return write_group(j);
}

/* A connection that has been lost is noticed when it is used, and two gateways may lock each other out: at
 * once again is mostly well, and doing it twice is the same as once. What has waited for long has waited. */
static int twice(struct journal *j, int (*work)(struct journal *j), uint64_t until_ns)
{
    int r = work(j);
    return r == -ERR_DATABASE && clock_mono_ns() < until_ns ? work(j) : r;
}

int journal_work(struct lane_job *job)
{
    struct journal *j = CONTAINER_OF(job, struct journal, job);
    uint64_t until_ns = clock_mono_ns() + j->config.timeout_ms * NS_PER_MS;
    int r = twice(j, try_group, until_ns);
    j->group_written = r == 0;
    return r == 0 ? twice(j, do_chores, until_ns) : r;
}
