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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_entry_the_trusted_hop_wrote),
        cmocka_unit_test(refuses_what_is_no_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
