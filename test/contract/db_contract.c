#include "contract/db_contract.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "db/db.h"
#include "postgres.h"
#include "scratch.h"

enum { TIMEOUT_MS = 1000 };

struct engine {
    const char *name;
    bool (*begin)(void); /* false: it cannot be had here */
    void (*end)(void);
    char *(*place)(const char *folder); /* the address of a new database; NULL: a file in the folder */
};

static char *postgres_place(const char *folder)
{
    (void)folder;
    return postgres_database();
}

static const struct engine engines[] = {
    {"sqlite", NULL, NULL, NULL},
    {"postgres", postgres_start, postgres_stop, postgres_place},
};
static const struct engine *engine;

struct rig {
    char *folder, *path, *url;
    struct db *db;
    struct error e;
};

static struct db *open_schema(struct rig *rig, unsigned schema)
{
    struct db *db;
    const struct db_config config = {.url = rig->url ? rig->url : "",
                                     .path = rig->path,
                                     .timeout_ms = TIMEOUT_MS,
                                     .newest_schema = schema};
    assert_int_equal(db_new(&config, &db, &rig->e), 0);
    return db;
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    rig->folder = scratch_new();
    rig->path = mem_printf("%s/limner.db", rig->folder);
    rig->url = engine->place ? engine->place(rig->folder) : NULL;
    rig->db = open_schema(rig, 0);
    assert_string_equal(db_name(rig->db), engine->name);
    if (db_connect(rig->db, &rig->e) < 0)
        fail_msg("%s", rig->e.reason);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    db_free(rig->db);
    scratch_free(rig->folder);
    free(rig->path);
    free(rig->url);
    free(rig);
    return 0;
}

static int64_t write_sql(struct rig *rig, struct db *db, const char *sql)
{
    int64_t r = db_write(db, &rig->e, sql, NULL, 0);
    if (r < 0)
        print_message("%s\n", rig->e.reason);
    return r;
}

static bool keep_number(void *ctx, const struct db_value *columns, unsigned count)
{
    assert_int_equal(count, 1);
    assert_int_equal(columns[0].type, DB_INT);
    *(int64_t *)ctx = columns[0].num;
    return true;
}

static int64_t number(struct rig *rig, struct db *db, const char *sql)
{
    int64_t n = -1;
    if (db_run(db, sql, NULL, 0, keep_number, &n, &rig->e) < 0)
        fail_msg("%s: %s", sql, rig->e.reason);
    return n;
}

static void make_table(struct rig *rig)
{
    assert_int_equal(write_sql(rig, rig->db, "CREATE TABLE t (k BIGINT PRIMARY KEY, name TEXT, bytes BYTEA)"),
                     0);
}

/* ---- values ---- */

struct seen {
    unsigned rows;
    int64_t num;
    char text[64];
    uint8_t bytes[600];
    size_t text_size, byte_size;
    enum db_type type[3];
};

static bool keep_row(void *ctx, const struct db_value *c, unsigned count)
{
    struct seen *seen = ctx;
    assert_int_equal(count, 3);
    seen->rows++;
    seen->num = c[0].num;
    seen->text_size = c[1].size;
    seen->byte_size = c[2].size;
    for (unsigned i = 0; i < 3; i++)
        seen->type[i] = c[i].type;
    if (c[1].type == DB_TEXT)
        assert_int_equal(((const char *)c[1].data)[c[1].size], 0);
    memcpy(seen->text, c[1].size ? c[1].data : "", c[1].size);
    memcpy(seen->bytes, c[2].size ? c[2].data : "", c[2].size);
    return true;
}

static void test_values_come_back(void **state)
{
    struct rig *rig = *state;
    make_table(rig);
    uint8_t bytes[512];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    static const int64_t numbers[] = {0, 1, -1, 255, -256, INT64_MAX, INT64_MIN, 1ll << 40};
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_int_equal(db_write(rig->db, &rig->e, "INSERT INTO t (k, name, bytes) VALUES ($1, $2, $3)",
                                  DB_ARGS(DB_I(numbers[i]), DB_T("it's $1 — ü"), DB_B(bytes, sizeof(bytes)))),
                         1);
        struct seen seen = {0};
        assert_int_equal(db_run(rig->db, "SELECT k, name, bytes FROM t WHERE k = $1",
                                DB_ARGS(DB_I(numbers[i])), keep_row, &seen, &rig->e),
                         0);
        assert_int_equal(seen.rows, 1);
        assert_int_equal(seen.num, numbers[i]);
        assert_string_equal(seen.text, "it's $1 — ü");
        assert_int_equal(seen.byte_size, sizeof(bytes));
        assert_memory_equal(seen.bytes, bytes, sizeof(bytes));
    }
}

