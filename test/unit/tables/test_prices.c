#include "tables/prices.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "scratch.h"

static int64_t nano(const char *text)
{
    int64_t n = -1;
    return money_parse(text, strlen(text), &n) < 0 ? -1 : n;
}

static void test_amounts_are_exact(void **state)
{
    char text[MONEY_TEXT];
    assert_int_equal(nano("0.000225"), 225000);
    assert_int_equal(nano("50"), 50 * NANO_PER_USD);
    assert_int_equal(nano("0.000000001"), 1);
    assert_int_equal(nano("1000000"), 1000000 * NANO_PER_USD);
    static const char *const wrong[] = {
        "",    ".",    "1.",  ".5",           "-1",        "1e3",
        "0x1", "1..2", "1 2", "1.0000000010", "1000000.1", "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(nano(wrong[i]), -1);
    assert_string_equal(money_text(225000, text), "0.000225");
    assert_string_equal(money_text(50 * NANO_PER_USD, text), "50");
    assert_string_equal(money_text(0, text), "0");
    assert_string_equal(money_text(-1500000000, text), "-1.5");
    assert_string_equal(money_text(INT64_MIN, text), "-9223372036.854775808");
    assert_int_equal(money_scale(3, 1, 2), 2);
    assert_int_equal(money_scale(225000, 7 * 86400ull * NS_PER_S, NS_PER_S), 225000 * 7 * 86400ll);
    assert_int_equal(money_scale(INT64_MAX, 1000, 1), INT64_MAX);
}

static struct prices *made(const char *text)
{
    struct prices *p = NULL;
    struct error e;
    assert_int_equal(prices_new(text, &p, &e), 0);
    return p;
}

static void test_each_run_for_money_has_a_price(void **state)
{
    struct prices *p = made("");
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const struct price *price = price_of(p, &features[i], "replicate");
        bool runs = features[i].step == FEATURE_NONE && features[i].work != WORK_PHOTOS;
        assert_int_equal(price->nano > 0, runs);
        assert_int_equal(price_estimate(price, 0, 1) > 0, runs);
        assert_int_equal(price_of(p, &features[i], "local")->nano, 0);
        assert_int_equal(price_of(p, &features[i], "cog")->nano, 0);
        assert_int_equal(price_of(p, &features[i], "nobody")->nano, 0);
    }
    prices_free(p);
}

static void test_what_a_run_costs(void **state)
{
    struct prices *p =
        made("relight=0.5/run , clarity = 0.0002/s,,replace-bg@cog=0.01/image,all@local=0.001/run");
    const struct price *clarity = price_of(p, &features[FEATURE_CLARITY], "replicate");
    assert_int_equal(price_cost(clarity, 2500 * NS_PER_MS, 1), 500000);
    assert_int_equal(price_estimate(clarity, 0, 1), 8 * 200000);
    assert_int_equal(price_estimate(clarity, 3 * NS_PER_S, 1), 3 * 200000);
    const struct price *relight = price_of(p, &features[FEATURE_RELIGHT], "replicate");
    assert_int_equal(price_cost(relight, 100 * NS_PER_S, 4), NANO_PER_USD / 2);
    const struct price *cutout = price_of(p, &features[FEATURE_CUTOUT], "cog");
    assert_int_equal(price_cost(cutout, NS_PER_S, 3), 30000000);
    assert_int_equal(price_cost(cutout, NS_PER_S, 0), 0);
    assert_int_equal(price_of(p, &features[FEATURE_CUTOUT], "local")->nano, 1000000);
    assert_int_equal(price_of(p, &features[FEATURE_REPLACE_BG], "local")->nano, 0); /* its step is paid */
    prices_free(p);
}

static void check_refused(const char *text, const char *says)
{
    struct prices *p = NULL;
    struct error e = {0};
    assert_int_equal(prices_new(text, &p, &e), -ERR_VALIDATION);
    assert_null(p);
    assert_string_equal(e.field, "PRICES");
    if (!strstr(e.reason, says))
        print_error("%s\n", e.reason);
    assert_non_null(strstr(e.reason, says));
}

static void test_slips_are_told(void **state)
{
    check_refused("clarity", "\"clarity\" is not feature=dollars/unit");
    check_refused("clarty=1/s", "\"clarty\" is no feature; all is, and so are clarity enhance");
    check_refused("clarity=0.1", "\"0.1\" has no unit");
    check_refused("clarity=0.1/h", "has no unit; dollars are given /s, /run or /image");
    check_refused("clarity=$1/s", "\"$1\" is no amount of dollars");
    check_refused("clarity=-1/s", "\"-1\" is no amount");
    check_refused("clarity@aws=1/s", "\"aws\" is no provider; there are replicate, cog, local, instant");
    check_refused("clarity@=1/s", "\"\" is no provider");
    check_refused("=1/s", "\"\" is no feature");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts_are_exact),
        cmocka_unit_test(test_each_run_for_money_has_a_price),
        cmocka_unit_test(test_what_a_run_costs),
        cmocka_unit_test(test_slips_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
