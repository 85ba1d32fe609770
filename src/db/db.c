#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/engine.h"

static bool is_postgres(const char *url)
{
    return strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0;
}

int db_new(const struct db_config *config, struct db **ret, struct error *e)
{
    if (*config->url && !is_postgres(config->url))
        return error_set_field(
            e, ERR_VALIDATION, "DATABASE_URL",
            "DATABASE_URL must begin with postgres://; unset, history is kept in DATA_DIR");
    struct db *db = NEW(struct db);
    db->engine = *config->url ? &db_postgres : &db_sqlite;
    db->url = mem_strdup(config->url);
    db->path = mem_strdup(config->path);
    db->timeout_ms = config->timeout_ms;
    db->as_it_is = config->as_it_is;
    db->durable = config->durable;
    db->newest_schema = config->newest_schema ? config->newest_schema : db_newest_schema();
    int r = db->engine->start(db, e);
    if (r < 0) {
        db_free(db);
        return r;
    }
    *ret = db;
    return 0;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db->engine->disconnect(db);
    db->engine->end(db);
    free(db->url);
    free(db->path);
    free(db);
}

int db_connect(struct db *db, struct error *e)
{
    if (db->connected && db->engine->usable(db))
        return 0;
    db->connected = false;
    db->engine->disconnect(db);
    int r = db->engine->connect(db, e);
    if (r == 0 && !db->as_it_is)
        r = db_migrate(db, e);
    if (r < 0)
        db->engine->disconnect(db);
    db->connected = r == 0;
    return r;
}

int64_t db_run(struct db *db, const char *sql, const struct db_value *args, unsigned count, db_row_fn *row,
               void *ctx, struct error *e)
{
    CHECK(count <= DB_ARGS_MAX);
    return db->engine->run(db, sql, args, count, row, ctx, e);
}

int64_t db_write(struct db *db, struct error *e, const char *sql, const struct db_value *args, unsigned count)
{
    return db_run(db, sql, args, count, NULL, NULL, e);
}

int db_begin(struct db *db, enum db_lock lock, struct error *e)
{
    int64_t r = db_write(db, e, db->engine->begin_sql, NULL, 0);
    if (r < 0 || lock == DB_LOCK_NONE || !db->engine->lock_sql)
        return (int)MIN(r, 0);
    r = db_write(db, e, db->engine->lock_sql, DB_ARGS(DB_I(lock)));
    if (r < 0)
        db_rollback(db);
    return (int)MIN(r, 0);
}

int db_commit(struct db *db, struct error *e)
{
    int64_t r = db_write(db, e, "COMMIT", NULL, 0);
    if (r < 0)
        db_rollback(db);
    return (int)MIN(r, 0);
}

/* A connection that cannot even do this is given up: the engine that gets a new one has no transaction. */
void db_rollback(struct db *db)
{
    struct error ignored;
    if (db->engine->in_transaction(db) && db_write(db, &ignored, "ROLLBACK", NULL, 0) < 0)
        db->connected = false;
}

const char *db_name(const struct db *db)
{
    return db->engine->name;
}
