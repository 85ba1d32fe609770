#include "limiter/key_weights.h"

#include <string.h>

#include "base/macros.h"
#include "scratch.h"

static void test_weights(void **state)
{
    struct error e = {0};
    struct key_weights *w;
    assert_int_equal(key_weights_new(" mobile=3,web=1000,, key-2=1", &w, &e), 0);
    assert_int_equal(key_weight(w, "mobile"), 3);
    assert_int_equal(key_weight(w, "web"), 1000);
    assert_int_equal(key_weight(w, "other"), 1);
    assert_int_equal(key_weight(w, NULL), 1);
    assert_int_equal(key_weight(NULL, "mobile"), 1);
    assert_string_equal(key_weights_name(w, 2), "key-2");
    assert_null(key_weights_name(w, 3));
    key_weights_free(w);
    assert_int_equal(key_weights_new("", &w, &e), 0);
    assert_null(key_weights_name(w, 0));
    key_weights_free(w);
    key_weights_free(NULL);
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {"mobile",      "mobile=",    "=3",          "mobile=0",
                                      "mobile=-1",   "mobile=1.5", "mobile=1001", "mobile=1e3",
                                      "a=1,b=2,a=3", "mobile= 3",  "a=4294967297"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error e = {0};
        struct key_weights *w = NULL;
        assert_int_equal(key_weights_new(bad[i], &w, &e), -ERR_VALIDATION);
        assert_string_equal(e.field, "KEY_WEIGHTS");
        assert_null(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
