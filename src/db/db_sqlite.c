/* SQLite: one file with a write-ahead log, so that readers and the writer do not wait for each other.
 *
 * Failure modes: a file that another process has locked is waited for, timeout_ms long; one that was deleted
 * or replaced is noticed before the next piece of work, and a new one is begun; a damaged one is said at
 * start, as far as a second of looking finds it. Invariant: statements are kept prepared by their text, which
 * is why it must not change; none is kept in the middle of a result. */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/engine.h"

enum { PREPARED_MAX = 64, LOOK_STEPS = 10000, LOOK_MS = 1000, LOCK_SLEEP_MS = 5 };

struct prepared {
    char *sql;
    sqlite3_stmt *statement;
};

struct sqlite {
    sqlite3 *handle; /* NULL: not connected */
    dev_t device;    /* of the file that is open */
    ino_t file;
    struct prepared prepared[PREPARED_MAX]; /* the first `kept` */
    unsigned kept;
    uint64_t look_until_ns; /* while it is examined */
    uint64_t lock_until_ns; /* while another has the lock */
};

static int start(struct db *db, struct error *e)
{
    (void)e;
    db->state = NEW(struct sqlite);
    return 0;
}

static void forget_statements(struct sqlite *s)
{
    for (unsigned i = 0; i < s->kept; i++) {
        sqlite3_finalize(s->prepared[i].statement);
        free(s->prepared[i].sql);
    }
    s->kept = 0;
}

static void disconnect(struct db *db)
{
    struct sqlite *s = db->state;
    if (!s || !s->handle)
        return;
    forget_statements(s);
    sqlite3_close(s->handle);
    s->handle = NULL;
}

static void end(struct db *db)
{
    free(TAKE(db->state));
}

static bool usable(struct db *db)
{
    struct sqlite *s = db->state;
    struct stat now;
    return stat(db->path, &now) == 0 && now.st_dev == s->device && now.st_ino == s->file;
}

static bool in_transaction(struct db *db)
{
    const struct sqlite *s = db->state;
    return s->handle && sqlite3_get_autocommit(s->handle) == 0;
}

/* What is wrong, and what can be done about it. */
static int fault(struct db *db, int code, struct error *e)
{
    struct sqlite *s = db->state;
    const char *why = s->handle ? sqlite3_errmsg(s->handle) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set_field(e, ERR_INTERNAL, "DATA_DIR",
                               "%.100s is damaged (%.60s): stop limner and run `limner repair`, or move it "
                               "away, and all it knew begins anew",
                               db->path, why);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(e, ERR_DATABASE, "%.120s is locked by another program", db->path);
    case SQLITE_FULL:
        return error_set(e, ERR_DATABASE, "There is no room left for %.120s", db->path);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_INTERRUPT:
        return error_set(e, ERR_DATABASE, "%.120s: %.80s", db->path, why);
    default:
        return error_set(e, ERR_INTERNAL, "%.120s: %.80s", db->path, why);
    }
}

static int bind(sqlite3_stmt *statement, const struct db_value *args, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct db_value *v = &args[i];
        char name[16];
        snprintf(name, sizeof(name), "$%u", i + 1);
        int at = sqlite3_bind_parameter_index(statement, name), r = SQLITE_OK;
        CHECK(at > 0);
        if (v->type == DB_INT)
            r = sqlite3_bind_int64(statement, at, v->num);
        else if (v->type == DB_TEXT)
            r = sqlite3_bind_text(statement, at, v->data, (int)v->size, SQLITE_STATIC);
        else if (v->type == DB_BLOB)
            r = sqlite3_bind_blob(statement, at, v->size ? v->data : "", (int)v->size, SQLITE_STATIC);
        else
            r = sqlite3_bind_null(statement, at);
        if (r != SQLITE_OK)
            return r;
    }
    return SQLITE_OK;
}

static int prepare(struct db *db, const char *sql, sqlite3_stmt **ret, struct error *e)
{
    struct sqlite *s = db->state;
    for (unsigned i = 0; i < s->kept; i++) {
        if (strcmp(s->prepared[i].sql, sql) == 0) {
            *ret = s->prepared[i].statement;
            return 0;
        }
    }
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v3(s->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK)
        return fault(db, code, e);
    if (s->kept == PREPARED_MAX)
        forget_statements(s);
    s->prepared[s->kept++] = (struct prepared){mem_strdup(sql), statement};
    *ret = statement;
    return 0;
}

static struct db_value column(sqlite3_stmt *statement, int i)
{
    switch (sqlite3_column_type(statement, i)) {
    case SQLITE_INTEGER:
        return DB_I(sqlite3_column_int64(statement, i));
    case SQLITE_TEXT: {
        const unsigned char *text = sqlite3_column_text(statement, i);
        return (struct db_value){DB_TEXT, 0, text, (size_t)sqlite3_column_bytes(statement, i)};
    }
    case SQLITE_BLOB: {
        const void *bytes = sqlite3_column_blob(statement, i);
        return DB_B(bytes, (size_t)sqlite3_column_bytes(statement, i));
    }
    default:
        return (struct db_value){0};
    }
}

/* SQLITE_DONE, or what went wrong. */
static int step(sqlite3_stmt *statement, db_row_fn *row, void *ctx)
{
    struct db_value columns[DB_COLUMNS_MAX];
    int code, count = sqlite3_column_count(statement);
    CHECK(count <= DB_COLUMNS_MAX);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < count; i++)
            columns[i] = column(statement, i);
        if (row && !row(ctx, columns, (unsigned)count))
            return SQLITE_DONE;
    }
    return code;
}

