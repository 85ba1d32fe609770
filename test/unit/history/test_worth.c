/* The order of worth, and the rows in SQLite and PostgreSQL. */
#include "history/worth.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "history_rig.h"
#include "postgres.h"
#include "scratch.h"

#define DAY INT64_C(86400)
#define NOW UINT64_C(1790000000000)

static bool on_postgres;

static int set_up(void **state)
{
    *state = history_rig_new(on_postgres ? postgres_database() : NULL);
    struct history_rig *rig = *state;
    assert_int_equal(db_connect(rig->db, &rig->e), 0);
    return 0;
}

static int tear_down(void **state)
{
    history_rig_free(*state);
    return 0;
}

static struct cache_use use_of(uint8_t key, uint64_t hits, uint64_t run_ms, uint64_t left_ms)
{
    struct cache_use use = {.result = result_new(), .hits = hits};
    struct result *r = use.result;
    use.key[0] = key;
    r->output_count = 1;
    r->output[0].key = mem_printf("clarity/%u.png", key);
    r->output[0].content_type = mem_strdup("image/png");
    r->model = mem_strdup("m");
    r->ran_on = mem_strdup("local");
    r->feature = FEATURE_CLARITY + 1;
    r->run_ns = run_ms * 1000000;
    r->made_ms = NOW - 1000;
    r->keep_ms = left_ms + 1000;
    return use;
}

static void put(struct history_rig *rig, struct cache_use use, uint64_t now_ms, uint64_t keep_max)
{
    if (worth_write(rig->db, "here", &use, 1, keep_max, now_ms, &rig->e) < 0)
        fail_msg("%s", rig->e.reason);
    result_unref(use.result);
}

/* The first bytes of the keys that are found, best first. */
static void finds(struct history_rig *rig, const char *space, uint64_t now_ms, unsigned most,
                  const char *expected, uint64_t expired)
{
    struct worth_found found[8];
    char keys[9] = "";
    unsigned count = 0;
    uint64_t dropped = 0;
    assert_int_equal(worth_best(rig->db, space, now_ms, found, most, &count, &dropped, &rig->e), 0);
    for (unsigned i = 0; i < count; i++) {
        keys[i] = (char)found[i].key[0];
        FREE_ON_EXIT char *object = mem_printf("clarity/%d.png", keys[i]);
        assert_string_equal(found[i].result->output[0].key, object);
        assert_string_equal(result_feature(found[i].result), "improveClarity");
        result_unref(found[i].result);
    }
    assert_string_equal(keys, expected);
    assert_int_equal(dropped, expired);
}

static void test_order(void **state)
{
    int64_t base = worth_score(9, 10000, 20 * DAY);
    assert_true(worth_score(10, 10000, 20 * DAY) > base);
    assert_true(worth_score(9, 11000, 20 * DAY) > base);
    assert_true(worth_score(9, 10000, 20 * DAY + 600) > base);
    assert_int_equal(worth_score(19, 10000, 19 * DAY), base); /* twice as often wanted, a day older */
    assert_true(worth_score(9, 20001, 19 * DAY) - base <= 1); /* twice as much saved */
    assert_true(worth_score(100, 60000, 0) < worth_score(0, 1000, 30 * DAY));
    assert_true(worth_score(UINT64_MAX, UINT64_MAX / 1000000, INT32_MAX) > 0);
}

static void test_best_first(void **state)
{
    struct history_rig *rig = *state;
    put(rig, use_of('a', 0, 1000, 60000), NOW, 10);
    put(rig, use_of('b', 7, 1000, 60000), NOW, 10);
    put(rig, use_of('c', 1, 9000, 60000), NOW, 10);
    finds(rig, "here", NOW, 8, "cba", 0);
    finds(rig, "here", NOW, 2, "cb", 0);
    finds(rig, "elsewhere", NOW, 8, "", 0);
}

static void test_hits_add_up(void **state)
{
    struct history_rig *rig = *state;
    put(rig, use_of('a', 3, 1000, 60000), NOW, 10);
    for (unsigned i = 0; i < 4; i++)
        put(rig, use_of('b', 1, 1000, 60000), NOW, 10);
    finds(rig, "here", NOW, 8, "ba", 0);
    assert_int_equal(history_rig_number(rig, "SELECT hits FROM result_worth ORDER BY score DESC LIMIT 1"), 4);
}

static void test_what_is_over(void **state)
{
    struct history_rig *rig = *state;
    put(rig, use_of('a', 9, 1000, 5000), NOW, 10);
    put(rig, use_of('b', 0, 1000, 9000), NOW, 10);
    put(rig, use_of('c', 0, 1000, 10), NOW + 20, 10); /* when it is written */
    finds(rig, "here", NOW + 6000, 8, "b", 1);
    put(rig, use_of('d', 0, 1000, 60000), NOW + 9000, 10);
    assert_int_equal(history_rig_number(rig, "SELECT COUNT(*) FROM result_worth"), 1);
}

static void test_least_go(void **state)
{
    struct history_rig *rig = *state;
    for (char key = 'a'; key <= 'e'; key++)
        put(rig, use_of((uint8_t)key, (uint64_t)(key == 'b' ? 50 : key - 'a'), 1000, 60000), NOW, 3);
    finds(rig, "here", NOW, 8, "bed", 0);
}

static void test_forgetting(void **state)
{
    struct history_rig *rig = *state;
    const uint8_t gone[2][DIGEST_BYTES] = {{'a'}, {'c'}};
    for (char key = 'a'; key <= 'd'; key++)
        put(rig, use_of((uint8_t)key, (uint64_t)key, 1000, 60000), NOW, 10);
    assert_int_equal(worth_forget(rig->db, "elsewhere", gone, 2, &rig->e), 0);
    assert_int_equal(worth_forget(rig->db, "here", gone, 2, &rig->e), 0);
    finds(rig, "here", NOW, 8, "db", 0);
    assert_int_equal(worth_forget_all(rig->db, "here", &rig->e), 0);
    finds(rig, "here", NOW, 8, "", 0);
}

static void test_what_cannot_be_read(void **state)
{
    struct history_rig *rig = *state;
    put(rig, use_of('a', 0, 1000, 60000), NOW, 10);
    put(rig, use_of('b', 0, 1000, 60000), NOW, 10);
    struct cache_use gone = use_of('c', 9, 1000, 60000);
    atomic_store(&gone.result->gone, true);
    put(rig, gone, NOW, 10);
    assert_int_equal(db_write(rig->db, &rig->e,
                              "UPDATE result_worth SET result = '{' WHERE hits = 0 AND result_key LIKE '61%'",
                              NULL, 0),
                     1);
    finds(rig, "here", NOW, 8, "b", 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest both[] = {
        TEST(test_best_first), TEST(test_hits_add_up), TEST(test_what_is_over),
        TEST(test_least_go),   TEST(test_forgetting),  TEST(test_what_cannot_be_read),
    };
    const struct CMUnitTest pure[] = {cmocka_unit_test(test_order)};
    int failed = cmocka_run_group_tests(pure, NULL, NULL);
    failed += cmocka_run_group_tests_name("worth: sqlite", both, NULL, NULL);
    on_postgres = postgres_start();
    if (!on_postgres) {
        assert_null(getenv("CI"));
        return failed;
    }
    failed += cmocka_run_group_tests_name("worth: postgres", both, NULL, NULL);
    postgres_stop();
    return failed;
}
