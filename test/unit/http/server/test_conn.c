/* Time limits and the connection limit: the rule by itself, then on real sockets. */
#include <stddef.h>

#include "http/server/conn.h"
#include "http/server/server.h"
#include "peer.h"

static int set_up_hasty(void **state)
{
    echo_defaults();
    echo.opt.header_timeout_ms = 400;
    echo.opt.body_timeout_ms = 800;
    echo.opt.keepalive_timeout_ms = 500;
    echo.opt.discard_timeout_ms = 400;
    echo_start(0);
    return 0;
}

static bool overdue(enum conn_phase phase, uint64_t age_ms, uint64_t arrived)
{
    struct conn_view v = {.phase = phase, .age_ms = age_ms, .arrived = arrived, .reply_ms = 30000};
    return conn_overdue(&v, &echo.opt);
}

static bool overdue_of(uint64_t expected, uint64_t age_ms, uint64_t arrived)
{
    struct conn_view v = {.phase = CONN_BODY, .age_ms = age_ms, .arrived = arrived, .expected = expected};
    return conn_overdue(&v, &echo.opt);
}

static void test_rule(void **state)
{
    echo_defaults();
    assert_false(overdue(CONN_NEW, 10000, 0));
    assert_true(overdue(CONN_NEW, 10001, 0));
    assert_true(overdue(CONN_HEADERS, 10001, 0));
    assert_false(overdue(CONN_IDLE, 75000, 0));
    assert_true(overdue(CONN_IDLE, 75001, 0));
    assert_true(overdue(CONN_DISCARD, 5001, 1000000));
    assert_false(overdue(CONN_HANDLING, UINT64_MAX, 0));
    assert_false(overdue(CONN_SUSPENDED, UINT64_MAX, 0));
    assert_false(overdue(CONN_STREAM, UINT64_MAX, 0));
    assert_false(overdue(CONN_UPGRADED, UINT64_MAX, 0));
    assert_false(overdue(CONN_CUT, UINT64_MAX, 0));
    assert_false(overdue(CONN_REPLY, 30000, 0));
    assert_true(overdue(CONN_REPLY, 30001, 0));
    /* A body: whole in 30 s, and 1 kB/s on average after the first 5 s. */
    assert_false(overdue(CONN_BODY, 5000, 0));
    assert_true(overdue(CONN_BODY, 5001, 0));
    assert_false(overdue(CONN_BODY, 20000, 20480));
    assert_true(overdue(CONN_BODY, 20000, 20479));
    assert_false(overdue(CONN_BODY, 30000, 1000000));
    assert_true(overdue(CONN_BODY, 30001, 1000000));
    /* One with room for more than one picture has the time of each, at the same rate. */
    assert_false(overdue_of(10485760, 30000, 1000000));
    assert_true(overdue_of(10485760, 30001, 1000000));
    assert_false(overdue_of(10485761, 60000, 1000000));
    assert_true(overdue_of(10485761, 60002, 1000000));
    assert_false(overdue_of(12 * 10485760, 360000, 1000000));
    assert_true(overdue_of(12 * 10485760, 360012, 1000000));
    assert_true(overdue_of(12 * 10485760, 20000, 20479));
    assert_int_equal(conn_reply_limit_ms(0, &echo.opt), 30000);
    assert_int_equal(conn_reply_limit_ms(1024000, &echo.opt), 30000 + 1000000);
    echo.opt.body_min_rate = 0;
    assert_false(overdue(CONN_BODY, 20000, 0));
    assert_true(conn_reply_limit_ms(0, &echo.opt) == UINT64_MAX);
}

/* Says one character at a time until the server has had enough; the ms that took. */
static uint64_t trickle(int fd, int pause_ms)
{
    uint64_t start = now_ms();
    while (!peer_readable(fd, pause_ms)) {
        assert_true(now_ms() - start < PEER_WAIT_MS);
        if (!peer_send(fd, "a", 1))
            break;
    }
    return now_ms() - start;
}

static void test_slow_headers(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nX-Slow: "));
    uint64_t took = trickle(fd, 50);
    assert_in_range(took, 350, 2500);
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 408);
    assert_non_null(strstr(a.body, "REQUEST_TIMEOUT"));
    answer_release(&a);
    close(fd);
}

static void test_silent_connection(void **state)
{
    int fd = peer_open();
    uint64_t start = now_ms();
    assert_true(peer_closed(fd)); /* without a word */
    assert_in_range(now_ms() - start, 350, 2500);
    close(fd);
}

static void test_slow_second_request(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(peer_status(fd), 200);
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nX-Slow: "));
    assert_in_range(trickle(fd, 50), 350, 2500);
    assert_int_equal(peer_status(fd), 408);
    close(fd);
}

static void test_idle_keepalive(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(peer_status(fd), 200);
    uint64_t start = now_ms();
    assert_true(peer_closed(fd));
    assert_in_range(now_ms() - start, 400, 2500);
    close(fd);
}

static bool is_cut(struct conn *c)
{
    return (atomic_load(&c->word) & 15) == CONN_CUT;
}

