#include "db/repair.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/db.h"

enum {
    COLUMNS_MAX = 64,
    NAMES_MAX = 2048,  /* bytes, of all of them */
    RANGES_MAX = 4096, /* that wait to be read */
    FAILS_MAX = 2000   /* in a row, until the rest of a span is given up */
};

struct copying {
    struct db_repair *r;
    sqlite3 *old, *new;
    char *path; /* of the new file, until it is whole */
    bool read;  /* the old one has tables that can be seen */
    int64_t schema;
};

/* ---- one table ---- */

struct range {
    int64_t low, high; /* rowids, both not in it */
};

struct table {
    sqlite3_stmt *up, *down, *put;
    int columns;
    int64_t saved;
    bool lost;
    struct range waiting[RANGES_MAX];
    unsigned first, count;
    unsigned fails;
};

static bool put_row(struct table *t, sqlite3_stmt *from)
{
    for (int i = 0; i < t->columns; i++)
        sqlite3_bind_value(t->put, i + 1, sqlite3_column_value(from, i + 1));
    int code = sqlite3_step(t->put);
    t->saved += code == SQLITE_DONE && sqlite3_changes(sqlite3_db_handle(t->put)) > 0;
    sqlite3_reset(t->put);
    return code == SQLITE_DONE;
}

/* Reads and copies until the end of the range: true. false: until a row that cannot be read, beyond *at. */
static bool read_until_bad(struct table *t, sqlite3_stmt *from, const struct range *r, int64_t *at)
{
    int code;
    sqlite3_bind_int64(from, 1, r->low);
    sqlite3_bind_int64(from, 2, r->high);
    while ((code = sqlite3_step(from)) == SQLITE_ROW) {
        *at = sqlite3_column_int64(from, 0);
        t->lost |= !put_row(t, from);
        t->fails = 0;
    }
    sqlite3_reset(from);
    return code == SQLITE_DONE;
}

static void wait_range(struct table *t, int64_t low, int64_t high)
{
    if (high - low < 2)
        return;
    if (t->count == RANGES_MAX || t->fails > FAILS_MAX) {
        t->lost = true;
        return;
    }
    t->waiting[(t->first + t->count++) % RANGES_MAX] = (struct range){low, high};
}

static void read_range(struct table *t, const struct range *r)
{
    int64_t low = r->low, high = r->high;
    if (read_until_bad(t, t->up, r, &low))
        return;
    t->fails++;
    const struct range rest = {low, r->high};
    if (read_until_bad(t, t->down, &rest, &high))
        return;
    t->lost |= high - low == 2; /* the one between them */
    int64_t middle = low + (high - low) / 2;
    if (high - low > 2) {
        wait_range(t, low, middle + 1);
        wait_range(t, middle, high);
    }
}

/* Each span twice as long as the one before: where there are rows at all is not known. */
static void read_table(struct table *t)
{
    for (int bits = 0; bits < 62; bits++) {
        t->fails = 0;
        wait_range(t, bits ? (INT64_C(1) << (bits - 1)) - 1 : INT64_MIN / 2, INT64_C(1) << bits);
        while (t->count > 0) {
            struct range r = t->waiting[t->first];
            t->first = (t->first + 1) % RANGES_MAX;
            t->count--;
            read_range(t, &r);
        }
    }
}

/* ", a, b, …" of the new file's table; how many. */
static int list_columns(struct copying *c, const char *name, char *names, char *marks)
{
    sqlite3_stmt *s;
    int count = 0;
    names[0] = marks[0] = '\0';
    if (sqlite3_prepare_v2(c->new, "SELECT name FROM pragma_table_info(?1)", -1, &s, NULL) != SQLITE_OK)
        return 0;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    while (sqlite3_step(s) == SQLITE_ROW && count < COLUMNS_MAX) {
        const char *sep = count++ ? ", " : "";
        snprintf(names + strlen(names), NAMES_MAX - strlen(names), "%s%s", sep,
                 (const char *)sqlite3_column_text(s, 0));
        snprintf(marks + strlen(marks), NAMES_MAX - strlen(marks), "%s?", sep);
    }
    sqlite3_finalize(s);
    return count;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        sqlite3_finalize(TAKE(s));
    return s;
}

static void make_statements(struct copying *c, struct table *t, const char *name)
{
    char names[NAMES_MAX], marks[NAMES_MAX];
    static const char *const words[] = {"IGNORE", "REPLACE"};
    bool version = strcmp(name, "schema_version") == 0; /* the new file has some, with another date */
    t->columns = list_columns(c, name, names, marks);
    FREE_ON_EXIT char *up = mem_printf(
        "SELECT rowid, %s FROM %s NOT INDEXED WHERE rowid > ?1 AND rowid < ?2 ORDER BY rowid", names, name);
    FREE_ON_EXIT char *down = mem_printf("%s DESC", up);
    FREE_ON_EXIT char *put =
        mem_printf("INSERT OR %s INTO %s (%s) VALUES (%s)", words[version], name, names, marks);
    t->up = prepare(c->old, up);
    t->down = prepare(c->old, down);
    t->put = prepare(c->new, put);
}

/* By whatever index can be read; -1: it cannot be told. */
static int64_t count_rows(sqlite3 *db, const char *name)
{
    FREE_ON_EXIT char *sql = mem_printf("SELECT COUNT(*) FROM %s", name);
    sqlite3_stmt *s = prepare(db, sql);
    int64_t n = s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    sqlite3_finalize(s);
    return n;
}

