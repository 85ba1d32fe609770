#include "http/client/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scratch.h"

struct row {
    const char *url;
    bool tls;
    unsigned port;
    const char *host; /* NULL: refused */
};

static const struct row rows[] = {
    {"http://example.com/", false, 80, "example.com"},
    {"https://example.com", true, 443, "example.com"},
    {"HTTPS://EXAMPLE.com:8443/a?b#c", true, 8443, "example.com"},
    {"http://example.com:80/", false, 80, "example.com"},
    {"http://0x7f.1/", false, 80, "127.0.0.1"},
    {"http://2130706433:3000/", false, 3000, "127.0.0.1"},
    {"http://[::1]:81/", false, 81, "[::1]"},
    {"", false, 0, NULL},
    {"example.com/a", false, 0, NULL},
    {"//example.com/a", false, 0, NULL},
    {"/a", false, 0, NULL},
    {"http://", false, 0, NULL},
    {"http:///a", false, 80, "a"}, /* as browsers read it */
    {"http://example.com:99999/", false, 0, NULL},
    {"http://example.com:x/", false, 0, NULL},
    {"http://exa mple.com/", false, 0, NULL},
    {"http://example.com/a\r\nX: y", false, 0, NULL},
    {"http://[::1/", false, 0, NULL},
    {"http://user@example.com/", false, 0, NULL},
    {"http://user:secret@example.com/", false, 0, NULL},
    {"http://example.com@127.0.0.1/", false, 0, NULL},
    {"ftp://example.com/", false, 0, NULL},
    {"file:///etc/passwd", false, 0, NULL},
    {"gopher://127.0.0.1:6379/_x", false, 0, NULL},
    {"data:image/png;base64,AAAA", false, 0, NULL},
    {"javascript:alert(1)", false, 0, NULL},
    {"ws://example.com/", false, 0, NULL},
};

static void test_parse(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t = {.port = 12345};
        int r = target_parse(rows[i].url, &t);
        if ((r == 0) != (rows[i].host != NULL))
            fail_msg("%s: %d", rows[i].url, r);
        if (r < 0) {
            assert_int_equal(r, -EINVAL);
            assert_int_equal(t.port, 12345);
            continue;
        }
        assert_string_equal(t.host, rows[i].host);
        assert_int_equal(t.port, rows[i].port);
        assert_int_equal(t.tls, rows[i].tls);
    }
}

static void test_too_long(void **state)
{
    static char url[TARGET_URL_MAX + 2] = "http://example.com/";
    struct target t;
    memset(url + strlen(url), 'a', TARGET_URL_MAX - strlen(url));
    assert_int_equal(target_parse(url, &t), 0);
    url[TARGET_URL_MAX] = 'a';
    assert_int_equal(target_parse(url, &t), -EINVAL);
    char host[TARGET_HOST_MAX + 32];
    memset(host, 'a', sizeof(host));
    memcpy(host, "http://", 7);
    memcpy(host + sizeof(host) - 2, "/", 2);
    assert_int_equal(target_parse(host, &t), -EINVAL);
}

static bool same(const char *a, const char *b)
{
    struct target ta, tb;
    assert_int_equal(target_parse(a, &ta), 0);
    assert_int_equal(target_parse(b, &tb), 0);
    return target_same(&ta, &tb);
}

static void test_same_origin(void **state)
{
    assert_true(same("http://a.test/x", "http://A.test:80/y?z"));
    assert_true(same("http://127.0.0.1/", "http://0x7f000001/"));
    assert_false(same("http://a.test/", "https://a.test/"));
    assert_false(same("http://a.test/", "https://a.test:80/"));
    assert_false(same("http://a.test/", "http://a.test:81/"));
    assert_false(same("http://a.test/", "http://b.test/"));
    assert_false(same("http://a.test/", "http://a.test./"));
    assert_false(same("http://a.test/", "http://sub.a.test/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_same_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
