#include "v1/members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The members as "key=value;", with "!" at the end if the text is broken. */
static const char *walked(const char *text)
{
    static char all[1024];
    struct members m;
    struct member each;
    size_t n = 0;
    all[0] = '\0';
    members_init(&m, text, strlen(text));
    while (members_next(&m, &each))
        n += (size_t)snprintf(all + n, sizeof(all) - n, "%.*s=%.*s;", (int)each.key_size, each.key,
                              (int)each.value_size, each.value);
    return strcat(all, m.broken ? "!" : "");
}

static void test_whole(void **state)
{
    assert_string_equal(walked("{}"), "");
    assert_string_equal(walked(" { \"a\" : 1.50 , \"b\":null}"), "a=1.50 ;b=null;");
    assert_string_equal(walked("{\"a\":{\"x\":[1,{}],\"y\":\"}\"},\"b\":\"c,\\\"d\\\\\"}"),
                        "a={\"x\":[1,{}],\"y\":\"}\"};b=\"c,\\\"d\\\\\";");
    assert_string_equal(walked("{\"a\\\"b\":[],\"\":-1e3}"), "a\\\"b=[];=-1e3;");
}

static void test_broken(void **state)
{
    static const char *const texts[] = {
        "",          "[]",          "{",         "{\"a\"",     "{\"a\":",     "{\"a\":}",      "{\"a\":1",
        "{\"a\":\"", "{\"a\":\"\\", "{\"a\":[}", "{,\"a\":1}", "{\"a\":1,,}", "{\"a\":{\"b\":"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const char *got = walked(texts[i]);
        assert_int_equal(got[strlen(got) - 1], '!');
    }
}

static void test_find(void **state)
{
    const char *text = "{\"a\":1,\"b\":2,\"a\":3}";
    struct member m;
    assert_true(members_find(text, strlen(text), "a", &m));
    assert_memory_equal(m.value, "3", 1);
    assert_false(members_find(text, strlen(text), "c", &m));
    assert_false(members_find(text, strlen(text) - 1, "b", &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
