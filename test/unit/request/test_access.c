#include "request/access.h"

#include <stdlib.h>
#include <string.h>

#include "scratch.h"

static struct access *made(const char *keys)
{
    struct access *a = NULL;
    struct error e;
    assert_int_equal(access_new(keys, &a, &e), 0);
    return a;
}

static void let_in(const struct access *a, const char *key, const char *authorization, const char *tenant)
{
    const char *found = "unset";
    struct error e;
    assert_int_equal(access_check_key(a, key, authorization, &found, &e), 0);
    if (tenant)
        assert_string_equal(found, tenant);
    else
        assert_null(found);
}

static void keep_out(const struct access *a, const char *key, const char *authorization)
{
    const char *found = "unset";
    struct error e;
    assert_int_equal(access_check_key(a, key, authorization, &found, &e), -ERR_UNAUTHORIZED);
    assert_string_equal(found, "unset");
    assert_null(strstr(e.reason, "secret")); /* what was sent is not sent back */
}

static void test_without_keys_everybody_may_ask(void **state)
{
    let_in(NULL, NULL, NULL, NULL);
    struct access *a = made("");
    let_in(a, NULL, NULL, NULL);
    let_in(a, "anything", NULL, NULL);
    access_free(a);
    access_free(NULL);
}

static void test_keys_and_names(void **state)
{
    struct access *a = made("app:secret-of-the-app-1, secret-without-name-2 ,web:a:colon-is-part-of-it");
    let_in(a, "secret-of-the-app-1", NULL, "app");
    let_in(a, "secret-without-name-2", NULL, "key-2");
    let_in(a, "a:colon-is-part-of-it", NULL, "web");
    let_in(a, NULL, "Bearer secret-of-the-app-1", "app");
    let_in(a, NULL, "bearer   secret-of-the-app-1", "app");
    keep_out(a, NULL, NULL);
    keep_out(a, "", NULL);
    keep_out(a, "app", NULL);
    keep_out(a, "secret-of-the-app-", NULL);
    keep_out(a, "secret-of-the-app-11", NULL);
    keep_out(a, "app:secret-of-the-app-1", NULL);
    keep_out(a, NULL, "Basic secret-of-the-app-1");
    keep_out(a, NULL, "secret-of-the-app-1");
    keep_out(a, "wrong", "Bearer secret-of-the-app-1"); /* x-api-key counts when it is there */
    access_free(a);
}

static void test_keys_that_cannot_be(void **state)
{
    static const char *const bad[] = {
        "short",
        "name:short",
        ":secret-with-empty-name",
        "one:secret-number-one-1,one:secret-number-two-2",
        "one:secret-number-one-1,two:secret-number-one-1",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct access *a = NULL;
        struct error e;
        assert_int_equal(access_new(bad[i], &a, &e), -ERR_VALIDATION);
        assert_null(a);
        assert_string_equal(e.field, "API_KEYS");
        assert_null(strstr(e.reason, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_keys_everybody_may_ask),
        cmocka_unit_test(test_keys_and_names),
        cmocka_unit_test(test_keys_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
