#include "request/content_digest.h"

#include <errno.h>
#include <string.h>

#include "scratch.h"

/* Of "hello". */
#define HELLO "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="

static int check(const char *header, const char *body, struct error *e)
{
    struct content_check c = {0};
    int r = content_check_begin(&c, header, e);
    if (r < 0)
        return r;
    for (const char *at = body; *at; at++)
        content_check_feed(&c, at, 1);
    return content_check_end(&c, e);
}

static void test_right_and_wrong(void **state)
{
    struct error e = {0};
    assert_int_equal(check("sha-256=:" HELLO ":", "hello", &e), 0);
    assert_int_equal(check("sha-256=:" HELLO ":", "hallo", &e), -ERR_VALIDATION);
    assert_string_equal(e.field, "Content-Digest");
    assert_non_null(strstr(e.reason, HELLO)); /* what was told, and what came */
    assert_non_null(strstr(e.reason, "03UdM/nNUEnErytGJzVFfk07rxMLy7h/OJ40n7rrILk="));
}

static void test_lists(void **state)
{
    struct error e;
    assert_int_equal(check(NULL, "anything", &e), 0);
    assert_int_equal(check("", "anything", &e), 0);
    assert_int_equal(check("sha-512=:AAAA:, md5=:AAAA:", "anything", &e), 0);
    assert_int_equal(check(" sha-512=:AAAA: ,\tsha-256=:" HELLO ": ", "hello", &e), 0);
    assert_int_equal(check("sha-256=:" HELLO ":;note=1, unixsum=30637", "hello", &e), 0);
    assert_int_equal(check("sha-256=:AAAA:, sha-256=:" HELLO ":", "hello", &e), 0); /* the last one */
    assert_int_equal(check("sha-2567=:AAAA:, sha-25=:AAAA:, SHA-256=:AAAA:", "hello", &e), 0);
}

static void test_what_is_none(void **state)
{
    static const char *const bad[] = {
        "sha-256",
        "sha-256=",
        "sha-256=:",
        "sha-256=::",
        "sha-256=:c2hvcnQ=:",
        "sha-256=" HELLO,
        "sha-256=:" HELLO,
        "sha-256=\"x\"",
        "sha-256=?1",
        "sha-256 =:" HELLO ":",
        "sha-256=:" HELLO HELLO ":",
        "sha-256=:" HELLO ":x",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error e;
        assert_int_equal(check(bad[i], "hello", &e), -ERR_VALIDATION);
        assert_string_equal(e.field, "Content-Digest");
    }
}

static void test_given_up(void **state)
{
    struct content_check c = {0};
    struct error e;
    assert_int_equal(content_check_begin(&c, "sha-256=:" HELLO ":", &e), 0);
    content_check_feed(&c, "he", 2);
    content_check_release(&c);
    content_check_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_and_wrong),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
