#include "v1/classes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_rules(void **state)
{
    struct classes *c;
    struct error e;
    assert_int_equal(classes_new(" o/n = heavy, google/*=comic,v123=heavy,o/*=light,", &c, &e), 0);
    assert_int_equal(classes_of(c, "o/n", ""), CLASS_HEAVY);
    assert_int_equal(classes_of(c, "o/m", ""), CLASS_LIGHT);
    assert_int_equal(classes_of(c, "google/imagen", ""), CLASS_COMIC);
    assert_int_equal(classes_of(c, "googles/x", ""), CLASS_LIGHT);
    assert_int_equal(classes_of(c, "", "v123"), CLASS_HEAVY);
    assert_int_equal(classes_of(c, "black-forest-labs/flux-kontext-pro", ""), CLASS_HEAVY); /* a feature's */
    classes_free(c);
    assert_int_equal(classes_new("*=comic", &c, &e), 0);
    assert_int_equal(classes_of(c, "", "any"), CLASS_COMIC);
    classes_free(c);
}

static void test_no_rules(void **state)
{
    static const char *const texts[] = {"o/n", "o/n=", "=heavy", "o/n=huge", "a/b=light,x"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct classes *c;
        struct error e;
        assert_int_equal(classes_new(texts[i], &c, &e), -ERR_VALIDATION);
        assert_string_equal(e.field, "V1_CLASSES");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_no_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