static int64_t run(struct db *db, const char *sql, const struct db_value *args, unsigned count,
                   db_row_fn *row, void *ctx, struct error *e)
{
    struct sqlite *s = db->state;
    if (!s->handle)
        return error_set(e, ERR_DATABASE, "%.120s is not open", db->path);
    sqlite3_stmt *statement = NULL;
    int r = prepare(db, sql, &statement, e);
    if (r < 0)
        return r;
    sqlite3_int64 before = sqlite3_total_changes64(s->handle);
    int code = bind(statement, args, count);
    if (code == SQLITE_OK)
        code = step(statement, row, ctx);
    int64_t result = code == SQLITE_DONE ? sqlite3_total_changes64(s->handle) - before : fault(db, code, e);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

/* ---- connecting ---- */

static int enough_looked(void *ctx)
{
    const struct sqlite *s = ctx;
    return clock_mono_ns() > s->look_until_ns;
}

static bool note_finding(void *ctx, const struct db_value *columns, unsigned count)
{
    snprintf(ctx, 64, "%.*s", (int)columns[0].size, (const char *)columns[0].data);
    return false;
}

/* What has been looked at by another connection of ours, at the start, and not been touched since. */
static struct {
    pthread_mutex_t mutex;
    struct stat file;
} looked = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool is_looked_at(const struct stat *now)
{
    const struct stat *then = &looked.file;
    pthread_mutex_lock(&looked.mutex);
    bool same = now->st_dev == then->st_dev && now->st_ino == then->st_ino && now->st_size == then->st_size &&
                now->st_mtim.tv_sec == then->st_mtim.tv_sec && now->st_mtim.tv_nsec == then->st_mtim.tv_nsec;
    pthread_mutex_unlock(&looked.mutex);
    return same;
}

static void note_looked_at(const struct stat *file)
{
    pthread_mutex_lock(&looked.mutex);
    looked.file = *file;
    pthread_mutex_unlock(&looked.mutex);
}

/* Damage shows up sooner or later; better now, while an operator is there. A large file is not read whole. */
static int examine(struct db *db, const struct stat *file, struct error *e)
{
    struct sqlite *s = db->state;
    if (is_looked_at(file))
        return 0;
    char finding[64] = "ok";
    struct error ignored;
    s->look_until_ns = clock_mono_ns() + LOOK_MS * NS_PER_MS;
    sqlite3_progress_handler(s->handle, LOOK_STEPS, enough_looked, s);
    int64_t r = run(db, "PRAGMA quick_check(1)", NULL, 0, note_finding, finding, &ignored);
    sqlite3_progress_handler(s->handle, 0, NULL, NULL);
    if (r < 0 && ignored.code != ERR_DATABASE)
        *e = ignored;
    if (r == 0 && strcmp(finding, "ok") != 0)
        return error_set_field(e, ERR_INTERNAL, "DATA_DIR",
                               "%.120s is damaged: stop limner and run `limner repair`, or move it away, and "
                               "all it knew begins anew",
                               db->path);
    if (r < 0 && ignored.code != ERR_DATABASE)
        return (int)r;
    note_looked_at(file);
    return 0;
}

/* SQLite's own handler sleeps for up to 100 ms at a time; our two writers hold the lock for a few. */
static int wait_for_lock(void *ctx, int tries)
{
    const struct db *db = ctx;
    struct sqlite *s = db->state;
    uint64_t now = clock_mono_ns();
    if (tries == 0)
        s->lock_until_ns = now + db->timeout_ms * NS_PER_MS;
    if (now >= s->lock_until_ns)
        return 0;
    sqlite3_sleep(MIN(tries + 1, LOCK_SLEEP_MS));
    return 1;
}

static int set_up(struct db *db, struct error *e)
{
    const char *const settings[] = {
        "PRAGMA journal_mode=WAL",
        db->durable == DB_DURABLE_DISK ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
        "PRAGMA journal_size_limit=16777216",
        "PRAGMA temp_store=MEMORY",
    };
    struct sqlite *s = db->state;
    sqlite3_extended_result_codes(s->handle, 1);
    sqlite3_busy_handler(s->handle, wait_for_lock, db);
    for (unsigned i = 0; i < ARRAY_LEN(settings); i++) {
        int64_t r = run(db, settings[i], NULL, 0, NULL, NULL, e);
        if (r < 0)
            return (int)r;
    }
    struct stat file;
    if (stat(db->path, &file) < 0)
        return error_set(e, ERR_DATABASE, "%.120s: %s", db->path, strerror(errno));
    s->device = file.st_dev;
    s->file = file.st_ino;
    return examine(db, &file, e);
}

static int connect(struct db *db, struct error *e)
{
    struct sqlite *s = db->state;
    int code = sqlite3_open_v2(db->path, &s->handle,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = code == SQLITE_OK ? set_up(db, e) : fault(db, code, e);
    if (r < 0)
        disconnect(db);
    return r;
}

const struct db_engine db_sqlite = {
    .name = "sqlite",
    .start = start,
    .end = end,
    .connect = connect,
    .disconnect = disconnect,
    .usable = usable,
    .run = run,
    .in_transaction = in_transaction,
    .begin_sql = "BEGIN IMMEDIATE",
};
