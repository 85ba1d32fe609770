/* Another model for a feature. The rows stay as this leaves them, so it is a program of its own. */
#include <string.h>

#include "scratch.h"
#include "tables/features.h"

static void test_another_model(void **state)
{
#define VERSION "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    const struct feature *f = &features[FEATURE_COMIC_TEXT];
    const char *before = f->model;
    static const char *const bad[] = {"name",
                                      "/name",
                                      "owner/",
                                      "owner/:v",
                                      "owner/name:",
                                      "a/b/c",
                                      "owner/na me",
                                      "owner/name:v:w",
                                      "owner/name?",
                                      "owner name/x",
                                      "own:er/name",
                                      "owner/name:" VERSION "?",
                                      "owner/name:" VERSION "0",
                                      "owner/" VERSION,
                                      VERSION "/name"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error e = {0};
        if (feature_set_model(FEATURE_COMIC_TEXT, bad[i], "GEMINI_MODEL_ID", &e) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(e.code, ERR_VALIDATION);
        assert_string_equal(e.field, "GEMINI_MODEL_ID");
        assert_non_null(strstr(e.reason, "owner/name"));
        assert_ptr_equal(f->model, before);
    }
    struct error e = {.code = ERR_GONE};
    assert_int_equal(feature_set_model(FEATURE_COMIC_TEXT, "", "GEMINI_MODEL_ID", &e), 0);
    assert_ptr_equal(f->model, before); /* the row's own */
    assert_int_equal(feature_set_model(FEATURE_COMIC_TEXT, "someone/writes-2.5", "GEMINI_MODEL_ID", &e), 0);
    assert_string_equal(f->model, "someone/writes-2.5");
    assert_string_equal(f->version, "");
    assert_int_equal(feature_set_model(FEATURE_COMIC_TEXT, "some/other:" VERSION, "GEMINI_MODEL_ID", &e), 0);
    assert_string_equal(f->model, "some/other");
    assert_string_equal(f->version, VERSION);
    assert_int_equal(e.code, ERR_GONE); /* untouched */
    assert_string_equal(features[FEATURE_COMIC_PANEL].model, "cjwbw/animagine-xl-3.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_another_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
