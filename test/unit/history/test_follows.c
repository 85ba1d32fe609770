/* What follows what: learning, fading, and the rows in SQLite. */
#include "history/follows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "history_rig.h"
#include "scratch.h"

#define NOW  INT64_C(1790000000)
#define WEEK INT64_C(604800)

#define A (&features[FEATURE_CLARITY])
#define B (&features[FEATURE_ENHANCE])
#define C (&features[FEATURE_UPSCALE])

static void see(struct follows *f, unsigned picture, const struct feature *feature, const char *params,
                int64_t at)
{
    uint8_t name[DIGEST_BYTES] = {0};
    memcpy(name, &picture, sizeof(picture));
    follows_seen(f, name, feature, params, at);
}

static void likeliest(struct follows *f, const struct feature *from, double min_times, int64_t at,
                      enum feature_id to, const char *params, int percent)
{
    double likely;
    const struct follow_row *row = follows_next(f, from, min_times, at, &likely);
    assert_non_null(row);
    assert_int_equal(row->to, to);
    assert_string_equal(row->params, params);
    assert_int_equal(lround(likely), percent);
}

static void none(struct follows *f, const struct feature *from, double min_times)
{
    double likely;
    assert_null(follows_next(f, from, min_times, NOW, &likely));
}

static void test_learning(void **state)
{
    struct follows *f = follows_new(100, 900);
    for (unsigned i = 0; i < 10; i++) {
        see(f, i, A, "scale=2", NOW);
        if (i < 6)
            see(f, i, B, i < 4 ? "scale=4" : "scale=2", NOW + 5);
        else if (i < 8)
            see(f, i, C, "", NOW + 5);
    }
    likeliest(f, A, 4, NOW + 5, B->id, "scale=4", 40);
    none(f, A, 5); /* not often enough */
    none(f, C, 1);
    follows_free(f);
}

static void test_what_is_no_step(void **state)
{
    struct follows *f = follows_new(100, 900);
    for (unsigned i = 0; i < 4; i++) {
        see(f, i, A, "scale=2", NOW);
        see(f, i, A, "scale=2", NOW + 1);      /* the same again */
        see(f, 50 + i, B, "scale=2", NOW + 2); /* another picture */
        see(f, 90 + i, A, "scale=2", NOW);
        see(f, 90 + i, B, "scale=2", NOW + 901); /* too late */
        see(f, 70 + i, A, "scale=2", NOW);
        see(f, 70 + i, C, NULL, NOW + 1); /* with words of the caller's own */
    }
    none(f, A, 1);
    follows_free(f);
}

static void test_pictures_are_bounded(void **state)
{
    struct follows *f = follows_new(2, 900);
    see(f, 1, A, "", NOW);
    see(f, 2, A, "", NOW);
    see(f, 3, A, "", NOW); /* in the place of 1 */
    see(f, 2, B, "", NOW);
    see(f, 1, B, "", NOW);
    likeliest(f, A, 1, NOW, B->id, "", 33);
    follows_free(f);
}

static void test_fading(void **state)
{
    struct follows *f = follows_new(100, 900);
    assert_int_equal(lround(1000 * follows_faded(8, NOW, NOW + 3 * WEEK)), 1000);
    assert_int_equal(lround(follows_faded(8, NOW, NOW - WEEK)), 8);
    for (unsigned i = 0; i < 8; i++) {
        see(f, i, A, "", NOW);
        see(f, i, B, "", NOW);
    }
    likeliest(f, A, 1, NOW, B->id, "", 100);
    for (unsigned i = 20; i < 25; i++) {
        see(f, i, A, "", NOW + WEEK);
        see(f, i, C, "", NOW + WEEK);
    }
    likeliest(f, A, 1, NOW + WEEK, C->id, "", 56); /* 5 against 8 of a week ago */
    follows_free(f);
}

static void test_the_rarest_makes_way(void **state)
{
    struct follows *f = follows_new(1000, 900);
    unsigned picture = 0;
    for (unsigned kind = 0; kind < FOLLOWS_EACH_MAX + 4; kind++) {
        char params[16];
        snprintf(params, sizeof(params), "scale=%u", kind);
        for (unsigned n = 0; n < (kind == 3 ? 5 : 1); n++, picture++) {
            see(f, picture, A, "", NOW);
            see(f, picture, B, params, NOW);
        }
    }
    likeliest(f, A, 5, NOW, B->id, "scale=3", 21);
    follows_free(f);
}

static void test_in_the_database(void **state)
{
    struct history_rig *rig = history_rig_new(NULL);
    static struct follow_row row[FOLLOWS_ROWS_MAX];
    struct follows *f = follows_new(100, 900), *next = follows_new(100, 900);
    unsigned count = 0;
    assert_int_equal(db_connect(rig->db, &rig->e), 0);
    for (unsigned i = 0; i < 6; i++) {
        see(f, i, A, "", NOW);
        see(f, i, B, "scale=4", NOW);
        count = follows_take(f, row);
        assert_int_equal(count, 3);
        assert_int_equal(follows_write(rig->db, row, count, &rig->e), 0);
    }
    assert_int_equal(follows_take(f, row), 0);
    assert_int_equal(follows_read(rig->db, row, &count, &rig->e), 0);
    follows_add(next, row, count);
    assert_int_equal(follows_take(next, row), 0); /* it is there already */
    likeliest(next, A, 6, NOW, B->id, "scale=4", 100);
    follows_free(f);
    follows_free(next);
    history_rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learning),
        cmocka_unit_test(test_what_is_no_step),
        cmocka_unit_test(test_pictures_are_bounded),
        cmocka_unit_test(test_fading),
        cmocka_unit_test(test_the_rarest_makes_way),
        cmocka_unit_test(test_in_the_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
