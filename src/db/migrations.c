/* The tables, as numbered steps from nothing to what this program knows. A step that has been released is
 * never changed: a correction is a further step. Each runs in a transaction of its own, under a lock, so that
 * of several programs that start at once one does it; where it stands is the greatest number in
 * schema_version. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "db/engine.h"

enum { STATEMENTS_MAX = 6 };

struct migration {
    const char *sql[STATEMENTS_MAX];
};

/* Finished requests, added up over spans that begin at `at`. Times are sums in µs, and histograms in the
 * coding of history/sketch.h. A table for each length of span, so that the few long ones lie together. */
#define HISTORY_TABLE(name)                                                                                  \
    "CREATE TABLE " name " (at BIGINT NOT NULL, feature TEXT NOT NULL, provider TEXT NOT NULL, "             \
    "outcome TEXT NOT NULL, requests BIGINT NOT NULL, latency_us BIGINT NOT NULL, "                          \
    "provider_us BIGINT NOT NULL, latency BYTEA NOT NULL, overhead BYTEA NOT NULL, provided BYTEA NOT "      \
    "NULL, "                                                                                                 \
    "PRIMARY KEY (at, feature, provider, outcome))"

/* What requests cost and saved, in billionths of a dollar; nothing is known of what was before. */
#define WITH_MONEY(name, column) "ALTER TABLE " name " ADD COLUMN " column " BIGINT NOT NULL DEFAULT 0"

/* The number of a step is its place, from 1. */
static const struct migration migrations[] = {
    /* 1: history. history_source has the number of the last batch of each process that wrote. */
    {{HISTORY_TABLE("history_10s"), HISTORY_TABLE("history_1m"), HISTORY_TABLE("history_1h"),
      "CREATE TABLE history_source (source TEXT NOT NULL PRIMARY KEY, last BIGINT NOT NULL, "
      "at BIGINT NOT NULL)"}},
    /* 2: what was counted since the beginning, which outlives the rows. */
    {{"CREATE TABLE history_total (feature TEXT NOT NULL, provider TEXT NOT NULL, outcome TEXT NOT NULL, "
      "requests BIGINT NOT NULL, latency_us BIGINT NOT NULL, provider_us BIGINT NOT NULL, "
      "PRIMARY KEY (feature, provider, outcome))",
      "INSERT INTO history_total SELECT feature, provider, outcome, CAST(SUM(requests) AS BIGINT), "
      "CAST(SUM(latency_us) AS BIGINT), CAST(SUM(provider_us) AS BIGINT) FROM history_1h "
      "GROUP BY feature, provider, outcome"}},
    /* 3: what was spent of budgets: in the period that began at start_s, and whether that was told. */
    {{"CREATE TABLE budget_spent (name TEXT NOT NULL, start_s BIGINT NOT NULL, used_nano BIGINT NOT NULL, "
      "told BIGINT NOT NULL, PRIMARY KEY (name, start_s))"}},
    /* 4 and 5: money in history. */
    {{WITH_MONEY("history_10s", "cost_nano"), WITH_MONEY("history_1m", "cost_nano"),
      WITH_MONEY("history_1h", "cost_nano"), WITH_MONEY("history_total", "cost_nano")}},
    {{WITH_MONEY("history_10s", "saved_nano"), WITH_MONEY("history_1m", "saved_nano"),
      WITH_MONEY("history_1h", "saved_nano"), WITH_MONEY("history_total", "saved_nano")}},
    /* 6: what remembered results are worth (history/worth.c). space: of those who store in the same place;
     * key and result as in Redis, times in ms and s; score orders them. */
    {{"CREATE TABLE result_worth (space TEXT NOT NULL, result_key TEXT NOT NULL, feature TEXT NOT NULL, "
      "result TEXT NOT NULL, hits BIGINT NOT NULL, saved_ms BIGINT NOT NULL, used_at BIGINT NOT NULL, "
      "expires_at BIGINT NOT NULL, score BIGINT NOT NULL, PRIMARY KEY (space, result_key))",
      "CREATE INDEX result_worth_score ON result_worth (space, score)"}},
    /* 7: which feature follows which (history/follows.c), in millionths as of `at`; to '': how often it was
     * seen at all. */
    {{"CREATE TABLE feature_follows (from_feature TEXT NOT NULL, to_feature TEXT NOT NULL, "
      "params TEXT NOT NULL, times BIGINT NOT NULL, at BIGINT NOT NULL, "
      "PRIMARY KEY (from_feature, to_feature, params))"}},
    /* 8: jobs, and requests that may have cost money (journal/). run: of the process that wrote the row or
     * took it over; open: not all of it is done. job_owner: when each gateway was heard last. */
    {{"CREATE TABLE job (id TEXT NOT NULL PRIMARY KEY, kind BIGINT NOT NULL, state BIGINT NOT NULL, "
      "owner TEXT NOT NULL, run BIGINT NOT NULL, tenant TEXT NOT NULL, feature TEXT NOT NULL, "
      "parent TEXT NOT NULL, request TEXT NOT NULL, callback_url TEXT NOT NULL, "
      "idempotency_key TEXT NOT NULL, fingerprint BYTEA NOT NULL, priority BIGINT NOT NULL, "
      "created_ms BIGINT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL, "
      "provider TEXT NOT NULL, intent_ms BIGINT NOT NULL, prediction TEXT NOT NULL, "
      "input_url TEXT NOT NULL, cost_nano BIGINT NOT NULL, result TEXT NOT NULL, error TEXT NOT NULL, "
      "callback_due_ms BIGINT NOT NULL, callback_log TEXT NOT NULL, open BIGINT NOT NULL)",
      "CREATE UNIQUE INDEX job_key ON job (tenant, idempotency_key) WHERE idempotency_key <> ''",
      "CREATE INDEX job_open ON job (owner, created_ms, id) WHERE open = 1",
      "CREATE INDEX job_over ON job (ended_ms) WHERE open = 0",
      "CREATE INDEX job_child ON job (parent, created_ms, id) WHERE parent <> ''",
      "CREATE TABLE job_owner (owner TEXT NOT NULL PRIMARY KEY, beat_ms BIGINT NOT NULL)"}},
};

