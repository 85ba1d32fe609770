#include "cli/check_db.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/text.h"
#include "db/db.h"

struct look {
    const char *place; /* for people: no password */
    struct db *db;
    int64_t schema; /* 0: it has no tables yet */
    int64_t bytes;
};

static bool read_number(void *ctx, const struct db_value *columns, unsigned count)
{
    *(int64_t *)ctx = columns[0].num;
    return false;
}

static int ask_number(struct look *l, const char *sql, int64_t *ret, struct error *e)
{
    return (int)MIN(db_run(l->db, sql, NULL, 0, read_number, ret, e), 0);
}

static int read_size(struct look *l, struct error *e)
{
    bool postgres = strcmp(db_name(l->db), "postgres") == 0;
    return ask_number(l,
                      postgres ? "SELECT pg_database_size(current_database())"
                               : "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
                      &l->bytes, e);
}

/* In a transaction that is never ended well: whoever else uses the database sees nothing of it. */
static int try_to_write(struct look *l, struct error *e)
{
    static const char *const make = "CREATE TABLE limner_check (number BIGINT)";
    static const char *const add = "INSERT INTO schema_version (version, applied_at) VALUES (0, 0)";
    int r = db_begin(l->db, DB_LOCK_HISTORY, e);
    if (r < 0)
        return r;
    r = (int)MIN(db_write(l->db, e, l->schema ? add : make, NULL, 0), 0);
    db_rollback(l->db);
    return r;
}

static char *tables_of(const struct look *l)
{
    int64_t newest = db_newest_schema();
    if (l->schema == 0)
        return mem_strdup("tables are made at the first start");
    if (l->schema < newest)
        return mem_printf("tables of version %" PRId64 ", brought to %" PRId64 " at the next start",
                          l->schema, newest);
    return mem_printf("tables of version %" PRId64, l->schema);
}

static char *look_at(struct look *l, bool *ret_ok)
{
    struct error e, missing;
    *ret_ok = false;
    if (db_connect(l->db, &e) < 0 || read_size(l, &e) < 0)
        return mem_printf("%s cannot be used now (%s); a server starts all the same, and history waits in "
                          "DATA_DIR/history",
                          l->place, e.reason);
    if (ask_number(l, "SELECT COALESCE(MAX(version), 0) FROM schema_version", &l->schema, &missing) < 0)
        l->schema = 0;
    if (l->schema > (int64_t)db_newest_schema())
        return mem_printf("%s has tables of version %" PRId64
                          ", made by a newer limner; this one knows up to %u. Run the newer program, or give "
                          "this one another database: it does not start with this one",
                          l->place, l->schema, db_newest_schema());
    if (try_to_write(l, &e) < 0)
        return mem_printf("%s can be read, but not written (%s); limner's user needs the right to", l->place,
                          e.reason);
    *ret_ok = true;
    FREE_ON_EXIT char *tables = tables_of(l);
    char size[32];
    text_bytes((unsigned long long)l->bytes, size, sizeof(size));
    return mem_printf("%s can be written, %s, %s", l->place, size, tables);
}

/* The address without user, password and query. */
static char *place_of(const char *url)
{
    const char *host = strstr(url, "//"), *at = NULL;
    host = host ? host + 2 : url;
    size_t len = strcspn(host, "?");
    for (const char *p = host; p < host + len; p++)
        at = *p == '@' ? p : at;
    const char *from = at ? at + 1 : host;
    return mem_printf("PostgreSQL at %.*s", (int)(host + len - from), from);
}

bool check_db(const struct options *opt, char **ret)
{
    bool sqlite = !*opt->database_url, ok = true;
    FREE_ON_EXIT char *file = mem_printf("%s/limner.db", opt->data_dir);
    FREE_ON_EXIT char *place = sqlite ? mem_strdup(file) : place_of(opt->database_url);
    const struct db_config config = {
        .url = opt->database_url, .path = file, .timeout_ms = (unsigned)opt->db_timeout_ms, .as_it_is = true};
    struct look l = {.place = place};
    struct error e;
    if (!opt->history)
        *ret = mem_strdup("not used (HISTORY=off)");
    else if (sqlite && access(file, F_OK) < 0)
        *ret = mem_printf("%s is not there yet: it is made at the first start", file);
    else if (db_new(&config, &l.db, &e) < 0) {
        *ret = mem_strdup(e.reason);
        ok = false;
    } else
        *ret = look_at(&l, &ok);
    db_free(l.db);
    return ok;
}
