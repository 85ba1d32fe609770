/* The server over real sockets: requests as they should be, resumes, many connections, start and stop. */
#include <linux/tcp.h>
#include <stddef.h>

#include "peer.h"

static void test_get_keeps_alive(void **state)
{
    int fd = peer_open();
    for (int i = 0; i < 3; i++) {
        assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\nx-request-id: my-id-%d\r\n\r\n", i));
        struct answer a = peer_answer(fd, false);
        char id[16];
        snprintf(id, sizeof(id), "my-id-%d", i);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "{\"ok\":true}");
        assert_string_equal(answer_header(&a, "x-request-id"), id);
        assert_string_equal(answer_header(&a, "X-Content-Type-Options"), "nosniff");
        assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "*");
        assert_non_null(answer_header(&a, "Date"));
        assert_null(answer_header(&a, "Connection"));
        answer_release(&a);
    }
    close(fd);
}

static void test_request_ids(void **state)
{
    static const char *const refused[] = {"", "has space", "tab\tin", "caf\xc3\xa9"};
    char first[64] = "";
    int fd = peer_open();
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: %s\r\n\r\n", refused[i]));
        struct answer a = peer_answer(fd, false);
        const char *id = answer_header(&a, "x-request-id");
        assert_int_equal(strlen(id), 36);
        assert_string_not_equal(id, first);
        snprintf(first, sizeof(first), "%s", id);
        answer_release(&a);
    }
    for (int len = 128; len <= 129; len++) {
        char own[160];
        memset(own, 'a', sizeof(own));
        own[len] = '\0';
        assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\nx-request-id: %s\r\n\r\n", own));
        struct answer a = peer_answer(fd, false);
        assert_int_equal(strlen(answer_header(&a, "x-request-id")), len == 128 ? 128 : 36);
        answer_release(&a);
    }
    close(fd);
}

static void expect_echo(const char *request, const char *want)
{
    int fd = peer_open();
    assert_true(peer_send(fd, request, strlen(request)));
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, want);
    assert_null(strstr(a.head, "Injected"));
    answer_release(&a);
    close(fd);
}

