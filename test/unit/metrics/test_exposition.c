#include "metrics/exposition.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"

struct rig {
    struct cells *cells;
    struct exemplars *exemplars;
    char *text;
};

static int set_up(void **state)
{
    struct rig *r = NEW(struct rig);
    r->cells = cells_new();
    r->exemplars = exemplars_new();
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    cells_free(r->cells);
    exemplars_free(r->exemplars);
    free(r->text);
    free(r);
    return 0;
}

static const char *render(struct rig *r, enum exposition format)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    exposition_put(r->cells, r->exemplars, format, &b);
    assert_false(b.failed);
    free(r->text);
    r->text = mem_strdup(buf_text(&b));
    buf_release(&b);
    return r->text;
}

static void assert_has(const char *text, const char *line)
{
    const char *found = strstr(text, line);
    if (!found || (found != text && found[-1] != '\n'))
        print_error("no line %s\nin\n%s", line, text);
    assert_true(found && (found == text || found[-1] == '\n'));
}

static void what_is_there_at_the_start(void **state)
{
    const char *text = render(*state, EXPOSITION_PROMETHEUS);
    assert_has(text, "limner_source_rejected_total{reason=\"bytes\"} 0\n");
    assert_has(text, "limner_overhead_seconds_bucket{le=\"+Inf\"} 0\n");
    assert_null(strstr(text, "limner_http_requests_total"));
    assert_null(strstr(text, "limner_queue_depth"));
    assert_null(strstr(text, "# EOF"));
}

static void prometheus(void **state)
{
    struct rig *r = *state;
    cells_add(r->cells, M_HTTP_REQUESTS,
              metric_series(M_HTTP_REQUESTS, METRIC_ROUTE_HEALTH, V_METHOD_GET, metric_code(200)), 3);
    cells_set(r->cells, M_QUEUE_DEPTH, V_CLASS_LIGHT, 0);
    cells_set(r->cells, M_BUILD, 0, 1);
    cells_set(r->cells, M_START, 0, 1700000000 * NS_PER_S);
    cells_observe(r->cells, M_SPANS, V_SPAN_QUEUE, 1500 * NS_PER_MS);
    cells_observe(r->cells, M_SPANS, V_SPAN_QUEUE, 1200 * NS_PER_S);
    exemplars_note(r->exemplars, METRIC_ROUTE_HEALTH, 1, "abc", 1);
    const char *text = render(r, EXPOSITION_PROMETHEUS);
    assert_has(text, "# TYPE limner_http_requests_total counter\n# HELP limner_http_requests_total HTTP");
    assert_has(text, "limner_http_requests_total{route=\"/health\",method=\"GET\",code=\"200\"} 3\n");
    assert_has(text, "limner_queue_depth{class=\"light\"} 0\n");
    assert_has(text, "# TYPE limner_build_info gauge\n");
    assert_has(text, "process_start_time_seconds 1700000000\n");
    assert_has(text, "limner_request_span_duration_seconds_bucket{span=\"queue\",le=\"1.0\"} 0\n");
    assert_has(text, "limner_request_span_duration_seconds_bucket{span=\"queue\",le=\"2.5\"} 1\n");
    assert_has(text, "limner_request_span_duration_seconds_bucket{span=\"queue\",le=\"600.0\"} 1\n");
    assert_has(text, "limner_request_span_duration_seconds_bucket{span=\"queue\",le=\"+Inf\"} 2\n");
    assert_has(text, "limner_request_span_duration_seconds_sum{span=\"queue\"} 1201.5\n");
    assert_has(text, "limner_request_span_duration_seconds_count{span=\"queue\"} 2\n");
    assert_null(strstr(text, "span=\"run\""));
    assert_null(strstr(text, "UNIT"));
    assert_null(strstr(text, " # {"));
}

static void openmetrics(void **state)
{
    struct rig *r = *state;
    cells_set(r->cells, M_BUILD, 0, 1);
    cells_set(r->cells, M_CPU, 0, 2500 * NS_PER_MS);
    cells_observe(r->cells, M_HTTP_DURATION, METRIC_ROUTE_FILES, 2 * NS_PER_MS);
    exemplars_note(r->exemplars, METRIC_ROUTE_FILES, 2 * NS_PER_MS, "req-1", NS_PER_S);
    const char *text = render(r, EXPOSITION_OPENMETRICS);
    assert_has(text, "# TYPE limner_source_rejected counter\n");
    assert_has(text, "limner_source_rejected_total{reason=\"bytes\"} 0\n");
    assert_has(text, "# TYPE limner_build info\n");
    assert_has(text, "limner_build_info{version=\"");
    assert_has(text, "# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n");
    assert_has(text, "process_cpu_seconds_total 2.5\n");
    const char *bucket = "limner_http_request_duration_seconds_bucket{route=\"/files/*\",le=\"0.0025\"} 1 # "
                         "{request_id=\"req-1\"} 0.002 ";
    assert_has(text, bucket);
    assert_has(text, "limner_http_request_duration_seconds_bucket{route=\"/files/*\",le=\"0.001\"} 0\n");
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_at_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prometheus, set_up, tear_down),
        cmocka_unit_test_setup_teardown(openmetrics, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
