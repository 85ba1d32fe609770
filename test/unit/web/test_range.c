#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "tables/error.h"
#include "web/pages.h"

static void reads_every_form(void **state)
{
    static const struct {
        const char *header;
        uint64_t size;
        int result;
        uint64_t offset, length;
    } cases[] = {
        {"bytes=0-9", 100, 0, 0, 10},
        {"bytes=90-", 100, 0, 90, 10},
        {"bytes=-10", 100, 0, 90, 10},
        {"bytes=-1000", 100, 0, 0, 100},
        {"bytes=0-1000", 100, 0, 0, 100},
        {"bytes=99-99", 100, 0, 99, 1},
        {"bytes=100-", 100, -ERR_RANGE_NOT_SATISFIABLE, 0, 0},
        {"bytes=-0", 100, -ERR_RANGE_NOT_SATISFIABLE, 0, 0},
        {"bytes=0-", 0, -ERR_RANGE_NOT_SATISFIABLE, 0, 0},
        {"bytes=5-4", 100, 1, 0, 0},
        {"bytes=0-1,5-6", 100, 1, 0, 0},
        {"bytes=a-b", 100, 1, 0, 0},
        {"bytes=", 100, 1, 0, 0},
        {"bytes=-", 100, 1, 0, 0},
        {"items=0-1", 100, 1, 0, 0},
        {"bytes=99999999999999999999-", 100, 1, 0, 0},
        {NULL, 100, 1, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t offset = 0, length = 0;
        assert_int_equal(range_parse(cases[i].header, cases[i].size, &offset, &length), cases[i].result);
        assert_int_equal(offset, cases[i].offset);
        assert_int_equal(length, cases[i].length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_every_form)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
