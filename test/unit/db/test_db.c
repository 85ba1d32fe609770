/* What is each engine's own; the rest is in contract/db_contract.c. */
#include "contract/db_contract.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/db.h"
#include "postgres.h"
#include "scratch.h"
#include "small_disk.h"

struct rig {
    char *folder, *path;
    struct error e;
};

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    rig->folder = scratch_new();
    rig->path = mem_printf("%s/limner.db", rig->folder);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    scratch_free(rig->folder);
    free(rig->path);
    free(rig);
    return 0;
}

static struct db *make(struct rig *rig, const char *url)
{
    struct db *db = NULL;
    const struct db_config config = {.url = url, .path = rig->path, .timeout_ms = 1000};
    assert_int_equal(db_new(&config, &db, &rig->e), 0);
    return db;
}

/* ---- SQLite ---- */

static void test_a_deleted_file_is_begun_anew(void **state)
{
    struct rig *rig = *state;
    struct db *db = make(rig, "");
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(unlink(rig->path), 0);
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(access(rig->path, F_OK), 0);
    assert_int_equal(db_write(db, &rig->e, "INSERT INTO history_source VALUES ('a', 1, 1)", NULL, 0), 1);
    db_free(db);
}

static void test_a_folder_that_is_away(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT char *inside = mem_printf("%s/data", rig->folder);
    free(rig->path);
    rig->path = mem_printf("%s/limner.db", inside);
    struct db *db = make(rig, "");
    assert_int_equal(db_connect(db, &rig->e), -ERR_DATABASE);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(db_connect(db, &rig->e), 0);
    db_free(db);
}

static void overwrite(const struct rig *rig, off_t from, size_t size)
{
    CLOSE_ON_EXIT int fd = open(rig->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(pwrite(fd, "damaged!", 8, from + (off_t)(8 * i)), 8);
}

static void refused_as_damaged(struct rig *rig)
{
    struct db *db = make(rig, "");
    assert_int_equal(db_connect(db, &rig->e), -ERR_INTERNAL);
    assert_non_null(strstr(rig->e.reason, rig->path));
    assert_non_null(strstr(rig->e.reason, "damaged"));
    assert_non_null(strstr(rig->e.reason, "move it away"));
    db_free(db);
}

static void test_a_file_that_is_no_database(void **state)
{
    struct rig *rig = *state;
    overwrite(rig, 0, 2000);
    refused_as_damaged(rig);
}

/* Its head is whole: what lies behind is examined too. */
static void test_a_file_that_is_damaged_inside(void **state)
{
    struct rig *rig = *state;
    struct db *db = make(rig, "");
    assert_int_equal(db_connect(db, &rig->e), 0);
    db_free(db);
    overwrite(rig, 4096, 3 * 512);
    refused_as_damaged(rig);
}

static void test_a_full_disk(void **state)
{
    struct rig *rig = *state;
    char *big = mem_zalloc(1 << 20);
    if (!small_disk_mount(rig->folder, 1 << 20)) {
        free(big);
        skip();
    }
    struct db *db = make(rig, "");
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_begin(db, DB_LOCK_HISTORY, &rig->e), 0);
    int64_t r =
        db_write(db, &rig->e, "INSERT INTO history_10s VALUES (1, 'f', 'p', 'o', 1, 1, 1, $1, $1, $1, 0, 0)",
                 DB_ARGS(DB_B(big, 1 << 20)));
    if (r >= 0) /* it may come out only when the pages are written */
        r = db_commit(db, &rig->e);
    else
        db_rollback(db);
    assert_int_equal(r, -ERR_DATABASE);
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_write(db, &rig->e, "INSERT INTO history_source VALUES ('a', 1, 1)", NULL, 0), 1);
    db_free(db);
    small_disk_unmount(rig->folder);
    free(big);
}

/* ---- PostgreSQL ---- */

static void test_addresses(void **state)
{
    struct rig *rig = *state;
    static const char *const wrong[] = {"mysql://h/d", "h", "postgres://h/d?nonsense=1"};
    struct db *db = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        const struct db_config config = {.url = wrong[i], .path = rig->path, .timeout_ms = 1000};
        assert_int_equal(db_new(&config, &db, &rig->e), -ERR_VALIDATION);
        assert_string_equal(rig->e.field, "DATABASE_URL");
        assert_non_null(strstr(rig->e.reason, "DATABASE_URL"));
    }
}

static void test_nobody_listens(void **state)
{
    struct rig *rig = *state;
    struct db *db = make(rig, "postgres://limner@127.0.0.1:1/d");
    assert_int_equal(db_connect(db, &rig->e), -ERR_DATABASE);
    assert_non_null(strstr(rig->e.reason, "refused"));
    db_free(db);
}

static void need_postgres(void)
{
    if (postgres_start())
        return;
    assert_null(getenv("CI"));
    skip();
}

static void test_killed_and_started_again(void **state)
{
    struct rig *rig = *state;
    need_postgres();
    FREE_ON_EXIT char *url = postgres_database();
    struct db *db = make(rig, url);
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_begin(db, DB_LOCK_HISTORY, &rig->e), 0);
    assert_int_equal(db_write(db, &rig->e, "INSERT INTO history_source VALUES ('a', 1, 1)", NULL, 0), 1);
    postgres_kill();
    assert_int_equal(db_commit(db, &rig->e), -ERR_DATABASE);
    db_rollback(db);
    assert_int_equal(db_connect(db, &rig->e), -ERR_DATABASE);
    postgres_again();
    usleep(1100000); /* it rests after a connection that failed */
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_write(db, &rig->e, "INSERT INTO history_source VALUES ('a', 1, 1)", NULL, 0), 1);
    db_free(db);
    postgres_stop();
}

static uint64_t ms_since(uint64_t start)
{
    return (clock_mono_ns() - start) / NS_PER_MS;
}

/* It takes connections and statements, and answers none: nobody waits for long. */
static void test_frozen(void **state)
{
    struct rig *rig = *state;
    need_postgres();
    FREE_ON_EXIT char *url = postgres_database();
    struct db *db = make(rig, url);
    assert_int_equal(db_connect(db, &rig->e), 0);
    postgres_freeze(true);
    uint64_t start = clock_mono_ns();
    assert_int_equal(db_begin(db, DB_LOCK_HISTORY, &rig->e), -ERR_DATABASE);
    assert_non_null(strstr(rig->e.reason, "does not answer"));
    assert_in_range(ms_since(start), 900, 10000);
    start = clock_mono_ns();
    assert_int_equal(db_connect(db, &rig->e), -ERR_DATABASE);
    assert_in_range(ms_since(start), 900, 10000);
    start = clock_mono_ns();
    assert_int_equal(db_connect(db, &rig->e), -ERR_DATABASE); /* it rests: at once */
    assert_in_range(ms_since(start), 0, 500);
    postgres_freeze(false);
    usleep(1100000);
    assert_int_equal(db_connect(db, &rig->e), 0);
    db_free(db);
    postgres_stop();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest alone[] = {TEST(test_a_full_disk)}; /* while there is one thread */
    const struct CMUnitTest tests[] = {
        TEST(test_a_deleted_file_is_begun_anew),
        TEST(test_a_folder_that_is_away),
        TEST(test_a_file_that_is_no_database),
        TEST(test_a_file_that_is_damaged_inside),
        TEST(test_addresses),
        TEST(test_nobody_listens),
        TEST(test_killed_and_started_again),
        TEST(test_frozen),
    };
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    return failed + db_contract_run() + cmocka_run_group_tests(tests, NULL, NULL);
}
