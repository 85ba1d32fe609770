/* engine.h: what an engine of src/db has to do. Private to this folder.
 *
 * connect leaves nothing open when it fails. usable tells whether the connection still leads to the database
 * (a file may have been deleted); one that is not is disconnected and connected anew. An engine whose
 * connection breaks inside run sets db->connected to false. begin_sql and the lock make a transaction that
 * writes. disconnect accepts one that is not connected. */
#pragma once

#include "db/db.h"

struct db_engine {
    const char *name;
    int (*start)(struct db *db, struct error *e); /* check the settings, make db->state */
    void (*end)(struct db *db);                   /* accepts a state that is NULL */
    int (*connect)(struct db *db, struct error *e);
    void (*disconnect)(struct db *db);
    bool (*usable)(struct db *db);
    int64_t (*run)(struct db *db, const char *sql, const struct db_value *args, unsigned count,
                   db_row_fn *row, void *ctx, struct error *e);
    bool (*in_transaction)(struct db *db); /* some errors end it */
    const char *begin_sql;
    const char *lock_sql; /* takes the lock's number until the transaction ends; NULL: begin_sql has it */
};

struct db {
    const struct db_engine *engine;
    void *state;
    char *url, *path;
    unsigned timeout_ms, newest_schema;
    bool as_it_is;
    enum db_durable durable;
    bool connected; /* and its tables are up to date */
};

extern const struct db_engine db_sqlite, db_postgres;

enum { DB_ARGS_MAX = 32, DB_COLUMNS_MAX = 32 };

int db_migrate(struct db *db, struct error *e) MUST_CHECK; /* migrations.c */