static void copy_table(struct copying *c, const char *name)
{
    struct table *t = NEW(struct table);
    make_statements(c, t, name);
    bool readable = t->up && t->down && t->put;
    if (readable)
        read_table(t);
    int64_t total = readable ? count_rows(c->old, name) : -1;
    bool lost = !readable || t->lost;
    c->r->lost |= lost;
    if (c->r->table)
        c->r->table(c->r->ctx, name, t->saved, lost ? MAX(total, -1) : t->saved);
    sqlite3_finalize(t->up);
    sqlite3_finalize(t->down);
    sqlite3_finalize(t->put);
    free(t);
}

static int copy_tables(struct copying *c, struct error *e)
{
    sqlite3_stmt *s = prepare(c->new, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
    sqlite3_exec(c->new, "BEGIN", NULL, NULL, NULL);
    while (s && sqlite3_step(s) == SQLITE_ROW)
        copy_table(c, (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    if (sqlite3_exec(c->new, "COMMIT", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(c->new, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return error_set(e, ERR_INTERNAL, "%.120s: %.80s", c->path, sqlite3_errmsg(c->new));
}

/* ---- the files ---- */

static bool in_use(int code)
{
    return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
}

static int keep_text(void *ctx, int count, char **value, char **names)
{
    (void)count;
    (void)names;
    snprintf(ctx, 32, "%s", value[0] ? value[0] : "");
    return 0;
}

/* Alone, so that it cannot change under our hands; it stays as it is, its log beside it. */
static int open_old(struct copying *c, struct error *e)
{
    char finding[32] = "", version[32] = "";
    const char *path = c->r->path;
    struct stat there;
    if (stat(path, &there) < 0)
        return error_set(e, ERR_NOT_FOUND, "%.120s: %s", path, strerror(errno));
    int code = sqlite3_open_v2(path, &c->old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        sqlite3_db_config(c->old, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_exec(c->old, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
        code = sqlite3_exec(c->old, "SELECT COUNT(*) FROM sqlite_master", NULL, NULL, NULL);
    }
    if (in_use(code))
        return error_set(e, ERR_DATABASE, "%.120s is in use: stop limner first", path);
    c->read = code == SQLITE_OK;
    if (c->read && sqlite3_exec(c->old, "PRAGMA integrity_check(1)", keep_text, finding, NULL) == SQLITE_OK)
        c->r->whole = strcmp(finding, "ok") == 0;
    if (c->read)
        sqlite3_exec(c->old, "SELECT MAX(version) FROM schema_version", keep_text, version, NULL);
    c->schema = strtoll(version, NULL, 10);
    if (c->schema > (int64_t)db_newest_schema())
        return error_set(e, ERR_INTERNAL,
                         "%.120s has tables of version %" PRId64
                         ", made by a newer limner: repair it with that",
                         path, c->schema);
    return 0;
}

static void remove_new(const struct copying *c)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        FREE_ON_EXIT char *path = mem_printf("%s%s", c->path, parts[i]);
        unlink(path);
    }
}

/* With the tables of the old one's version, or, if that cannot be read, of the newest. */
static int make_new(struct copying *c, struct error *e)
{
    struct db *db;
    const struct db_config config = {.url = "",
                                     .path = c->path,
                                     .timeout_ms = 5000,
                                     .newest_schema = (unsigned)MAX(c->schema, 0),
                                     .durable = DB_DURABLE_DISK};
    remove_new(c);
    int r = db_new(&config, &db, e);
    if (r < 0)
        return r;
    r = db_connect(db, e);
    db_free(db);
    if (r == 0 && sqlite3_open_v2(c->path, &c->new, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        r = error_set(e, ERR_INTERNAL, "%.120s: %.80s", c->path, sqlite3_errmsg(c->new));
    return r;
}

/* The log of the old one goes with it. */
static int put_in_place(struct copying *c, struct error *e)
{
    static const char *const parts[] = {"-wal", "-shm", ""};
    char date[32];
    struct tm tm;
    time_t now = (time_t)clock_wall_s();
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &tm);
    char *aside = mem_printf("%s.damaged-%s", c->r->path, date);
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        FREE_ON_EXIT char *from = mem_printf("%s%s", c->r->path, parts[i]);
        FREE_ON_EXIT char *to = mem_printf("%s%s", aside, parts[i]);
        if (rename(from, to) < 0 && (errno != ENOENT || !*parts[i])) {
            free(aside);
            return error_set(e, ERR_INTERNAL, "%.120s cannot be moved: %s", from, strerror(errno));
        }
    }
    c->r->aside = aside;
    if (rename(c->path, c->r->path) == 0)
        return 0;
    return error_set(e, ERR_INTERNAL, "%.120s cannot be moved: %s", c->path, strerror(errno));
}

int db_repair(struct db_repair *r, struct error *e)
{
    struct copying c = {.r = r, .path = mem_printf("%s.mending", r->path)};
    r->whole = r->lost = false;
    r->aside = NULL;
    int result = open_old(&c, e);
    if (result == 0 && !r->whole) {
        result = make_new(&c, e);
        if (result == 0)
            result = copy_tables(&c, e);
        sqlite3_close(TAKE(c.new));
        if (result == 0)
            result = put_in_place(&c, e);
        if (result < 0)
            remove_new(&c);
    }
    sqlite3_close(c.old);
    free(c.path);
    return result;
}
