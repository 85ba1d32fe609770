#include "journal/sql.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* In the order of COLUMNS. */
enum column {
    C_ID,
    C_KIND,
    C_STATE,
    C_OWNER,
    C_RUN,
    C_TENANT,
    C_FEATURE,
    C_PARENT,
    C_REQUEST,
    C_CALLBACK_URL,
    C_KEY,
    C_FINGERPRINT,
    C_PRIORITY,
    C_CREATED_MS,
    C_STARTED_MS,
    C_ENDED_MS,
    C_PROVIDER,
    C_INTENT_MS,
    C_PREDICTION,
    C_INPUT_URL,
    C_COST_NANO,
    C_RESULT,
    C_ERROR,
    C_CALLBACK_DUE_MS,
    C_CALLBACK_LOG,
    C_OPEN,
    C_COUNT
};

#define COLUMNS                                                                                              \
    "id, kind, state, owner, run, tenant, feature, parent, request, callback_url, idempotency_key, "         \
    "fingerprint, priority, created_ms, started_ms, ended_ms, provider, intent_ms, prediction, input_url, "  \
    "cost_nano, result, error, callback_due_ms, callback_log, open"
#define INSERT                                                                                               \
    "INSERT INTO job (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "    \
    "$15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26) ON CONFLICT "

/* What the column `open` says of a row: there is something left to do for it. */
_Static_assert((int)JOURNAL_COMPLETED == 2, "the states below 2 are open");

enum { OWNER_KEPT_MS = 86400 * 1000 }; /* one who is silent, and of whom nothing is open */

/* The clock of the database: those of gateways differ. */
#define NOW_MS        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
#define NOW_MS_SQLITE "CAST(strftime('%s', 'now') AS BIGINT) * 1000"

static struct db_value text(const char *s)
{
    return DB_T(s ? s : "");
}

static int64_t write_row(struct sql *s, const struct journal_row *r, const char *sql, struct error *e)
{
    const struct db_value value[C_COUNT] = {
        [C_ID] = text(r->id),
        [C_KIND] = DB_I(r->kind),
        [C_STATE] = DB_I(r->state),
        [C_OWNER] = text(s->owner),
        [C_RUN] = DB_I(s->run),
        [C_TENANT] = text(r->tenant),
        [C_FEATURE] = text(r->feature),
        [C_PARENT] = text(r->parent),
        [C_REQUEST] = text(r->request),
        [C_CALLBACK_URL] = text(r->callback_url),
        [C_KEY] = text(r->idempotency_key),
        [C_FINGERPRINT] = DB_B(r->fingerprint, DIGEST_BYTES),
        [C_PRIORITY] = DB_I(r->priority),
        [C_CREATED_MS] = DB_I(r->created_ms),
        [C_STARTED_MS] = DB_I(r->started_ms),
        [C_ENDED_MS] = DB_I(r->ended_ms),
        [C_PROVIDER] = text(r->provider),
        [C_INTENT_MS] = DB_I(r->intent_ms),
        [C_PREDICTION] = text(r->prediction),
        [C_INPUT_URL] = text(r->input_url),
        [C_COST_NANO] = DB_I(r->cost_nano),
        [C_RESULT] = text(r->result),
        [C_ERROR] = text(r->error),
        [C_CALLBACK_DUE_MS] = DB_I(r->callback_due_ms),
        [C_CALLBACK_LOG] = text(r->callback_log),
        [C_OPEN] = DB_I(r->state < JOURNAL_COMPLETED || r->callback_due_ms > 0),
    };
    return db_run(s->db, sql, value, C_COUNT, NULL, NULL, e);
}

/* ---- writing ---- */

struct other {
    struct journal_write *w;
    bool there, same;
};

static bool see_other(void *ctx, const struct db_value *c, unsigned count)
{
    struct other *o = ctx;
    o->there = true;
    o->same = strcmp(c[0].data, o->w->row->id) == 0;
    snprintf(o->w->other_id, sizeof(o->w->other_id), "%s", (const char *)c[0].data);
    memset(o->w->other_fingerprint, 0, DIGEST_BYTES);
    memcpy(o->w->other_fingerprint, c[1].data, MIN(c[1].size, (size_t)DIGEST_BYTES));
    return !o->same; /* our own row counts for more than one with our key */
}

