#include "redis/address.h"

#include <stdlib.h>
#include <string.h>

#include "scratch.h"

static const struct {
    const char *url;
    struct {
        const char *user, *password, *host, *path;
        unsigned port, database;
    } is;
    const char *text;
} good[] = {
    {"redis://localhost", {.host = "localhost", .port = 6379}, "localhost:6379"},
    {"redis://localhost/", {.host = "localhost", .port = 6379}, "localhost:6379"},
    {"redis://10.0.0.7:7000/15", {.host = "10.0.0.7", .port = 7000, .database = 15}, "10.0.0.7:7000"},
    {"redis://[::1]:6380", {.host = "::1", .port = 6380}, "[::1]:6380"},
    {"redis://[fe80::1%eth0]", {.host = "fe80::1%eth0", .port = 6379}, "[fe80::1%eth0]:6379"},
    {"redis://:secret@redis-1.example.com",
     {.password = "secret", .host = "redis-1.example.com", .port = 6379},
     "redis-1.example.com:6379"},
    {"redis://app:p%40ss%3aw%2Ford@h:1/0",
     {.user = "app", .password = "p@ss:w/ord", .host = "h", .port = 1},
     "h:1"},
    {"redis://a:b@c@h", {.user = "a", .password = "b@c", .host = "h", .port = 6379}, "h:6379"},
    {"unix:///run/redis/redis.sock", {.path = "/run/redis/redis.sock"}, "/run/redis/redis.sock"},
    {"unix://:pw@/tmp/r.sock?db=3", {.password = "pw", .path = "/tmp/r.sock", .database = 3}, "/tmp/r.sock"},
};

static void same(const char *a, const char *b)
{
    if (b)
        assert_string_equal(a, b);
    else
        assert_null(a);
}

static void test_good(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct redis_address a;
        struct error e = {0};
        assert_int_equal(redis_address_parse("REDIS_URL", good[i].url, &a, &e), 0);
        same(a.user, good[i].is.user);
        same(a.password, good[i].is.password);
        same(a.host, good[i].is.host);
        same(a.path, good[i].is.path);
        assert_int_equal(a.port, good[i].is.port);
        assert_int_equal(a.database, good[i].is.database);
        FREE_ON_EXIT char *text = redis_address_text(&a);
        assert_string_equal(text, good[i].text);
        redis_address_release(&a);
    }
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "redis:",
        "redis://",
        "redis:///1",
        "redis://:6379",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:6379x",
        "redis://h/x",
        "redis://h/1/2",
        "redis://h/99999",
        "redis://h/16384",
        "redis://h?db=1",
        "redis://h#1",
        "redis://@h",
        "redis://u:@h",
        "redis://u:%zz@h",
        "redis://u:%4@h",
        "redis://u:%00@h",
        "redis://u:%0a@h",
        "redis://h h",
        "redis://h\n",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[]",
        "http://h",
        "REDIS://h",
        "unix://",
        "unix://relative",
        "unix:///a?db=",
        "unix:///a?db=x",
        "unix:///a?x=1",
        "unix:///a%0ab",
        "unix:///"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaa",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct redis_address a = {.port = 7};
        struct error e = {0};
        if (redis_address_parse("REDIS_URL", bad[i], &a, &e) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(e.code, ERR_VALIDATION);
        assert_string_equal(e.field, "REDIS_URL");
        assert_non_null(strstr(e.reason, "redis://[user:password@]host[:port][/database]"));
        assert_int_equal(a.port, 7); /* untouched */
    }
}

static void test_tls_is_refused(void **state)
{
    struct redis_address a;
    struct error e = {0};
    assert_int_equal(redis_address_parse("REDIS_URL", "rediss://:hunter2@h", &a, &e), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "TLS"));
    assert_null(strstr(e.reason, "hunter2"));
}

static void test_no_password_is_told(void **state)
{
    struct redis_address a;
    struct error e = {0};
    assert_int_equal(redis_address_parse("REDIS_URL", "redis://u:hunter2@h:x", &a, &e), -ERR_VALIDATION);
    assert_null(strstr(e.reason, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_tls_is_refused),
        cmocka_unit_test(test_no_password_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
