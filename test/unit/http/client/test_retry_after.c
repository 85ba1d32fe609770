#include "http/client/client.h"

#include "scratch.h"

static const int64_t NOW = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */

struct row {
    const char *value;
    int64_t wait_s;
};

static const struct row rows[] = {
    {"0", 0},
    {"5", 5},
    {"  120  ", 120},
    {"86400", 86400},
    {"007", 7},
    {"1.0", 1},
    {"1.2", 2},
    {"0.001", 1},
    {"99999999999999999999999999", 1000000000},
    {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
    {"Sun, 06 Nov 1994 08:50:07 GMT", 30},
    {"Sun, 06 Nov 1994 08:00:00 GMT", 0}, /* past */
    {"Sunday, 06-Nov-94 08:49:47 GMT", 10},
    {"Sun Nov  6 08:49:57 1994", 20},
    {"Mon, 07 Nov 1994 08:49:37 GMT", 86400},
    {"Fri, 31 Dec 9999 23:59:59 GMT", 1000000000},
    {NULL, -1},
    {"", -1},
    {" ", -1},
    {"-1", -1},
    {"+5", -1},
    {"5s", -1},
    {"5 s", -1},
    {"5.", -1},
    {".5", -1},
    {"1e3", -1},
    {"0x10", -1},
    {"5, 7", -1},
    {"soon", -1},
    {"Sun, 06 Nov 1994", -1},
    {"Sun, 06 Nov 1994 08:49:37 CET", -1},
    {"Sun, 06 Nov 1994 08:49:37 GMT tomorrow", -1},
    {"Sun, 99 Nov 1994 08:49:37 GMT", -1},
    {"1994-11-06T08:49:37Z", -1},
};

static void test_values(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t wait = http_retry_after_s(rows[i].value, NOW);
        if (wait != rows[i].wait_s)
            fail_msg("\"%s\": %lld, not %lld", rows[i].value ? rows[i].value : "NULL", (long long)wait,
                     (long long)rows[i].wait_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
