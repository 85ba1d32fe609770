#include "base/json_out.h"

#include <jansson.h>
#include <string.h>

#include "scratch.h"

static void test_a_document(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 4096);
    json_out_begin(&b, '{');
    json_out_text(&b, "name", "v");
    json_out_int(&b, "n", -17);
    json_out_key(&b, "list");
    json_out_begin(&b, '[');
    json_out_put_int(&b, 0);
    json_out_put_bool(&b, true);
    json_out_begin(&b, '{');
    json_out_end(&b, '}');
    json_out_begin(&b, '[');
    json_out_end(&b, ']');
    json_out_put_text(&b, "{");
    json_out_put_text(&b, "[:");
    json_out_end(&b, ']');
    json_out_bool(&b, "no", false);
    json_out_fixed(&b, "ms", 1021, 3);
    json_out_end(&b, '}');
    assert_string_equal(buf_text(&b),
                        "{\"name\":\"v\",\"n\":-17,\"list\":[0,true,{},[],\"{\",\"[:\"],\"no\":false,"
                        "\"ms\":1.021}");
}

static void number(int64_t n, const char *text)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 64);
    json_out_put_int(&b, n);
    assert_string_equal(buf_text(&b), text);
}

static void fixed(uint64_t n, unsigned decimals, const char *text)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 64);
    json_out_put_fixed(&b, n, decimals);
    assert_string_equal(buf_text(&b), text);
}

static void test_numbers(void **state)
{
    number(0, "0");
    number(INT64_MAX, "9223372036854775807");
    number(INT64_MIN, "-9223372036854775808");
    fixed(0, 3, "0.000");
    fixed(7, 3, "0.007");
    fixed(12345, 3, "12.345");
    fixed(2000000000, 9, "2.000000000");
    fixed(42, 0, "42");
    fixed(UINT64_MAX, 3, "18446744073709551.615");
}

/* What comes out is JSON, and says the same. */
static void says(const char *text, const char *quoted)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 4096);
    json_out_quote(&b, text);
    assert_string_equal(buf_text(&b), quoted);
    json_t *read = json_loads(buf_text(&b), JSON_DECODE_ANY, NULL);
    assert_true(json_is_string(read));
    if ((unsigned char)*text != 0xff)
        assert_string_equal(json_string_value(read), text);
    json_decref(read);
}

static void test_texts(void **state)
{
    says("", "\"\"");
    says("plain", "\"plain\"");
    says("tiếng Việt 😀", "\"tiếng Việt 😀\"");
    says("a\"b\\c", "\"a\\\"b\\\\c\"");
    says("line\nend\t\x7f", "\"line\\u000aend\\u0009\\u007f\"");
    says("\xc2\x85", "\"\\u0085\""); /* a control character of terminals */
    says("\xff", "\"\\u00ff\"");     /* no UTF-8 */
}

static void test_what_does_not_fit(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 8);
    json_out_begin(&b, '[');
    json_out_put_text(&b, "0123456789");
    assert_true(b.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_document),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