static void test_paths_and_queries(void **state)
{
    expect_echo("GET /echo?a=1&b&c=%20y+z&d= HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo 0 a=1 b= c= y z d=");
    expect_echo("GET /%65cho?n=a%00b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo 0 n=a%00b");
    expect_echo("GET http://some.host:99/echo?q=1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo 0 q=1");
    expect_echo("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "PUT /echo 3");
    expect_echo("DELETE /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "DELETE /echo -1");
}

static void test_head(void **state)
{
    int fd = peer_open();
    for (int i = 0; i < 2; i++) {
        assert_true(peer_say(fd, "HEAD /big HTTP/1.1\r\nHost: x\r\n\r\n"));
        struct answer a = peer_answer(fd, true);
        assert_int_equal(a.status, 200);
        assert_int_equal(strtoul(answer_header(&a, "Content-Length"), NULL, 10), echo.big);
        answer_release(&a);
    }
    close(fd);
}

static void test_big_bodies(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\nGET /file HTTP/1.1\r\nHost: x\r\n\r\n"));
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.size, echo.big);
    assert_memory_equal(a.body, echo.big_body->data, echo.big);
    answer_release(&a);
    a = peer_answer(fd, false);
    assert_int_equal(a.size, echo.big - 1);
    assert_memory_equal(a.body, echo.big_body->data + 1, echo.big - 1);
    answer_release(&a);
    close(fd);
}

static void test_pipelining(void **state)
{
    int fd = peer_open();
    for (int i = 0; i < 5; i++)
        assert_true(peer_say(fd,
                             "GET /echo?n=%d HTTP/1.1\r\nHost: x\r\n\r\n"
                             "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                             "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
                             i));
    for (int i = 0; i < 5; i++) {
        char want[64];
        snprintf(want, sizeof(want), "GET /echo 0 n=%d", i);
        struct answer a = peer_answer(fd, false);
        assert_string_equal(a.body, want);
        answer_release(&a);
        a = peer_answer(fd, false);
        assert_non_null(strstr(a.body, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        answer_release(&a);
        a = peer_answer(fd, false);
        assert_string_equal(a.body, "{\"waited\":true}");
        answer_release(&a);
    }
    close(fd);
}

static void test_chunked(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "POST /raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    static const char *const pieces[] = {"1\r",   "\na\r\n2;ext", "=1\r\nb",
                                         "c\r\n", "0\r\n",        "Trailer: 1\r\n\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        usleep(2000);
        assert_true(peer_say(fd, "%s", pieces[i]));
    }
    struct answer a = peer_answer(fd, false);
    assert_non_null(strstr(a.body, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    answer_release(&a);
    close(fd);
}

static void test_form_in_pieces(void **state)
{
    static const char form[] = "--B\r\nContent-Disposition: form-data; name=\"scale\"\r\n\r\n2\r\n--B\r\n"
                               "Content-Disposition: form-data; name=\"image\"; filename=\"a.jpg\"\r\n"
                               "Content-Type: image/jpeg\r\n\r\nabc\r\n--B--\r\n";
    for (size_t step = 1; step < sizeof(form); step += 13) {
        int fd = peer_open();
        assert_true(peer_say(fd,
                             "POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n"
                             "Content-Type: multipart/form-data; boundary=B\r\n\r\n",
                             sizeof(form) - 1));
        for (size_t at = 0; at < sizeof(form) - 1; at += step) {
            assert_true(peer_send(fd, form + at, MIN(step, sizeof(form) - 1 - at)));
            usleep(100);
        }
        struct answer a = peer_answer(fd, false);
        assert_non_null(strstr(a.body, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        answer_release(&a);
        close(fd);
    }
}

/* ---- suspended ---- */

static void *resume_client(void *ctx)
{
    int bad = 0;
    int fd = peer_open();
    for (int i = 0; i < 125; i++) {
        bad += !peer_say(fd, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");
        bad += peer_status(fd) != 200;
    }
    close(fd);
    *(int *)ctx = bad;
    return NULL;
}

static void test_thousand_resumes(void **state)
{
    pthread_t threads[8];
    int bad[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resume_client, &bad[i]), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(bad[i], 0);
    }
    assert_int_equal(atomic_load(&echo.begun), 1000);
}

static void await_waiting(int n)
{
    for (int i = 0; i < 4000 && atomic_load(&echo.waiting) != n; i++)
        usleep(5000);
    assert_int_equal(atomic_load(&echo.waiting), n);
}

static void test_client_leaves_while_suspended(void **state)
{
    atomic_store(&echo.hold, true);
    enum { N = 50 };
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = peer_open();
        assert_true(peer_say(fds[i], "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"));
    }
    await_waiting(N);
    for (int i = 0; i < N; i++) {
        if (i % 3 == 0) { /* a reset */
            struct linger at_once = {.l_onoff = 1};
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        }
        if (i % 3 != 2)
            close(fds[i]);
    }
    usleep(20000);
    assert_int_equal(atomic_load(&echo.closed), 0); /* all stay valid until they are answered */
    atomic_store(&echo.hold, false);
    for (int i = 2; i < N; i += 3) {
        assert_int_equal(peer_status(fds[i]), 200);
        close(fds[i]);
    }
    expect_quiet();
    assert_int_equal(atomic_load(&echo.closed), N);
}

static void test_client_leaves_in_body(void **state)
{
    for (int i = 0; i < 20; i++) {
        int fd = peer_open();
        assert_true(peer_say(fd, "POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                                 "Content-Type: multipart/form-data; boundary=B\r\n\r\n--B\r\nContent-Disp"));
        usleep(i % 2 ? 3000 : 0);
        close(fd);
    }
    expect_quiet();
}

static void test_half_close(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    assert_int_equal(peer_status(fd), 200);
    assert_true(peer_closed(fd));
    close(fd);
}

/* ---- many, and the end ---- */

/* All of them begin a request before the first is ended, and a slow machine may take its time over that. */
static int set_up_patient(void **state)
{
    echo_defaults();
    echo.opt.header_timeout_ms = 300000;
    echo_start(0);
    return 0;
}

static void test_many_idle(void **state)
{
    enum { N = 2000 };
    int n = (int)MIN((unsigned)N, http_connections_max(echo.http) - 10);
    n = MIN(n, (int)sysconf(_SC_OPEN_MAX) / 2 - 100); /* both ends are ours here */
    int *fds = mem_alloc((size_t)n * sizeof(*fds));
    for (int i = 0; i < n; i++) {
        fds[i] = peer_open();
        if (i % 2)
            assert_true(peer_say(fds[i], "GET / HTTP/1.1\r\nHo"));
    }
    for (int i = 0; i < 20; i++)
        expect_get_works();
    for (int i = 1; i < n; i += 2) {
        assert_true(peer_say(fds[i], "st: x\r\n\r\n"));
        assert_int_equal(peer_status(fds[i]), 200);
    }
    for (int i = 0; i < n; i++)
        close(fds[i]);
    free(fds);
    expect_quiet();
}

static void test_drain(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(peer_status(fd), 200);
    http_drain(echo.http);
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    answer_release(&a);
    assert_true(peer_closed(fd));
    close(fd);
    expect_get_works();
}

static unsigned backlog(void)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    assert_int_equal(getsockopt(echo.listen_fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_unacked;
}

/* Another process accepts: what is open is served and told to come back, and who comes is left to the other.
 */
static void test_leave(void **state)
{
    int used = peer_open(), held = peer_open(), idle = peer_open();
    atomic_store(&echo.hold, true);
    assert_true(peer_say(held, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"));
    await_waiting(1);
    assert_true(peer_say(used, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(peer_status(used), 200);
    assert_true(peer_say(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(peer_status(idle), 200);
    http_leave(echo.http, PEER_WAIT_MS);
    for (int i = 0; i < 4000 && !http_has_left(echo.http); i++)
        usleep(5000);
    assert_true(http_has_left(echo.http));
    int late = peer_open();
    assert_true(peer_say(late, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(peer_say(used, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    atomic_store(&echo.hold, false);
    for (int i = 0; i < 2; i++) {
        int fd = i ? held : used;
        struct answer a = peer_answer(fd, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "Connection"), "close");
        answer_release(&a);
        assert_true(peer_closed(fd));
        close(fd);
    }
    assert_false(peer_readable(idle, 0));
    http_leave(echo.http, 0); /* long before KEEPALIVE_TIMEOUT_MS */
    assert_true(peer_closed(idle));
    close(idle);
    expect_quiet();
    assert_int_equal(backlog(), 1);
    close(late);
}

/* Whoever stops the server can wait until every reply has left. */
static void test_answering(void **state)
{
    echo_defaults();
    echo.big = 40000000; /* more than the sockets hold */
    echo_start(0);
    int fd = peer_open();
    assert_int_equal(http_answering(echo.http), 0);
    assert_true(peer_say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(peer_readable(fd, PEER_WAIT_MS));
    assert_int_equal(http_answering(echo.http), 1);
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    for (int i = 0; i < 1000 && http_answering(echo.http) > 0; i++)
        usleep(1000);
    assert_int_equal(http_answering(echo.http), 0);
    close(fd);
    echo_stop();
}

/* http_stop closes what is open in every state. */
static void test_stop_with_connections(void **state)
{
    for (int round = 0; round < 5; round++) {
        echo_defaults();
        echo_start(0);
        int fds[40];
        for (int i = 0; i < 40; i++) {
            fds[i] = peer_open();
            if (i % 4 == 1)
                peer_say(fds[i], "GET / HT");
            if (i % 4 == 2)
                peer_say(fds[i], "POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n12345");
            if (i % 4 == 3)
                peer_say(fds[i], "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        usleep(round ? 20000 : 0);
        echo_stop();
        assert_int_equal(atomic_load(&echo.begun), atomic_load(&echo.closed));
        assert_int_equal(blob_live_count(), 0);
        for (int i = 0; i < 40; i++)
            close(fds[i]);
    }
}

static void test_listen_errors(void **state)
{
    struct error e = {0};
    int fd = -1, again = -1;
    assert_int_equal(http_listen("192.0.2.1", 0, &fd, &e), -ERR_VALIDATION);
    assert_string_equal(e.field, "HOST");
    assert_int_equal(http_listen("127.0.0.1", 0, &fd, &e), 0);
    assert_int_equal(http_listen("127.0.0.1", http_port_of(fd), &again, &e), -ERR_VALIDATION);
    assert_string_equal(e.field, "PORT");
    assert_int_equal(again, -1);
    close(fd);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_get_keeps_alive),
        WITH_SERVER(test_request_ids),
        WITH_SERVER(test_paths_and_queries),
        WITH_SERVER(test_head),
        WITH_SERVER(test_big_bodies),
        WITH_SERVER(test_pipelining),
        WITH_SERVER(test_chunked),
        WITH_SERVER(test_form_in_pieces),
        WITH_SERVER(test_thousand_resumes),
        WITH_SERVER(test_client_leaves_while_suspended),
        WITH_SERVER(test_client_leaves_in_body),
        WITH_SERVER(test_half_close),
        cmocka_unit_test_setup_teardown(test_many_idle, set_up_patient, tear_down),
        WITH_SERVER(test_drain),
        WITH_SERVER(test_leave),
        cmocka_unit_test(test_answering),
        cmocka_unit_test(test_stop_with_connections),
        cmocka_unit_test(test_listen_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