int sql_insert(struct sql *s, struct journal_write *w, struct error *e)
{
    const struct journal_row *r = w->row;
    int64_t n = 0;
    w->item.result = 0;
    w->other_id[0] = '\0';
    for (int tries = 0; tries < 2; tries++) { /* the other row may have been removed in between */
        struct other other = {.w = w};
        n = write_row(s, r, INSERT "DO NOTHING", e);
        if (n != 0)
            return (int)MIN(n, 0);
        n = db_run(s->db,
                   "SELECT id, fingerprint FROM job WHERE id = $1 OR (tenant = $2 AND idempotency_key = $3 "
                   "AND idempotency_key <> '')",
                   DB_ARGS(text(r->id), text(r->tenant), text(r->idempotency_key)), see_other, &other, e);
        if (n < 0)
            return (int)n;
        if (other.there) {
            w->item.result = other.same ? 0 : -ERR_IDEMPOTENCY_CONFLICT;
            return 0;
        }
    }
    return error_set(e, ERR_DATABASE, "The journal's rows change too fast");
}

static bool see_one(void *ctx, const struct db_value *c, unsigned count)
{
    *(bool *)ctx = true;
    return false;
}

/* A step is its job's: who has lost that begins none. While this transaction is open nobody takes it over. */
static int job_is_ours(struct sql *s, const char *job, bool *ret, struct error *e)
{
    static const char sql[] = "SELECT 1 FROM job WHERE id = $1 AND owner = $2",
                      locking[] = "SELECT 1 FROM job WHERE id = $1 AND owner = $2 FOR SHARE";
    *ret = false;
    int64_t n =
        db_run(s->db, s->several ? locking : sql, DB_ARGS(text(job), DB_T(s->owner)), see_one, ret, e);
    return (int)MIN(n, 0);
}

int sql_intent(struct sql *s, struct journal_write *w, struct error *e)
{
    struct journal_row row = *w->row;
    bool ours = true;
    int r = row.kind == JOURNAL_STEP ? job_is_ours(s, row.parent, &ours, e) : 0;
    if (r < 0 || !ours) {
        w->item.result = -ERR_NOT_FOUND;
        return r;
    }
    row.prediction = NULL;
    int64_t n = write_row(s, &row,
                          INSERT "(id) DO UPDATE SET provider = excluded.provider, "
                                 "intent_ms = excluded.intent_ms, prediction = '', "
                                 "input_url = excluded.input_url WHERE job.owner = excluded.owner",
                          e);
    w->item.result = n == 0 ? -ERR_NOT_FOUND : 0;
    return (int)MIN(n, 0);
}

static struct db_value number_or_null(int64_t n)
{
    return n >= 0 ? DB_I(n) : (struct db_value){0};
}

static struct db_value text_or_null(const char *s)
{
    return s ? DB_T(s) : (struct db_value){0};
}

static int drop_steps(struct sql *s, const char *id, struct error *e)
{
    int64_t n = db_write(s->db, e, "DELETE FROM job WHERE parent = $1 AND kind = $2 AND owner = $3",
                         DB_ARGS(DB_T(id), DB_I(JOURNAL_STEP), DB_T(s->owner)));
    return (int)MIN(n, 0);
}

int sql_note(struct sql *s, const struct journal_note *n, struct error *e)
{
    int dropped = n->drop_steps ? drop_steps(s, n->id, e) : 0;
    if (dropped < 0)
        return dropped;
    if (n->remove)
        return (int)MIN(db_write(s->db, e, "DELETE FROM job WHERE id = $1 AND owner = $2",
                                 DB_ARGS(DB_T(n->id), DB_T(s->owner))),
                        0);
    int64_t r = db_write(
        s->db, e,
        "UPDATE job SET state = COALESCE($3, state), "
        "started_ms = CASE WHEN started_ms = 0 THEN COALESCE($4, started_ms) ELSE started_ms END, "
        "ended_ms = COALESCE($5, ended_ms), cost_nano = COALESCE($6, cost_nano), "
        "prediction = COALESCE($7, prediction), input_url = COALESCE($8, input_url), "
        "result = COALESCE($9, result), error = COALESCE($10, error), "
        "callback_due_ms = COALESCE($11, callback_due_ms), callback_log = COALESCE($12, callback_log), "
        "open = CASE WHEN COALESCE($3, state) < 2 OR COALESCE($11, callback_due_ms) > 0 THEN 1 ELSE 0 END "
        "WHERE id = $1 AND owner = $2",
        DB_ARGS(DB_T(n->id), DB_T(s->owner), number_or_null(n->state), number_or_null(n->started_ms),
                number_or_null(n->ended_ms), number_or_null(n->cost_nano), text_or_null(n->prediction),
                text_or_null(n->input_url), text_or_null(n->result), text_or_null(n->error),
                number_or_null(n->callback_due_ms), text_or_null(n->callback_log)));
    return (int)MIN(r, 0);
}

