#include "web/metrics_page.h"

#include "scratch.h"

static void formats_by_accept(void **state)
{
    static const struct {
        const char *accept;
        enum metrics_format format;
    } cases[] = {
        {NULL, METRICS_JSON},
        {"", METRICS_JSON},
        {"*/*", METRICS_JSON},
        {"application/json", METRICS_JSON},
        {"image/png", METRICS_JSON},
        {"text/plain", METRICS_PROMETHEUS},
        {"text/plain;version=0.0.4", METRICS_PROMETHEUS},
        {"TEXT/Plain; Version=0.0.4; charset=utf-8", METRICS_PROMETHEUS},
        {"text/plain;version=1.0.0", METRICS_JSON},
        {"application/openmetrics-text", METRICS_OPENMETRICS},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=2.0.0", METRICS_JSON},
        /* axios, fetch() and browsers */
        {"application/json, text/plain, */*", METRICS_JSON},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", METRICS_JSON},
        /* Prometheus 2 and 3 */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
         "application/openmetrics-text;version=0.0.1;q=0.4,text/"
         "plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
         "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
         METRICS_OPENMETRICS},
        {"text/plain;version=0.0.4;q=0.5,*/*;q=0.1", METRICS_PROMETHEUS},
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
         "text/plain;version=0.0.4;q=0.3",
         METRICS_PROMETHEUS},
        /* nonsense */
        {";;;,,,=", METRICS_JSON},
        {"text/plain;q=0", METRICS_JSON},
        {"text/plain;q=x", METRICS_JSON},
        {"text/plain;q=nan", METRICS_JSON},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (metrics_format_accepted(cases[i].accept) != cases[i].format)
            print_error("%s\n", cases[i].accept);
        assert_int_equal(metrics_format_accepted(cases[i].accept), cases[i].format);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(formats_by_accept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
