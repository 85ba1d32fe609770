#include "base/utf8.h"

#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static void test_characters(void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
    } known[] = {
        {"", 1},
        {"a", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xe1\xba\xbf", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0}, /* overlong */
        {"\xe0\x9f\xbf", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xed\xbf\xbf", 0}, /* surrogates */
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xf8\x88\x80\x80", 0},
        {"\xff", 0},
        {"\xc3", 0},
        {"\xe1\xba", 0},
        {"\xf0\x90\x80", 0},
        {"\xc3(", 0},
        {"\xe1(\xbf", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_int_equal(utf8_char(known[i].text), known[i].bytes);
}

static void assert_clean(const char *before, const char *after)
{
    FREE_ON_EXIT char *s = mem_strdup(before); /* on the heap: reading past the end is seen */
    utf8_clean(s);
    assert_string_equal(s, after);
}

static void test_clean(void **state)
{
    assert_clean("", "");
    assert_clean("plain text, ti\xe1\xba\xbfng", "plain text, ti\xe1\xba\xbfng");
    assert_clean("a\nb\tc\x1b\x7f", "a?b?c??");
    assert_clean("x\xffy\x80", "x?y?");
    assert_clean("\xc3(\xed\xa0\x80.", "?(???.");
    assert_clean("cut \xe1\xba", "cut ");
    assert_clean("cut \xf0\x90\x80", "cut ");
    assert_clean("\xc3", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
