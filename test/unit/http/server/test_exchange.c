/* Refusals: before, in and after a body; requests that must not be believed; CORS. */
#include <stddef.h>

#include "peer.h"

static bool send_zeros(int fd, size_t size)
{
    static const char zeros[65536];
    while (size > 0) {
        size_t n = MIN(size, sizeof(zeros));
        if (!peer_send(fd, zeros, n))
            return false;
        size -= n;
    }
    return true;
}

static void test_expect_is_refused_without_body(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                             "Content-Length: 20000000\r\n\r\n"));
    struct answer a = peer_answer(fd, false); /* no 100 comes first */
    assert_int_equal(a.status, 413);
    assert_non_null(strstr(a.body, "\"code\":\"PAYLOAD_TOO_LARGE\""));
    assert_non_null(strstr(a.body, "\"field\":\"image\""));
    assert_string_equal(answer_header(&a, "Connection"), "close");
    answer_release(&a);
    assert_true(peer_closed(fd));
    close(fd);
}

static void test_expect_is_continued(void **state)
{
    int fd = peer_open();
    assert_true(
        peer_say(fd, "POST /raw HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
    assert_int_equal(peer_status(fd), 100);
    assert_true(peer_say(fd, "abc"));
    assert_int_equal(peer_status(fd), 200);
    close(fd);
}

static void test_small_refusal_keeps_the_connection(void **state)
{
    int fd = peer_open();
    for (int i = 0; i < 3; i++) {
        assert_true(peer_say(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
        assert_true(send_zeros(fd, 100000));
        struct answer a = peer_answer(fd, false);
        assert_int_equal(a.status, 413);
        assert_null(answer_header(&a, "Connection"));
        answer_release(&a);
    }
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(peer_status(fd), 200);
    close(fd);
}

/* A client that sends everything before it looks, as Python's requests does. */
static void expect_answer_after_all(const char *request, size_t size, int status)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "%s", request));
    assert_true(send_zeros(fd, size));
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, status);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    assert_non_null(strstr(a.body, "\"status\":\"error\""));
    assert_non_null(answer_header(&a, "x-request-id"));
    answer_release(&a);
    assert_true(peer_closed(fd));
    close(fd);
}

static void test_large_refusals_are_heard(void **state)
{
    expect_answer_after_all("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 12582912\r\n\r\n", 12582912,
                            413);
    expect_answer_after_all("POST /refuse-late HTTP/1.1\r\nHost: x\r\nContent-Length: 12582912\r\n\r\n",
                            12582912, 413);
    expect_answer_after_all(
        "POST /refuse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n500000\r\n", 0x500000, 413);
}

static void test_large_refusal_is_said_at_once(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n\r\n"));
    assert_int_equal(peer_status(fd), 413);
    assert_false(send_zeros(fd, 500000000)); /* and past the bound the socket is shut */
    close(fd);
}

static void test_late_refusal_of_a_chunked_body(void **state)
{
    int fd = peer_open();
    assert_true(
        peer_say(fd, "POST /refuse-late HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n"));
    assert_true(send_zeros(fd, 0x800));
    assert_int_equal(peer_status(fd), 413);
    assert_true(peer_say(fd, "\r\n0\r\n\r\n"));
    assert_true(peer_closed(fd));
    close(fd);
}

static void expect_bad(const char *headers, const char *say)
{
    int fd = peer_open();
    assert_true(peer_send(fd, headers, strlen(headers)));
    struct answer a = peer_answer(fd, false);
    if (a.status != 400 || !strstr(a.body, say))
        fail_msg("%s\n→ %d %s", headers, a.status, a.body);
    assert_non_null(strstr(a.body, "\"code\":\"VALIDATION_ERROR\""));
    assert_non_null(strstr(a.body, "\"message\":\"Invalid input\""));
    assert_string_equal(answer_header(&a, "Connection"), "close");
    answer_release(&a);
    close(fd);
}

