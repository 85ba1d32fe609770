#include "base/json.h"

#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static void test_mend_escape(void **state)
{
    static const struct {
        const char *text, *mended;
        size_t bytes;
    } known[] = {
        {"\\n", "\\n", 2},
        {"\\", "\\", 1},
        {"\\u", "\\u", 2},
        {"\\u12", "\\u12", 2},
        {"\\u12g4", "\\u12g4", 2},
        {"\\u1ebf", "\\u1ebf", 6},
        {"\\u0000", "\\ufffd", 6},
        {"\\ud83d\\ude00", "\\ud83d\\ude00", 12},
        {"\\ud83d", "\\ufffd", 6},
        {"\\ud83d\\u0041", "\\ufffd\\u0041", 6},
        {"\\ud83d\\ud83d", "\\ufffd\\ud83d", 6},
        {"\\ude00", "\\ufffd", 6},
        {"\\uD83D\\uDE00", "\\uD83D\\uDE00", 12},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        FREE_ON_EXIT char *s = mem_strdup(known[i].text); /* on the heap: reading past the end is seen */
        assert_int_equal(json_mend_escape(s), known[i].bytes);
        assert_string_equal(s, known[i].mended);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mend_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