static void test_nothing_and_empty(void **state)
{
    struct rig *rig = *state;
    struct seen seen = {0};
    make_table(rig);
    assert_int_equal(db_write(rig->db, &rig->e, "INSERT INTO t (k, name, bytes) VALUES ($1, $2, $3)",
                              DB_ARGS(DB_I(1), (struct db_value){0}, (struct db_value){0})),
                     1);
    assert_int_equal(db_run(rig->db, "SELECT k, name, bytes FROM t", NULL, 0, keep_row, &seen, &rig->e), 0);
    assert_int_equal(seen.type[1], DB_NULL);
    assert_int_equal(seen.type[2], DB_NULL);
    assert_int_equal(
        db_write(rig->db, &rig->e, "UPDATE t SET name = $1, bytes = $2", DB_ARGS(DB_T(""), DB_B(NULL, 0))),
        1);
    assert_int_equal(db_run(rig->db, "SELECT k, name, bytes FROM t", NULL, 0, keep_row, &seen, &rig->e), 0);
    assert_int_equal(seen.type[1], DB_TEXT);
    assert_int_equal(seen.type[2], DB_BLOB);
    assert_int_equal(seen.text_size + seen.byte_size, 0);
}

/* An argument may come more than once and in any order. */
static void test_arguments_by_number(void **state)
{
    struct rig *rig = *state;
    int64_t n = 0;
    assert_int_equal(db_run(rig->db,
                            "SELECT CAST($2 AS BIGINT) * 100 + CAST($1 AS BIGINT) * 10 + CAST($2 AS BIGINT)",
                            DB_ARGS(DB_I(3), DB_I(7)), keep_number, &n, &rig->e),
                     0);
    assert_int_equal(n, 737);
}

static bool stop_at_two(void *ctx, const struct db_value *columns, unsigned count)
{
    return ++*(unsigned *)ctx < 2;
}

static void test_rows_until_enough(void **state)
{
    struct rig *rig = *state;
    unsigned rows = 0;
    make_table(rig);
    assert_int_equal(write_sql(rig, rig->db, "INSERT INTO t (k) VALUES (1), (2), (3)"), 3);
    assert_int_equal(db_run(rig->db, "SELECT k FROM t", NULL, 0, stop_at_two, &rows, &rig->e), 0);
    assert_int_equal(rows, 2);
    assert_int_equal(number(rig, rig->db, "SELECT COUNT(*) FROM t"), 3); /* and it can be asked again */
}

/* ---- writing ---- */

static void test_changed_rows_and_conflicts(void **state)
{
    struct rig *rig = *state;
    make_table(rig);
    assert_int_equal(write_sql(rig, rig->db, "INSERT INTO t (k) VALUES (1), (2), (3)"), 3);
    assert_int_equal(write_sql(rig, rig->db, "INSERT INTO t (k) VALUES (3), (4) ON CONFLICT (k) DO NOTHING"),
                     1);
    assert_int_equal(
        write_sql(rig, rig->db,
                  "INSERT INTO t (k) VALUES (4) ON CONFLICT (k) DO UPDATE SET k = excluded.k + 10"),
        1);
    assert_int_equal(write_sql(rig, rig->db, "UPDATE t SET name = 'x' WHERE k < 3"), 2);
    assert_int_equal(
        write_sql(rig, rig->db, "DELETE FROM t WHERE (k) IN (SELECT k FROM t ORDER BY k LIMIT 3)"), 3);
    assert_int_equal(number(rig, rig->db, "SELECT CAST(SUM(k) AS BIGINT) FROM t"), 14);
}

static void test_transactions(void **state)
{
    struct rig *rig = *state;
    make_table(rig);
    for (unsigned lock = DB_LOCK_NONE; lock <= DB_LOCK_HISTORY; lock++) {
        assert_int_equal(db_begin(rig->db, (enum db_lock)lock, &rig->e), 0);
        assert_int_equal(write_sql(rig, rig->db, "INSERT INTO t (k) VALUES (1)"), 1);
        db_rollback(rig->db);
        assert_int_equal(number(rig, rig->db, "SELECT COUNT(*) FROM t"), lock);
        assert_int_equal(db_begin(rig->db, (enum db_lock)lock, &rig->e), 0);
        assert_int_equal(
            db_write(rig->db, &rig->e, "INSERT INTO t (k) VALUES ($1)", DB_ARGS(DB_I(10 + lock))), 1);
        assert_int_equal(db_commit(rig->db, &rig->e), 0);
        assert_int_equal(number(rig, rig->db, "SELECT COUNT(*) FROM t"), lock + 1);
    }
}

