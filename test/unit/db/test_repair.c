#include "db/repair.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "db/db.h"
#include "scratch.h"

enum { ROWS = 5000 };

struct rig {
    char *folder, *path;
    struct db_repair r;
    struct error e;
    int64_t saved, total; /* of history_source */
    unsigned tables;
};

static void on_table(void *ctx, const char *name, int64_t saved, int64_t total)
{
    struct rig *rig = ctx;
    rig->tables++;
    if (strcmp(name, "history_source") != 0)
        return;
    rig->saved = saved;
    rig->total = total;
}

static struct db *open_db(struct rig *rig)
{
    struct db *db;
    const struct db_config config = {.url = "", .path = rig->path, .timeout_ms = 1000};
    assert_int_equal(db_new(&config, &db, &rig->e), 0);
    return db;
}

static void run(struct rig *rig, struct db *db, const char *sql)
{
    if (db_write(db, &rig->e, sql, NULL, 0) < 0)
        fail_msg("%s: %s", sql, rig->e.reason);
}

/* Rows of about 100 bytes each: 40 on a page. */
static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    rig->folder = scratch_new();
    rig->path = mem_printf("%s/limner.db", rig->folder);
    rig->r = (struct db_repair){.path = rig->path, .table = on_table, .ctx = rig};
    struct db *db = open_db(rig);
    assert_int_equal(db_connect(db, &rig->e), 0);
    run(rig, db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO "
        "history_source SELECT printf('%0100d', i), i, 7 FROM n");
    run(rig, db, "INSERT INTO budget_spent VALUES ('all', 1, 2, 3)");
    db_free(db);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    free(rig->r.aside);
    scratch_free(rig->folder);
    free(rig->path);
    free(rig);
    return 0;
}

static bool keep_number(void *ctx, const struct db_value *c, unsigned count)
{
    *(int64_t *)ctx = c[0].num;
    return true;
}

/* The new one is whole, can be used, and has this. */
static int64_t number(struct rig *rig, const char *sql)
{
    struct db *db = open_db(rig);
    int64_t n = -1;
    if (db_connect(db, &rig->e) < 0 || db_run(db, sql, NULL, 0, keep_number, &n, &rig->e) < 0)
        fail_msg("%s", rig->e.reason);
    db_free(db);
    return n;
}

/* Overwrites each page that holds one of these rows: those of the table, and of its index. */
static void damage(struct rig *rig, const char *const *row, unsigned count)
{
    CLOSE_ON_EXIT int fd = open(rig->path, O_RDWR | O_CLOEXEC);
    char page[4096];
    unsigned done = 0;
    for (off_t at = 4096; pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page); at += 4096) {
        bool hit = false;
        for (unsigned i = 0; i < count; i++)
            hit |= memmem(page, sizeof(page), row[i], strlen(row[i])) != NULL;
        memset(page, 0xa5, sizeof(page));
        if (hit)
            done += pwrite(fd, page, sizeof(page), at) == (ssize_t)sizeof(page);
    }
    assert_true(done >= count);
}

static void test_damaged_in_the_middle(void **state)
{
    struct rig *rig = *state;
    const char *const rows[] = {"0000000001000", "0000000003000", "0000000003999"};
    struct stat there;
    damage(rig, rows, ARRAY_LEN(rows));
    struct db *db = open_db(rig);
    assert_int_equal(db_connect(db, &rig->e), -ERR_INTERNAL);
    assert_non_null(strstr(rig->e.reason, "limner repair"));
    db_free(db);
    assert_int_equal(db_repair(&rig->r, &rig->e), 0);
    assert_false(rig->r.whole);
    assert_true(rig->r.lost);
    assert_in_range(rig->saved, ROWS - 3 * 80, ROWS - 3);
    assert_int_equal(stat(rig->r.aside, &there), 0);
    assert_true(rig->tables > 8);
    assert_int_equal(number(rig, "SELECT COUNT(*) FROM history_source"), rig->saved);
    assert_int_equal(number(rig, "SELECT last FROM history_source WHERE last = 5000"), 5000);
    assert_int_equal(number(rig, "SELECT last FROM history_source WHERE last = 2000"), 2000);
    assert_int_equal(number(rig, "SELECT last FROM history_source WHERE last = 3500"), 3500);
    assert_int_equal(number(rig, "SELECT used_nano FROM budget_spent"), 2);
    assert_int_equal(number(rig, "SELECT MAX(version) FROM schema_version"), db_newest_schema());
}