/* Its time is over, but a request has just come that the front thread has not seen yet: it is served. */
static void test_idle_with_something_to_read(void **state)
{
    int pair[2];
    char byte;
    echo_defaults();
    echo.opt.keepalive_timeout_ms = 20;
    struct http h = {.opt = &echo.opt};
    struct front f = {.http = &h, .lock = PTHREAD_MUTEX_INITIALIZER};
    list_init(&f.conns);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct conn *c = conn_new(&f, pair[0]);
    conn_opened(c);
    conn_ended(c);
    assert_int_equal(write(pair[1], "G", 1), 1);
    uint64_t begun = conn_now_ms();
    while (conn_now_ms() - begun < 40)
        usleep(5000);
    conn_sweep(&f);
    assert_false(is_cut(c));
    assert_int_equal(read(pair[0], &byte, 1), 1);
    conn_sweep(&f);
    assert_true(is_cut(c));
    conn_closing(c);
    close(pair[0]);
    close(pair[1]);
}

/* A close that libmicrohttpd missed is found however late the sweep comes; then nobody looks any more. */
static void test_missed_close(void **state)
{
    enum { IDLE_MS = 5000 };
    static const struct {
        uint64_t looked_ms; /* how long it had been idle at the last look */
        bool found;
    } cases[] = {{0, true}, {600, true}, {1000, false}};
    echo_defaults();
    struct http h = {.opt = &echo.opt};
    struct front f = {.http = &h, .lock = PTHREAD_MUTEX_INITIALIZER};
    list_init(&f.conns);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        struct conn *c = conn_new(&f, pair[0]);
        conn_opened(c);
        uint64_t since = conn_now_ms() - IDLE_MS;
        atomic_store(&c->word, since << 4 | CONN_IDLE);
        c->looked_ms = since + cases[i].looked_ms;
        close(pair[1]);
        conn_sweep(&f);
        assert_int_equal(is_cut(c), cases[i].found);
        conn_closing(c);
        close(pair[0]);
    }
}

static void test_slow_body(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
    assert_in_range(trickle(fd, 50), 700, 3000);
    assert_int_equal(peer_status(fd), 408);
    close(fd);
    expect_quiet();
    assert_int_equal(atomic_load(&echo.closed), 1);
}

static void test_slow_discard(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"));
    assert_int_equal(peer_status(fd), 413);
    uint64_t start = now_ms();
    while (peer_send(fd, "a", 1) && now_ms() - start < PEER_WAIT_MS)
        usleep(50000);
    assert_in_range(now_ms() - start, 300, 2500);
    close(fd);
}

/* A suspended exchange may wait longer than any limit. */
static void test_suspended_is_not_cut(void **state)
{
    echo.wait_ms = 2000;
    int fd = peer_open();
    assert_true(peer_say(fd, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"));
    assert_int_equal(peer_status(fd), 200);
    close(fd);
}

/* A client that asks for much and takes nothing. */
static int set_up_big(void **state)
{
    echo_defaults();
    echo.opt.header_timeout_ms = 400;
    echo.opt.keepalive_timeout_ms = 500;
    echo.big = 40000000;
    echo_start(0);
    return 0;
}

static void test_reader_that_stops(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
    uint64_t start = now_ms();
    while (http_connections(echo.http) == 0 && now_ms() - start < 1000)
        usleep(1000);
    while (http_connections(echo.http) > 0 && now_ms() - start < PEER_WAIT_MS)
        usleep(10000);
    assert_in_range(now_ms() - start, 1000, PEER_WAIT_MS - 1);
    close(fd);
}

/* Fast requests are never cut, however short the limits. */
static void test_busy_connection_lives(void **state)
{
    int fd = peer_open();
    uint64_t start = now_ms();
    while (now_ms() - start < 1500) {
        assert_true(peer_say(fd, "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"));
        assert_int_equal(peer_status(fd), 200);
        usleep(20000);
    }
    close(fd);
}

/* ---- the connection limit ---- */

static int set_up_few(void **state)
{
    echo_defaults();
    echo.opt.connections_max = 20;
    echo_start(0);
    return 0;
}

static void test_connection_limit(void **state)
{
    assert_int_equal(http_connections_max(echo.http), 20);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = peer_open();
        assert_true(peer_say(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_int_equal(peer_status(fds[i]), 200);
    }
    assert_int_equal(http_connections(echo.http), 20);
    for (int i = 0; i < 60; i++) {
        int fd = peer_open();
        peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        struct answer a = peer_answer(fd, false);
        assert_int_equal(a.status, 503);
        assert_non_null(answer_header(&a, "Retry-After"));
        assert_non_null(strstr(a.body, "\"status\":\"error\""));
        answer_release(&a);
        assert_true(peer_closed(fd));
        close(fd);
    }
    for (int i = 0; i < 20; i++) {
        assert_true(peer_say(fds[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_int_equal(peer_status(fds[i]), 200);
        close(fds[i]);
    }
    expect_quiet();
    expect_get_works();
}

static void test_limit_is_computed(void **state)
{
    echo_defaults();
    echo_start(0);
    long files = sysconf(_SC_OPEN_MAX);
    assert_in_range(http_connections_max(echo.http), 16, (unsigned long)files / 2);
    echo_stop();
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up_hasty, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_idle_with_something_to_read),
        cmocka_unit_test(test_missed_close),
        WITH_SERVER(test_slow_headers),
        WITH_SERVER(test_silent_connection),
        WITH_SERVER(test_slow_second_request),
        WITH_SERVER(test_idle_keepalive),
        WITH_SERVER(test_slow_body),
        WITH_SERVER(test_slow_discard),
        WITH_SERVER(test_suspended_is_not_cut),
        WITH_SERVER(test_busy_connection_lives),
        cmocka_unit_test_setup_teardown(test_reader_that_stops, set_up_big, tear_down),
        cmocka_unit_test_setup_teardown(test_connection_limit, set_up_few, tear_down),
        cmocka_unit_test(test_limit_is_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
