#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "request/caller.h"

static void takes_the_entry_the_trusted_hop_wrote(void **state)
{
    char text[64];
    const char *list = "10.0.0.1, 203.0.113.9 ,198.51.100.2";
    assert_true(caller_forwarded(list, 1, text, sizeof(text)));
    assert_string_equal(text, "198.51.100.2");
    assert_true(caller_forwarded(list, 2, text, sizeof(text)));
    assert_string_equal(text, "203.0.113.9");
    assert_true(caller_forwarded(list, 3, text, sizeof(text)));
    assert_string_equal(text, "10.0.0.1");
    assert_false(caller_forwarded(list, 4, text, sizeof(text)));
}

static void refuses_what_is_no_entry(void **state)
{
    char text[8];
    assert_false(caller_forwarded("", 1, text, sizeof(text)));
    assert_false(caller_forwarded("a,", 1, text, sizeof(text)));
    assert_false(caller_forwarded("  ,b", 2, text, sizeof(text)));
    assert_false(caller_forwarded("203.0.113.9", 1, text, sizeof(text))); /* too long for the buffer */
}

static void several_lines_are_one_list(void **state)
{
    char text[64];
    static const char *const line[] = {"10.0.0.1", "203.0.113.9, 198.51.100.2", "192.0.2.7"};
    static const char *const from_the_end[] = {"192.0.2.7", "198.51.100.2", "203.0.113.9", "10.0.0.1"};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(caller_forwarded_lines(line, 3, i + 1, text, sizeof(text)));
        assert_string_equal(text, from_the_end[i]);
    }
    assert_false(caller_forwarded_lines(line, 3, 5, text, sizeof(text)));
    assert_false(caller_forwarded_lines(line, 0, 1, text, sizeof(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_entry_the_trusted_hop_wrote),
        cmocka_unit_test(refuses_what_is_no_entry),
        cmocka_unit_test(several_lines_are_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
