#include "money/plan.h"

#include <string.h>
#include <time.h>

#include "base/money.h"
#include "scratch.h"

static void test_rows(void **state)
{
    struct budget_plan p;
    struct error e;
    assert_int_equal(
        budget_plan_parse(" all = 50/day , heavy=10/ week,,key:mobile-2=0.25/hour,all=1000/month", &p, &e),
        0);
    assert_int_equal(p.count, 4);
    assert_string_equal(p.row[0].name, "all/day");
    assert_int_equal(p.row[0].limit_nano, 50 * NANO_PER_USD);
    assert_string_equal(p.row[1].name, "heavy/week");
    assert_int_equal(p.row[1].class, CLASS_HEAVY);
    assert_string_equal(p.row[2].name, "key:mobile-2/hour");
    assert_int_equal(p.row[2].limit_nano, NANO_PER_USD / 4);
    assert_int_equal(p.row[3].period, BUDGET_MONTH);
    assert_true(budget_covers(&p.row[0], CLASS_LIGHT, NULL));
    assert_true(budget_covers(&p.row[1], CLASS_HEAVY, "mobile-2"));
    assert_false(budget_covers(&p.row[1], CLASS_LIGHT, "mobile-2"));
    assert_true(budget_covers(&p.row[2], CLASS_LIGHT, "mobile-2"));
    assert_false(budget_covers(&p.row[2], CLASS_LIGHT, "mobile"));
    assert_false(budget_covers(&p.row[2], CLASS_LIGHT, NULL));
    assert_int_equal(budget_plan_parse("", &p, &e), 0);
    assert_int_equal(p.count, 0);
}

static void check_refused(const char *text, const char *says)
{
    struct budget_plan p;
    struct error e = {0};
    assert_int_equal(budget_plan_parse(text, &p, &e), -ERR_VALIDATION);
    assert_string_equal(e.field, "BUDGETS");
    if (!strstr(e.reason, says))
        print_error("%s\n", e.reason);
    assert_non_null(strstr(e.reason, says));
}

static void test_slips_are_told(void **state)
{
    check_refused("all", "\"all\" is not name=dollars/period");
    check_refused("medium=5/day", "\"medium\" has no budget; all, light, heavy, comic and key:NAME");
    check_refused("all=5", "\"5\" has no period; dollars are given /hour, /day, /week or /month");
    check_refused("all=5/year", "has no period");
    check_refused("all=five/day", "\"five\" is no amount of dollars");
    check_refused("key:=5/day", "\"key:\" has no budget");
    check_refused("key:a\"b=5/day", "names no key that can have a budget");
    check_refused("all=5/day,all=6/day", "comes twice");
}

static int64_t at(const char *text)
{
    struct tm tm = {0};
    assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%S", &tm));
    return (int64_t)timegm(&tm);
}

static void test_periods_are_the_calendars(void **state)
{
    static const struct {
        enum budget_period p;
        const char *now, *start, *end;
    } rows[] = {
        {BUDGET_HOUR, "2026-11-25T23:59:59", "2026-11-25T23:00:00", "2026-11-26T00:00:00"},
        {BUDGET_DAY, "2026-11-25T00:00:00", "2026-11-25T00:00:00", "2026-11-26T00:00:00"},
        {BUDGET_WEEK, "2026-11-29T12:00:00", "2026-11-23T00:00:00", "2026-11-30T00:00:00"}, /* a Sunday */
        {BUDGET_WEEK, "2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-12-07T00:00:00"},
        {BUDGET_MONTH, "2026-12-31T23:59:59", "2026-12-01T00:00:00", "2027-01-01T00:00:00"},
        {BUDGET_MONTH, "2028-02-29T01:00:00", "2028-02-01T00:00:00", "2028-03-01T00:00:00"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(budget_period_start(rows[i].p, at(rows[i].now)), at(rows[i].start));
        assert_int_equal(budget_period_end(rows[i].p, at(rows[i].now)), at(rows[i].end));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_slips_are_told),
        cmocka_unit_test(test_periods_are_the_calendars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