/* Our own mistake is no passing trouble; the connection and the transaction around it can be used again. */
static void test_a_wrong_statement(void **state)
{
    struct rig *rig = *state;
    make_table(rig);
    assert_int_equal(db_write(rig->db, &rig->e, "INSERT INTO nowhere (k) VALUES (1)", NULL, 0),
                     -ERR_INTERNAL);
    assert_non_null(strstr(rig->e.reason, "nowhere"));
    assert_int_equal(db_begin(rig->db, DB_LOCK_HISTORY, &rig->e), 0);
    assert_int_equal(write_sql(rig, rig->db, "INSERT INTO t (k) VALUES (1)"), 1);
    assert_int_equal(db_write(rig->db, &rig->e, "INSERT INTO t (k) VALUES (1)", NULL, 0), -ERR_INTERNAL);
    db_rollback(rig->db);
    assert_int_equal(db_connect(rig->db, &rig->e), 0);
    assert_int_equal(number(rig, rig->db, "SELECT COUNT(*) FROM t"), 0);
}

/* Who finds the lock taken waits as long as was said, and may then try again. */
static void test_writers_take_turns(void **state)
{
    struct rig *rig = *state;
    struct db *other = open_schema(rig, 0);
    make_table(rig);
    assert_int_equal(db_connect(other, &rig->e), 0);
    assert_int_equal(db_begin(other, DB_LOCK_HISTORY, &rig->e), 0);
    assert_int_equal(write_sql(rig, other, "INSERT INTO t (k) VALUES (1)"), 1);
    assert_int_equal(db_begin(rig->db, DB_LOCK_HISTORY, &rig->e), -ERR_DATABASE);
    assert_int_equal(number(rig, rig->db, "SELECT COUNT(*) FROM t"), 0); /* reading does not wait */
    assert_int_equal(db_commit(other, &rig->e), 0);
    assert_int_equal(db_connect(rig->db, &rig->e), 0);
    assert_int_equal(db_begin(rig->db, DB_LOCK_HISTORY, &rig->e), 0);
    assert_int_equal(write_sql(rig, rig->db, "INSERT INTO t (k) VALUES (2)"), 1);
    assert_int_equal(db_commit(rig->db, &rig->e), 0);
    assert_int_equal(number(rig, other, "SELECT COUNT(*) FROM t"), 2);
    db_free(other);
}

/* ---- the tables ---- */

static void test_schema_is_made_once(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(number(rig, rig->db, "SELECT MAX(version) FROM schema_version"), db_newest_schema());
    assert_int_equal(number(rig, rig->db, "SELECT COUNT(*) FROM schema_version"), db_newest_schema());
    struct db *other = open_schema(rig, 0);
    assert_int_equal(db_connect(other, &rig->e), 0);
    assert_int_equal(number(rig, other, "SELECT COUNT(*) FROM schema_version"), db_newest_schema());
    db_free(other);
}

static void test_a_newer_schema_is_refused(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(
        write_sql(rig, rig->db, "INSERT INTO schema_version (version, applied_at) VALUES (99, 0)"), 1);
    struct db *other = open_schema(rig, 0);
    assert_int_equal(db_connect(other, &rig->e), -ERR_INTERNAL);
    assert_non_null(strstr(rig->e.reason, "version 99"));
    assert_non_null(strstr(rig->e.reason, "newer"));
    db_free(other);
}

int db_contract_run(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_values_come_back),           TEST(test_nothing_and_empty),
        TEST(test_arguments_by_number),        TEST(test_rows_until_enough),
        TEST(test_changed_rows_and_conflicts), TEST(test_transactions),
        TEST(test_a_wrong_statement),          TEST(test_writers_take_turns),
        TEST(test_schema_is_made_once),        TEST(test_a_newer_schema_is_refused),
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        char name[64];
        engine = &engines[i];
        if (engine->begin && !engine->begin()) {
            assert_null(getenv("CI"));
            print_message("db contract: %s cannot be had here\n", engine->name);
            continue;
        }
        snprintf(name, sizeof(name), "db contract: %s", engine->name);
        failed += _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
        if (engine->end)
            engine->end();
    }
    return failed;
}