/* ---- reading ---- */

static const char *copy(struct journal_found *f, const struct db_value *v)
{
    return arena_strndup(&f->arena, v->data, v->size);
}

static const char *copy_or_null(struct journal_found *f, const struct db_value *v)
{
    return v->size ? copy(f, v) : NULL;
}

static bool keep_row(void *ctx, const struct db_value *c, unsigned count)
{
    struct journal_found *f = ctx;
    struct sql_row *kept = arena_alloc(&f->arena, sizeof(*kept));
    CHECK(count == C_COUNT);
    kept->row = (struct journal_row){
        .id = copy(f, &c[C_ID]),
        .kind = (enum journal_kind)c[C_KIND].num,
        .state = (enum journal_state)c[C_STATE].num,
        .owner = copy(f, &c[C_OWNER]),
        .tenant = copy_or_null(f, &c[C_TENANT]),
        .feature = copy(f, &c[C_FEATURE]),
        .parent = copy_or_null(f, &c[C_PARENT]),
        .request = copy(f, &c[C_REQUEST]),
        .callback_url = copy_or_null(f, &c[C_CALLBACK_URL]),
        .idempotency_key = copy_or_null(f, &c[C_KEY]),
        .priority = (int)c[C_PRIORITY].num,
        .created_ms = c[C_CREATED_MS].num,
        .started_ms = c[C_STARTED_MS].num,
        .ended_ms = c[C_ENDED_MS].num,
        .provider = copy_or_null(f, &c[C_PROVIDER]),
        .intent_ms = c[C_INTENT_MS].num,
        .prediction = copy_or_null(f, &c[C_PREDICTION]),
        .input_url = copy_or_null(f, &c[C_INPUT_URL]),
        .cost_nano = c[C_COST_NANO].num,
        .result = copy_or_null(f, &c[C_RESULT]),
        .error = copy_or_null(f, &c[C_ERROR]),
        .callback_due_ms = c[C_CALLBACK_DUE_MS].num,
        .callback_log = copy_or_null(f, &c[C_CALLBACK_LOG]),
    };
    memcpy(kept->row.fingerprint, c[C_FINGERPRINT].data, MIN(c[C_FINGERPRINT].size, (size_t)DIGEST_BYTES));
    list_push_back(&f->rows, &kept->node);
    f->count++;
    return true;
}

static void begin(struct journal_found *f)
{
    sql_release(f);
    arena_init(&f->arena);
    list_init(&f->rows);
}

void sql_release(struct journal_found *f)
{
    arena_release(&f->arena);
    f->rows = (struct list){0};
    f->count = 0;
}

void sql_advance(struct journal_found *f)
{
    if (f->count == 0)
        return;
    const struct journal_row *last = &CONTAINER_OF(f->rows.prev, struct sql_row, node)->row;
    f->after_ms = last->created_ms;
    snprintf(f->after_id, sizeof(f->after_id), "%s", last->id);
}

static int ended(struct journal_found *f, int64_t r)
{
    f->more = r >= 0 && f->count == SQL_ROWS;
    return (int)MIN(r, 0);
}

int sql_find(struct sql *s, struct journal_found *f, const char *id, struct error *e)
{
    begin(f);
    return ended(
        f, db_run(s->db, "SELECT " COLUMNS " FROM job WHERE id = $1", DB_ARGS(DB_T(id)), keep_row, f, e));
}

int sql_children(struct sql *s, struct journal_found *f, const char *parent, struct error *e)
{
    begin(f);
    return ended(f, db_run(s->db,
                           "SELECT " COLUMNS " FROM job WHERE parent = $1 AND parent <> '' AND "
                           "(created_ms, id) > ($2, $3) ORDER BY created_ms, id LIMIT $4",
                           DB_ARGS(DB_T(parent), DB_I(f->after_ms), DB_T(f->after_id), DB_I(SQL_ROWS)),
                           keep_row, f, e));
}

