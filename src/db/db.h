/* db.h: one SQL database behind a small vtable: SQLite in DATA_DIR, or PostgreSQL. History is kept there.
 *
 * Order: db_new (reads the settings, touches nothing), db_connect before each piece of work (does nothing
 * while connected), db_run outside or inside of db_begin … db_commit; db_free. Everything blocks, for the
 * time-out at most each: call it on the db lane, which is one thread, so there is one writer. At the start,
 * before that lane has work, the main thread may connect.
 *
 * SQL is the part that both engines read alike: $1 … for arguments, BIGINT, TEXT and BYTEA for types, ON
 * CONFLICT, and CAST(SUM(x) AS BIGINT), as PostgreSQL's sums are wider. The tables are made by migrations.c.
 *
 * Errors: -ERR_DATABASE: it cannot be had now (gone, locked, full, restarting); whatever was not committed is
 * not there, and after a commit that failed so nobody knows: what must not happen twice needs a mark of its
 * own inside the transaction. -ERR_INTERNAL: it will not get better by itself (damaged, of another schema,
 * wrong settings). e says what, for the operator, and what is to be done. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"

struct db;

/* What a commit survives that has said it is done.
 * USUAL: SQLite: as PROCESS; PostgreSQL: as its server is set up.
 * PROCESS: the death of this process, kill -9 too. SQLite: a loss of power may take the latest commits away,
 * and harms nothing else. PostgreSQL does not wait for its own log (synchronous_commit=off): when the server
 * itself crashes, commits of the last half second or so are gone.
 * DISK: also a loss of power: SQLite and PostgreSQL wait until the disk has it. */
enum db_durable { DB_DURABLE_USUAL, DB_DURABLE_PROCESS, DB_DURABLE_DISK };

struct db_config {
    const char *url;        /* postgres://…; "": SQLite */
    const char *path;       /* of SQLite's file */
    unsigned timeout_ms;    /* of a connect, a statement, a wait for a lock */
    unsigned newest_schema; /* for tests: stop at this one; 0: all there are */
    bool as_it_is;          /* tables are neither made nor changed, whatever their version */
    enum db_durable durable;
};

enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BLOB };

struct db_value {
    enum db_type type;
    int64_t num;
    const void *data; /* of TEXT and BLOB; a text of a row ends in NUL */
    size_t size;
};

#define DB_I(n)       ((struct db_value){.type = DB_INT, .num = (int64_t)(n)})
#define DB_T(s)       ((struct db_value){.type = DB_TEXT, .data = (s), .size = strlen(s)})
#define DB_B(p, size) ((struct db_value){DB_BLOB, 0, (p), (size)})
#define DB_ARGS(...)                                                                                         \
    (const struct db_value[]){__VA_ARGS__},                                                                  \
        (unsigned)(sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value))

/* A row of a result; what it points to is valid during the call. false ends the query, which then succeeds.
 */
typedef bool db_row_fn(void *ctx, const struct db_value *columns, unsigned count);

/* Names of what only one may do at a time, among all that use the database. SQLite's writers take turns
 * anyway. */
enum db_lock { DB_LOCK_NONE, DB_LOCK_SCHEMA, DB_LOCK_HISTORY };

int db_new(const struct db_config *config, struct db **ret, struct error *e) MUST_CHECK;
void db_free(struct db *db); /* accepts NULL */

/* Connects if it is not connected, and brings the tables up to date (unless as_it_is). */
int db_connect(struct db *db, struct error *e) MUST_CHECK;

/* One statement. row may be NULL. Returns how many rows a write has changed, 0 for a query, or an error. */
int64_t db_run(struct db *db, const char *sql, const struct db_value *args, unsigned count, db_row_fn *row,
               void *ctx, struct error *e) MUST_CHECK;
/* Up to its arguments the same; they follow as DB_ARGS(…). */
int64_t db_write(struct db *db, struct error *e, const char *sql, const struct db_value *args,
                 unsigned count) MUST_CHECK;

/* A transaction that writes. If anything inside fails, db_rollback. */
int db_begin(struct db *db, enum db_lock lock, struct error *e) MUST_CHECK;
int db_commit(struct db *db, struct error *e) MUST_CHECK; /* one that failed has rolled back */
void db_rollback(struct db *db);

const char *db_name(const struct db *db); /* "sqlite" or "postgres" */
unsigned db_newest_schema(void);          /* what this program knows */