static void test_ambiguous_requests(void **state)
{
    expect_bad("GET / HTTP/1.1\r\n\r\n", "Host header is required");
    expect_bad("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "two different Host");
    expect_bad(
        "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "exclude each other");
    expect_bad(
        "POST /raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "exclude each other");
    expect_bad("POST /raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
               "chunked");
    expect_bad("POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
               "two different Content-Length");
    expect_bad("POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc", "header's name");
    expect_bad("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "request target");
    assert_int_equal(atomic_load(&echo.begun), 0); /* the handler never saw one */
}

/* What libmicrohttpd refuses in its own words. */
static void expect_refused(const char *request, int least, int most)
{
    int fd = peer_open();
    assert_true(peer_send(fd, request, strlen(request)));
    int status = peer_status(fd);
    if (status != 0 && (status < least || status > most))
        fail_msg("%s\n→ %d", request, status);
    close(fd);
}

static void test_garbage(void **state)
{
    expect_refused("POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400, 400);
    expect_refused("POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, 400);
    expect_refused("POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413,
                   413);
    expect_refused("POST /raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, 400);
    expect_refused("GET / HTTP/1.1\r\nno colon here\r\n\r\n", 400, 400);
    expect_refused("\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03 a TLS hello\r\n\r\n", 400, 505);
    expect_refused("GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400, 505);
    expect_get_works();
}

static void test_huge_headers(void **state)
{
    char *value = mem_alloc(65537);
    memset(value, 'a', 65536);
    value[65536] = '\0';
    FREE_ON_EXIT char *header = mem_printf("GET / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", value);
    FREE_ON_EXIT char *target = mem_printf("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", value);
    int fd = peer_open();
    peer_send(fd, header, strlen(header));
    assert_int_equal(peer_status(fd), 431);
    close(fd);
    fd = peer_open();
    peer_send(fd, target, strlen(target));
    assert_int_equal(peer_status(fd), 414);
    close(fd);
    value[8192] = '\0'; /* what a browser with many cookies may send */
    FREE_ON_EXIT char *fair = mem_printf("GET / HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", value);
    fd = peer_open();
    peer_send(fd, fair, strlen(fair));
    assert_int_equal(peer_status(fd), 200);
    close(fd);
    free(value);
}

static void test_problem_json(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET /refuse HTTP/1.1\r\nHost: x\r\nx-request-id: r1\r\n"
                             "Accept: text/html, application/problem+json;q=0.9\r\n\r\n"));
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 413);
    assert_string_equal(answer_header(&a, "Content-Type"), "application/problem+json");
    assert_non_null(strstr(a.body, "\"type\":\"/errors/PAYLOAD_TOO_LARGE\""));
    assert_non_null(strstr(a.body, "\"instance\":\"r1\""));
    answer_release(&a);
    close(fd);
}

static struct answer ask(const char *request)
{
    int fd = peer_open();
    assert_true(peer_send(fd, request, strlen(request)));
    struct answer a = peer_answer(fd, false);
    close(fd);
    return a;
}

static void test_preflight(void **state)
{
    struct answer a =
        ask("OPTIONS /hash HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\n"
            "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-api-key\r\n\r\n");
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "*");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Headers"), "x-api-key");
    assert_non_null(strstr(answer_header(&a, "Access-Control-Allow-Methods"), "POST"));
    answer_release(&a);
    assert_int_equal(atomic_load(&echo.begun), 0);
}

static int set_up_cors(void **state)
{
    echo_defaults();
    echo.opt.cors_origins = "https://a.example, https://b.example";
    echo_start(0);
    return 0;
}

static void test_cors_list(void **state)
{
    struct answer a = ask("GET / HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example\r\n\r\n");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "https://b.example");
    assert_non_null(strstr(answer_header(&a, "Access-Control-Expose-Headers"), "Retry-After"));
    assert_string_equal(answer_header(&a, "Vary"), "Origin");
    answer_release(&a);
    a = ask("GET / HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_null(answer_header(&a, "Access-Control-Allow-Origin"));
    assert_string_equal(answer_header(&a, "Vary"), "Origin");
    answer_release(&a);
    a = ask("OPTIONS /refuse HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n"
            "Access-Control-Request-Method: POST\r\n\r\n");
    assert_int_equal(a.status, 413); /* the handler's business */
    answer_release(&a);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_expect_is_refused_without_body),
        WITH_SERVER(test_expect_is_continued),
        WITH_SERVER(test_small_refusal_keeps_the_connection),
        WITH_SERVER(test_large_refusals_are_heard),
        WITH_SERVER(test_large_refusal_is_said_at_once),
        WITH_SERVER(test_late_refusal_of_a_chunked_body),
        WITH_SERVER(test_ambiguous_requests),
        WITH_SERVER(test_garbage),
        WITH_SERVER(test_huge_headers),
        WITH_SERVER(test_problem_json),
        WITH_SERVER(test_preflight),
        cmocka_unit_test_setup_teardown(test_cors_list, set_up_cors, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