int sql_open(struct sql *s, struct journal_found *f, struct error *e)
{
    begin(f);
    return ended(
        f, db_run(s->db,
                  "SELECT " COLUMNS " FROM job WHERE open = 1 AND owner = $1 AND run <> $2 AND "
                  "(created_ms, id) > ($3, $4) ORDER BY created_ms, id LIMIT $5",
                  DB_ARGS(DB_T(s->owner), DB_I(s->run), DB_I(f->after_ms), DB_T(f->after_id), DB_I(SQL_ROWS)),
                  keep_row, f, e));
}

/* All of them at once: jobs, and the steps of each behind it. */
int sql_taken(struct sql *s, struct journal_found *f, int64_t mark, struct error *e)
{
    begin(f);
    int64_t n = db_run(s->db,
                       "SELECT " COLUMNS
                       " FROM job WHERE open = 1 AND owner = $1 AND run = $2 ORDER BY created_ms, id",
                       DB_ARGS(DB_T(s->owner), DB_I(mark)), keep_row, f, e);
    f->more = n >= 0 && f->count >= SQL_ROWS;
    return (int)MIN(n, 0);
}

/* ---- owners ---- */

int sql_adopt(struct sql *s, struct error *e)
{
    return (int)MIN(db_write(s->db, e, "UPDATE job SET owner = $1 WHERE open = 1 AND owner <> $1",
                             DB_ARGS(DB_T(s->owner))),
                    0);
}

int sql_beat(struct sql *s, struct error *e)
{
#define BEAT(now)                                                                                            \
    "INSERT INTO job_owner (owner, beat_ms) VALUES ($1, " now ") ON CONFLICT (owner) DO UPDATE SET "         \
    "beat_ms = excluded.beat_ms"
    const char *sql = s->several ? BEAT(NOW_MS) : BEAT(NOW_MS_SQLITE);
    return (int)MIN(db_write(s->db, e, sql, DB_ARGS(DB_T(s->owner))), 0);
}

/* Steps come with their jobs, whoever has them: else whoever goes on with a job would not know what of it was
 * begun. */
int64_t sql_take_over(struct sql *s, unsigned owner_s, int64_t mark, struct error *e)
{
    return db_write(
        s->db, e,
        "WITH taken AS (UPDATE job SET owner = $1, run = $2 WHERE id IN (SELECT id FROM job WHERE "
        "open = 1 AND kind <> $5 AND owner <> $1 AND owner NOT IN (SELECT owner FROM job_owner WHERE "
        "beat_ms >= " NOW_MS " - $3) ORDER BY created_ms LIMIT $4 FOR UPDATE SKIP LOCKED) RETURNING id) "
        "UPDATE job SET owner = $1, run = $2 WHERE kind = $5 AND parent IN (SELECT id FROM taken)",
        DB_ARGS(DB_T(s->owner), DB_I(mark), DB_I(1000 * (int64_t)owner_s), DB_I(SQL_ROWS),
                DB_I(JOURNAL_STEP)));
}

/* Steps that came too late to go with their job. */
static int64_t clear_steps(struct sql *s, struct error *e)
{
    return db_write(
        s->db, e,
        "DELETE FROM job WHERE open = 1 AND kind = $1 AND owner = $2 AND NOT EXISTS (SELECT 1 FROM job j "
        "WHERE j.id = job.parent AND j.open = 1)",
        DB_ARGS(DB_I(JOURNAL_STEP), DB_T(s->owner)));
}

int sql_clear(struct sql *s, int64_t before_ms, struct error *e)
{
    int64_t n = db_write(s->db, e,
                         "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE open = 0 AND ended_ms < $1 "
                         "ORDER BY ended_ms LIMIT $2)",
                         DB_ARGS(DB_I(before_ms), DB_I(SQL_ROWS)));
    bool more = n == SQL_ROWS;
    if (n >= 0)
        n = clear_steps(s, e);
    if (n >= 0 && s->several)
        n = db_write(s->db, e,
                     "DELETE FROM job_owner WHERE beat_ms < " NOW_MS
                     " - $1 AND owner NOT IN (SELECT owner FROM "
                     "job WHERE open = 1)",
                     DB_ARGS(DB_I(OWNER_KEPT_MS)));
    return n < 0 ? (int)n : more;
}
