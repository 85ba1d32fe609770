#include "web/when.h"

#include "base/macros.h"
#include "scratch.h"

enum { NOW = 1795638810 };

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t is;
    } cases[] = {
        {"now", NOW},
        {"0", 0},
        {"1795635230", 1795635230},
        {"-90s", NOW - 90},
        {"-30m", NOW - 1800},
        {"-1h", NOW - 3600},
        {"-7d", NOW - 7 * 86400},
        {"-4w", NOW - 28 * 86400},
        {"2026-11-25T20:33:30Z", 1795638810},
        {"2026-11-25t20:33:30.125z", 1795638810},
        {"2026-11-25T22:03:30+01:30", 1795638810},
        {"2026-11-25T22:03:30 01:30", 1795638810}, /* a plus in a query is a space */
        {"2026-11-25T15:33:30-05:00", 1795638810},
        {"2024-02-29T00:00:00Z", 1709164800},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t at = -1;
        if (!when_parse(cases[i].text, NOW, &at) || at != cases[i].is)
            fail_msg("%s: %lld", cases[i].text, (long long)at);
    }
}

static void test_no_times(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "-",
        "-h",
        "-1",
        "-1y",
        "--1h",
        "+1h",
        "1h",
        "-1 h",
        "12x",
        "1.5",
        "yesterday",
        "999999999999999999999",

        "2026-11-25",
        "2026-11-25T20:33:30",
        "2026-11-25T20:33:30+1",
        "2026-13-25T20:33:30Z",
        "2026-11-31T20:33:30Z",
        "2026-02-29T00:00:00Z",
        "2026-11-25T25:33:30Z",
        "2026-11-25T20:33:30Zz",
        "2026-11-25T20:33:30+24:00",
        "2026-11-25T20:33:30+01:60",
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t at;
        if (when_parse(cases[i], NOW, &at))
            fail_msg("%s", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
