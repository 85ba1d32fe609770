#include "base/base64.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static void check(const char *text, const char *expected)
{
    char ret[64];
    ssize_t n = base64_decode(text, strlen(text), ret);
    assert_int_equal(n, expected ? (ssize_t)strlen(expected) : -1);
    if (expected)
        assert_memory_equal(ret, expected, (size_t)n);
}

static void test_decode(void **state)
{
    check("", "");
    check("Zg==", "f");
    check("Zm8=", "fo");
    check("Zm9v", "foo");
    check("Zm9vYg", "foob"); /* no padding */
    check(" Zm9v\nYmFy\r\n", "foobar");
    check("_-8", "\xff\xef");
    check("/+8=", "\xff\xef");
    check("Z", NULL);
    check("Zm9vY", NULL);
    check("Zg==Zg==", NULL);
    check("Zg===", NULL);
    check("Zm*v", NULL);
}

static void test_encode(void **state)
{
    static const char *const expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t n = 0; n < ARRAY_LEN(expected); n++) {
        BUF_ON_EXIT struct buf b;
        buf_init(&b, 9);
        buf_puts(&b, "=");
        assert_int_equal(base64_length(n), strlen(expected[n]));
        assert_int_equal(base64_append(&b, "foobar", n), 0);
        assert_string_equal(buf_text(&b) + 1, expected[n]);
        assert_int_equal(base64_append(&b, "too long for it", 9), -EMSGSIZE);
        assert_string_equal(buf_text(&b) + 1, expected[n]);
    }
}

static void test_all_bytes_and_back(void **state)
{
    char bytes[3 * 256], back[ARRAY_LEN(bytes) * 2];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + i / 256);
    BUF_ON_EXIT struct buf b;
    buf_init(&b, sizeof(back));
    assert_int_equal(base64_append(&b, bytes, sizeof(bytes)), 0);
    assert_int_equal(base64_decode(b.data, b.len, back), sizeof(bytes));
    assert_memory_equal(bytes, back, sizeof(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode), cmocka_unit_test(test_encode),
                                       cmocka_unit_test(test_all_bytes_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
