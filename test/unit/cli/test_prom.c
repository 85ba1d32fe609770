#include "cli/prom.h"

#include "scratch.h"

static const char text[] = "# TYPE a counter\n"
                           "a{class=\"light\",reason=\"rate\"} 3\n"
                           "a{class=\"light\",reason=\"full\"} 4\n"
                           "a{class=\"heavy\",reason=\"rate\"} 5\n"
                           "plain 1.5e3\n"
                           "broken{\n"
                           "nothing\n"
                           "h_bucket{class=\"light\",le=\"1\"} 10\n"
                           "h_bucket{class=\"light\",le=\"2.0\"} 30\n"
                           "h_bucket{class=\"light\",le=\"+Inf\"} 40\n";
static const char earlier[] = "a{class=\"light\",reason=\"rate\"} 1\nplain 2000\n"
                              "h_bucket{class=\"light\",le=\"1\"} 10\n"
                              "h_bucket{class=\"light\",le=\"2.0\"} 10\n"
                              "h_bucket{class=\"light\",le=\"+Inf\"} 10\n";

static void test_questions(void **state)
{
    struct prom *now = prom_parse(text), *before = prom_parse(earlier);
    struct prom_word word[4];
    assert_true(prom_sum(now, "a", NULL) == 12 && prom_sum(now, "a", "class=\"light\"") == 7);
    assert_true(prom_max(now, "a", NULL) == 5 && prom_sum(now, "plain", NULL) == 1500);
    assert_true(prom_has(now, "a", "reason=\"full\"") && !prom_has(now, "broken", NULL) &&
                !prom_has(NULL, "a", NULL));
    assert_true(prom_grown(now, before, "a", "class=\"light\",reason=\"rate\"") == 2);
    assert_true(prom_grown(now, before, "plain", NULL) == 1500); /* it began anew */
    assert_true(prom_grown(now, NULL, "a", NULL) == 12);
    assert_int_equal(prom_words(now, "a", "class", word, 4), 2);
    assert_int_equal(word[1].length, 5);
    assert_memory_equal(word[1].text, "heavy", 5);
    prom_free(now);
    prom_free(before);
}

static void test_quantiles(void **state)
{
    struct prom *now = prom_parse(text), *before = prom_parse(earlier);
    assert_true(prom_quantile(now, NULL, "h", NULL, 0.25) == 1);
    assert_true(prom_quantile(now, NULL, "h", "class=\"light\"", 0.5) == 1.5);
    assert_true(prom_quantile(now, NULL, "h", NULL, 0.99) == 2); /* above the last bound nobody knows */
    assert_true(prom_quantile(now, before, "h", NULL, 1. / 3) == 1.5);
    assert_true(prom_quantile(now, now, "h", NULL, 0.5) < 0 && prom_quantile(now, NULL, "a", NULL, 0.5) < 0);
    prom_free(now);
    prom_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_questions), cmocka_unit_test(test_quantiles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
