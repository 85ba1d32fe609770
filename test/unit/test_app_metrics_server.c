#include "app_metrics_server.h"

#include "scratch.h"

static void addresses(void **state)
{
    static const struct {
        const char *text, *host; /* host NULL: it is none */
        int port;
    } cases[] = {
        {"127.0.0.1:9090", "127.0.0.1", 9090},
        {"localhost:1", "localhost", 1},
        {":9090", "", 9090},
        {"[::1]:9090", "::1", 9090},
        {"[::]:65535", "::", 65535},
        {"h:0", "h", 0},
        {"", NULL, 0},
        {"9090", NULL, 0},
        {"h:", NULL, 0},
        {"h:65536", NULL, 0},
        {"h:123456", NULL, 0},
        {"h:-1", NULL, 0},
        {"h:1x", NULL, 0},
        {"::1:9090", NULL, 0},
        {"h: 1", NULL, 0},
        {"[::1]", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char host[METRICS_HOST_MAX] = "";
        int port = 0;
        assert_int_equal(app_metrics_address(cases[i].text, host, &port),
                         cases[i].host ? 0 : -ERR_VALIDATION);
        assert_string_equal(host, cases[i].host ? cases[i].host : "");
        assert_int_equal(port, cases[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
