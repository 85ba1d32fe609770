#include "fixture.h"

#include "local/models.h"
#include "local/tiles.h"

static void test_rows_are_sane(void **state)
{
    for (unsigned i = 0; i < MODEL_COUNT; i++) {
        const struct model *m = &models[i];
        assert_int_equal(strlen(m->sha256), 64);
        assert_int_equal(strspn(m->sha256, "0123456789abcdef"), 64);
        assert_true(strlen(m->license) > 0 && strlen(m->use) > 0);
        assert_null(strpbrk(m->name, "\t\n /"));
        assert_int_equal(strncmp(m->file, m->name, strlen(m->name)), 0);
        if (m->kind != MODEL_UPSCALE) {
            assert_true(m->side >= 128 && !m->upscale.rank && !m->upscale.factor);
            continue;
        }
        assert_int_equal(m->side, 0);
        assert_true(m->upscale.factor == 4 && m->upscale.cost >= 1);
        assert_int_equal(m->upscale.tile % TILE_STEP, 0);
        assert_true(m->upscale.overlap >= TILE_BLEND && m->upscale.tile >= 4 * m->upscale.overlap);
    }
    assert_int_equal(models[MODEL_BEST].upscale.rank, 1);
    assert_int_equal(models[MODEL_FAST].upscale.rank, 2);
    assert_int_equal(models[MODEL_FAST].upscale.cost, 1);
}

/* The files that make models gives are the very ones. */
static void test_files_are_the_right_ones(void **state)
{
    for (unsigned i = 0; i < MODEL_COUNT; i++) {
        FREE_ON_EXIT char *name = mem_printf("deps/models/%s", models[i].file);
        FREE_ON_EXIT char *path = source_path(name);
        struct error e = {0};
        if (model_verify(i, path, &e) < 0)
            fail_msg("%s", e.reason);
    }
}

static void test_wrong_files_are_named(void **state)
{
    char *dir = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/%s", dir, models[0].file);
    struct error e;
    assert_int_equal(model_verify(0, path, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, path));
    assert_non_null(strstr(e.reason, "make models"));
    write_file(path, "x", 1);
    assert_int_equal(model_verify(0, path, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, path));
    assert_non_null(strstr(e.reason, "make models"));
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_sane),
        cmocka_unit_test(test_files_are_the_right_ones),
        cmocka_unit_test(test_wrong_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
