#include "metrics/catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);
    return len >= tail && strcmp(text + len - tail, end) == 0;
}

static void names_follow_the_rules(void **state)
{
    for (unsigned i = 0; i < M_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        assert_true(strncmp(row->name, "limner_", 7) == 0 || strncmp(row->name, "process_", 8) == 0);
        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(row->name));
        assert_int_equal(row->kind == METRIC_COUNTER, ends_with(row->name, "_total"));
        assert_int_equal(row->kind == METRIC_INFO, ends_with(row->name, "_info"));
        assert_int_equal(row->kind == METRIC_HISTOGRAM, row->buckets != METRIC_BUCKETS_NONE);
        assert_true(row->kind != METRIC_HISTOGRAM ||
                    row->unit ==
                        (row->buckets == METRIC_BUCKETS_SIZE ? METRIC_UNIT_BYTES : METRIC_UNIT_SECONDS));
        assert_int_equal(row->unit == METRIC_UNIT_SECONDS, strstr(row->name, "_seconds") != NULL);
        assert_int_equal(row->unit == METRIC_UNIT_BYTES, strstr(row->name, "_bytes") != NULL);
        assert_null(strpbrk(row->help, "\\\"\n|"));
        assert_true(ends_with(row->help, ".") || row->kind == METRIC_INFO);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(metric_rows[k].name, row->name);
    }
}

/* Label values are written without escapes, and a label comes once in a metric. */
static void labels_are_plain(void **state)
{
    for (unsigned l = LABEL_NONE + 1; l < LABEL_COUNT; l++) {
        enum metric_label label = (enum metric_label)l;
        assert_true(metric_label_values(label) > 0);
        for (unsigned i = 0; i < metric_label_values(label); i++)
            assert_null(strpbrk(metric_label_value(label, i), "\\\"\n|"));
    }
    for (unsigned i = 0; i < M_COUNT; i++) {
        const enum metric_label *label = metric_rows[i].label;
        for (unsigned k = 0; k < 2; k++)
            assert_true(label[k] != LABEL_NONE || label[k + 1] == LABEL_NONE);
        assert_true(label[0] == LABEL_NONE || (label[0] != label[1] && label[0] != label[2]));
        assert_true(label[1] == LABEL_NONE || label[1] != label[2]);
    }
}

static void series_are_numbered(void **state)
{
    unsigned routes = metric_label_values(LABEL_ROUTE), methods = metric_label_values(LABEL_METHOD),
             codes = metric_label_values(LABEL_CODE), next = 0;
    assert_int_equal(metric_series_count(M_HTTP_REQUESTS), routes * methods * codes);
    assert_int_equal(metric_series_count(M_DRAINING), 1);
    for (unsigned a = 0; a < routes; a++)
        for (unsigned b = 0; b < methods; b++)
            for (unsigned c = 0; c < codes; c++) {
                unsigned series = metric_series(M_HTTP_REQUESTS, a, b, c);
                assert_int_equal(series, next++);
                assert_ptr_equal(metric_series_value(M_HTTP_REQUESTS, series, 0),
                                 metric_label_value(LABEL_ROUTE, a));
                assert_ptr_equal(metric_series_value(M_HTTP_REQUESTS, series, 1),
                                 metric_label_value(LABEL_METHOD, b));
                assert_ptr_equal(metric_series_value(M_HTTP_REQUESTS, series, 2),
                                 metric_label_value(LABEL_CODE, c));
            }
}

static void values_come_from_the_tables(void **state)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        assert_string_equal(metric_label_value(LABEL_CLASS, c), class_name((enum class)c));
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const struct feature *f = &features[i];
        const char *route = metric_label_value(LABEL_ROUTE, metric_feature_route(f));
        assert_string_equal(route, *f->route ? f->route : "other");
        assert_string_equal(metric_label_value(LABEL_MODEL, metric_model(f)), f->model);
        assert_string_equal(metric_label_value(LABEL_FEATURE, i), f->name);
    }
    assert_string_equal(metric_label_value(LABEL_ROUTE, METRIC_ROUTE_METRICS), "/metrics");
    assert_string_equal(metric_label_value(LABEL_ROUTE, metric_route(0)), "/health");
    assert_string_equal(metric_label_value(LABEL_ROUTE, METRIC_ROUTE_OTHER), "other");
    assert_int_equal(metric_model(&features[FEATURE_CLARITY]), metric_model(&features[FEATURE_ENHANCE]));
}

static void words_are_found(void **state)
{
    assert_int_equal(metric_method("POST"), V_METHOD_POST);
    assert_int_equal(metric_method("BREW"), V_METHOD_OTHER);
    assert_int_equal(metric_provider("cog"), V_PROVIDER_COG);
    assert_int_equal(metric_provider("nobody"), -1);
    assert_int_equal(metric_class("replace-bg"), V_CLASS_STEP);
    assert_int_equal(metric_class("other"), -1);
    assert_string_equal(metric_label_value(LABEL_CODE, metric_code(206)), "206");
    assert_string_equal(metric_label_value(LABEL_CODE, metric_code(0)), "499");
    assert_string_equal(metric_label_value(LABEL_CODE, metric_code(299)), "500");
    for (unsigned e = 1; e < ERR_COUNT; e++) { /* every status that an error has is in the set */
        char text[16];
        snprintf(text, sizeof(text), "%d", err_row((enum err)e)->status);
        assert_string_equal(metric_label_value(LABEL_CODE, metric_code(err_row((enum err)e)->status)), text);
    }
}

static void bounds_ascend(void **state)
{
    static const struct {
        enum metric_buckets family;
        uint64_t first, last;
    } families[] = {{METRIC_BUCKETS_GATEWAY, 100, 1000000},
                    {METRIC_BUCKETS_UPSTREAM, 250000, 600000000},
                    {METRIC_BUCKETS_WHOLE, 100, 600000000},
                    {METRIC_BUCKETS_SIZE, 1000, 100000000}};
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        unsigned n;
        const uint64_t *bound = metric_bounds(families[f].family, &n);
        assert_int_equal(bound[0], families[f].first);
        assert_int_equal(bound[n - 1], families[f].last);
        for (unsigned i = 1; i < n; i++)
            assert_true(bound[i] > bound[i - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_rules), cmocka_unit_test(labels_are_plain),
        cmocka_unit_test(series_are_numbered),    cmocka_unit_test(values_come_from_the_tables),
        cmocka_unit_test(words_are_found),        cmocka_unit_test(bounds_ascend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