unsigned db_newest_schema(void)
{
    return ARRAY_LEN(migrations);
}

static bool read_number(void *ctx, const struct db_value *columns, unsigned count)
{
    *(int64_t *)ctx = columns[0].num;
    return true;
}

static int read_schema(struct db *db, int64_t *ret, struct error *e)
{
    int64_t r =
        db_run(db, "SELECT COALESCE(MAX(version), 0) FROM schema_version", NULL, 0, read_number, ret, e);
    if (r < 0)
        return (int)r;
    if (*ret <= (int64_t)db_newest_schema())
        return 0;
    return error_set(e, ERR_INTERNAL,
                     "The database has tables of version %" PRId64 ", made by a newer limner; this one knows "
                     "up to %u. Run the newer program, or give this one another database",
                     *ret, db_newest_schema());
}

static int do_step(struct db *db, int64_t number, struct error *e)
{
    const struct migration *m = &migrations[number - 1];
    for (unsigned i = 0; i < STATEMENTS_MAX && m->sql[i]; i++) {
        int64_t r = db_write(db, e, m->sql[i], NULL, 0);
        if (r < 0)
            return (int)r;
    }
    int64_t r = db_write(db, e, "INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)",
                         DB_ARGS(DB_I(number), DB_I(clock_wall_s())));
    return (int)MIN(r, 0);
}

/* The next step, if one is missing. *ret: where it stands. */
static int step_up(struct db *db, int64_t *ret, struct error *e)
{
    int r = db_begin(db, DB_LOCK_SCHEMA, e);
    if (r < 0)
        return r;
    r = (int)MIN(db_write(db, e,
                          "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, "
                          "applied_at BIGINT NOT NULL)",
                          NULL, 0),
                 0);
    int64_t at = 0;
    if (r == 0)
        r = read_schema(db, &at, e);
    if (r == 0 && at < (int64_t)db->newest_schema)
        r = do_step(db, ++at, e);
    if (r < 0) {
        db_rollback(db);
        return r;
    }
    *ret = at;
    return db_commit(db, e);
}

/* An old database that is only read must not be written for that: look first. */
static bool up_to_date(struct db *db, int *ret, struct error *e)
{
    int64_t at = 0;
    struct error missing;
    if (db_run(db, "SELECT version FROM schema_version LIMIT 1", NULL, 0, read_number, &at, &missing) < 0)
        return false;
    *ret = read_schema(db, &at, e);
    return *ret < 0 || at >= (int64_t)db->newest_schema;
}

int db_migrate(struct db *db, struct error *e)
{
    int r = 0;
    if (up_to_date(db, &r, e))
        return r;
    int64_t at = 0;
    while (at < (int64_t)db->newest_schema) {
        r = step_up(db, &at, e);
        if (r < 0)
            return r;
    }
    return 0;
}