static void test_the_last_page(void **state)
{
    struct rig *rig = *state;
    const char *const rows[] = {"0000000005000"};
    damage(rig, rows, 1);
    assert_int_equal(db_repair(&rig->r, &rig->e), 0);
    assert_true(rig->r.lost);
    assert_in_range(rig->saved, ROWS - 80, ROWS - 1);
    assert_int_equal(number(rig, "SELECT COUNT(*) FROM history_source"), rig->saved);
}

/* Only an index: all rows are there. */
static void test_an_index(void **state)
{
    struct rig *rig = *state;
    struct db *db = open_db(rig);
    int64_t page = -1;
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_run(db,
                            "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'history_source' AND type = "
                            "'index'",
                            NULL, 0, keep_number, &page, &rig->e),
                     0);
    db_free(db);
    CLOSE_ON_EXIT int fd = open(rig->path, O_RDWR | O_CLOEXEC);
    for (off_t at = 0; at < 4096; at += 8)
        assert_int_equal(pwrite(fd, "damaged!", 8, (page - 1) * 4096 + at), 8);
    assert_int_equal(db_repair(&rig->r, &rig->e), 0);
    assert_false(rig->r.lost);
    assert_int_equal(rig->saved, ROWS);
    assert_int_equal(number(rig, "SELECT COUNT(*) FROM history_source"), ROWS);
}

static void test_nothing_can_be_read(void **state)
{
    struct rig *rig = *state;
    CLOSE_ON_EXIT int fd = open(rig->path, O_WRONLY | O_CLOEXEC);
    for (off_t at = 0; at < 4096; at += 8)
        assert_int_equal(pwrite(fd, "damaged!", 8, at), 8);
    assert_int_equal(db_repair(&rig->r, &rig->e), 0);
    assert_true(rig->r.lost);
    assert_int_equal(rig->saved, 0);
    assert_int_equal(rig->total, -1);
    assert_int_equal(number(rig, "SELECT COUNT(*) FROM history_source"), 0);
}

static void test_whole(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(db_repair(&rig->r, &rig->e), 0);
    assert_true(rig->r.whole);
    assert_null(rig->r.aside);
    assert_int_equal(rig->tables, 0);
    assert_int_equal(number(rig, "SELECT COUNT(*) FROM history_source"), ROWS);
}

static void test_in_use_and_missing(void **state)
{
    struct rig *rig = *state;
    struct db *db = open_db(rig);
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_repair(&rig->r, &rig->e), -ERR_DATABASE);
    assert_non_null(strstr(rig->e.reason, "stop limner first"));
    db_free(db);
    assert_int_equal(unlink(rig->path), 0);
    assert_int_equal(db_repair(&rig->r, &rig->e), -ERR_NOT_FOUND);
}

/* What was written last is still in the log beside the file. */
static void test_what_is_in_the_log(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT char *log = mem_printf("%s-wal", rig->path);
    FREE_ON_EXIT char *kept = mem_printf("%s-kept", rig->path);
    const char *const rows[] = {"0000000001000"};
    struct db *db = open_db(rig);
    assert_int_equal(db_connect(db, &rig->e), 0);
    run(rig, db, "INSERT INTO budget_spent VALUES ('late', 1, 9, 3)");
    assert_int_equal(link(log, kept), 0); /* as after a kill -9 */
    db_free(db);
    damage(rig, rows, 1);
    assert_int_equal(rename(kept, log), 0);
    assert_int_equal(db_repair(&rig->r, &rig->e), 0);
    assert_int_equal(number(rig, "SELECT used_nano FROM budget_spent WHERE name = 'late'"), 9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_damaged_in_the_middle), TEST(test_the_last_page), TEST(test_an_index),
        TEST(test_nothing_can_be_read),   TEST(test_whole),         TEST(test_in_use_and_missing),
        TEST(test_what_is_in_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
