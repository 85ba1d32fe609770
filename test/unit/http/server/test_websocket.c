/* WebSockets over real sockets: the handshake and who is refused, frames in all forms, bounds, both ends of
 * the closing handshake, peers that die, a server that stops. */
#include <semaphore.h>
#include <stddef.h>

#include "http/server/websocket.h"
#include "loop/loop_uv.h"
#include "ws_peer.h"

/* The core: a loop in a thread of its own. What it is told: "close" (with 4001), "many" (sends a lot), "who",
 * "last" (says a word and closes), "all" (sends more than the sockets hold and closes); else it echoes. */
static struct {
    struct websockets_config config;
    struct websockets *all;
    struct loop_uv *uv;
    pthread_t thread;
    struct websocket *latest; /* core */
    atomic_int opened, closed, texts, many;
    size_t text_size; /* of the last; core */
} rig;

static void on_opened(void *ctx, struct websocket *w)
{
    rig.latest = w;
    websocket_set_state(w, &rig);
    atomic_fetch_add(&rig.opened, 1);
}

static void send_text(struct websocket *w, const char *text)
{
    websocket_send(w, text, strlen(text));
}

static void send_many(struct websocket *w, int count)
{
    static char text[10001];
    memset(text, 'm', 10000);
    for (int i = 0; i < count; i++)
        websocket_send(w, text, 10000);
    atomic_fetch_add(&rig.many, 1);
}

static void on_text(void *ctx, struct websocket *w, const char *text, size_t size)
{
    assert_ptr_equal(websocket_state(w), &rig);
    CHECK(text[size] == '\0');
    rig.text_size = size;
    atomic_fetch_add(&rig.texts, 1);
    if (strcmp(text, "close") == 0) {
        websocket_close(w, 4001, "as you wish");
        websocket_close(w, 4002, "again");
        send_text(w, "too late");
    } else if (strcmp(text, "last") == 0) {
        send_text(w, "a last word");
        websocket_close(w, 1000, "");
    } else if (strcmp(text, "many") == 0) {
        send_many(w, 100000);
    } else if (strcmp(text, "all") == 0) {
        send_many(w, 1500);
        websocket_close(w, 1000, "that was all");
    } else if (strcmp(text, "who") == 0) {
        send_text(w, websocket_who(w) ? websocket_who(w) : "nobody");
    } else {
        websocket_send(w, text, size);
    }
}

static void on_closed(void *ctx, struct websocket *w)
{
    CHECK(websocket_state(w) == &rig);
    rig.latest = NULL;
    atomic_fetch_add(&rig.closed, 1);
}

/* Does something on the core thread, and waits until it is done. */
struct action {
    struct message message;
    void (*fn)(void);
    sem_t done;
};

static void act(struct message *m)
{
    struct action *a = CONTAINER_OF(m, struct action, message);
    a->fn();
    sem_post(&a->done);
}

static void on_core(void (*fn)(void))
{
    struct action a = {.fn = fn};
    sem_init(&a.done, 0, 0);
    loop_post(loop_uv_loop(rig.uv), &a.message, act);
    sem_wait(&a.done);
    sem_destroy(&a.done);
}

static void *core(void *ctx)
{
    loop_uv_run(rig.uv);
    return NULL;
}

static void stop_all(void)
{
    websockets_stop(rig.all);
}

static void cut_all(void)
{
    websockets_cut(rig.all);
}

static void stop_loop(void)
{
    loop_uv_stop(rig.uv);
}

static void on_request(void *ctx, struct exchange *x)
{
    atomic_fetch_add(&echo.begun, 1);
    websocket_accept(rig.all, x, exchange_header(x, "x-api-key"));
}

static void on_body(void *ctx, struct exchange *x, const void *data, size_t size)
{
}

static void on_complete(void *ctx, struct exchange *x)
{
    CHECK(false);
}

static void on_close(void *ctx, struct exchange *x)
{
    atomic_fetch_add(&echo.closed, 1);
}

static const struct http_handler handler = {on_request, on_body, on_complete, on_close, NULL};

static int start_with(const struct websockets_config *config)
{
    echo_defaults();
    echo.handler = &handler;
    atomic_store(&rig.opened, 0);
    atomic_store(&rig.closed, 0);
    atomic_store(&rig.texts, 0);
    atomic_store(&rig.many, 0);
    rig.uv = loop_uv_new();
    rig.config = *config;
    rig.config.uv = rig.uv;
    rig.config.opened = on_opened;
    rig.config.text = on_text;
    rig.config.closed = on_closed;
    rig.all = websockets_new(&rig.config);
    CHECK(pthread_create(&rig.thread, NULL, core, NULL) == 0);
    echo_start(0);
    return 0;
}

static const struct websockets_config usual = {
    .origins = "https://app.example, http://localhost:5173/",
    .message_max = 70000,
    .queue_max = 200000,
    .rate = 1000,
    .ping_s = 60,
    .connections_max = 300,
};

static int start(void **state)
{
    return start_with(&usual);
}

/* Waits until a count is reached. */
static void expect_count(atomic_int *count, int wanted)
{
    for (int i = 0; i < PEER_WAIT_MS && atomic_load(count) < wanted; i++)
        usleep(1000);
    assert_int_equal(atomic_load(count), wanted);
}

static void expect_none_open(void)
{
    for (int i = 0; i < PEER_WAIT_MS && websockets_open(rig.all) > 0; i++)
        usleep(1000);
    assert_int_equal(websockets_open(rig.all), 0);
}

/* In the order that the header asks for. */
static int finish(void **state)
{
    on_core(stop_all);
    on_core(cut_all);
    on_core(stop_loop);
    pthread_join(rig.thread, NULL);
    expect_quiet();
    echo_stop();
    assert_int_equal(atomic_load(&rig.opened), atomic_load(&rig.closed));
    websockets_free(rig.all);
    loop_uv_free(rig.uv);
    return 0;
}

/* ---- the handshake ---- */

static void test_handshake(void **state)
{
    int fd = peer_open();
    struct answer a = ws_ask(fd, "x-api-key: ann\r\nSec-WebSocket-Protocol: chat\r\n"
                                 "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    assert_int_equal(a.status, 101);
    assert_string_equal(answer_header(&a, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_string_equal(answer_header(&a, "Upgrade"), "websocket");
    assert_string_equal(answer_header(&a, "Connection"), "Upgrade");
    assert_non_null(answer_header(&a, "x-request-id"));
    assert_null(answer_header(&a, "Sec-WebSocket-Protocol"));
    assert_null(answer_header(&a, "Sec-WebSocket-Extensions"));
    answer_release(&a);
    assert_true(ws_say(fd, "hello"));
    ws_expect(fd, "hello");
    assert_true(ws_say(fd, "who"));
    ws_expect(fd, "ann");
    assert_int_equal(atomic_load(&echo.closed), 1); /* the exchange is over */
    assert_int_equal(websockets_open(rig.all), 1);
    assert_int_equal(http_connections(echo.http), 1);
    assert_int_equal(http_answering(echo.http), 0);
    assert_true(ws_send(fd, WS_FIN | WS_CLOSE, "\x03\xe9so long", 9)); /* 1001 */
    struct ws_got g = ws_get(fd);
    assert_int_equal(g.what, WS_CLOSE);
    assert_int_equal(g.code, 1001);
    ws_got_release(&g);
    assert_true(peer_closed(fd));
    close(fd);
    expect_none_open();
}

/* Firefox asks so. */
static void test_connection_is_a_list(void **state)
{
    int fd = peer_open();
    assert_true(
        peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n\r\n"));
    assert_int_equal(peer_status(fd), 101);
    assert_true(ws_say(fd, "who"));
    ws_expect(fd, "nobody");
    close(fd);
}

static void expect_refusal(const char *request, int status)
{
    int fd = peer_open();
    assert_true(peer_send(fd, request, strlen(request)));
    struct answer a = peer_answer(fd, false);
    if (a.status != status)
        fail_msg("%s\n→ %d %s", request, a.status, a.body);
    assert_string_equal(answer_header(&a, "Sec-WebSocket-Version"), "13");
    assert_non_null(strstr(a.body, "\"status\":\"error\""));
    answer_release(&a);
    close(fd);
}

#define UPGRADE "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: " WS_KEY "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void test_bad_handshakes(void **state)
{
    expect_refusal("POST / HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n", 405);
    expect_refusal("GET / HTTP/1.0\r\n" UPGRADE KEY VERSION "\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: x\r\n" KEY VERSION "\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" KEY VERSION "\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
                   400);
    expect_refusal("GET / HTTP/1.1\r\n" UPGRADE VERSION "\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\n" UPGRADE KEY "\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\n" UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400);
    expect_refusal("GET / HTTP/1.1\r\n" UPGRADE VERSION "Sec-WebSocket-Key: ????????????????????????\r\n\r\n",
                   400);
    expect_refusal("GET / HTTP/1.1\r\n" UPGRADE KEY VERSION "Content-Length: 2\r\n\r\nhi", 400);
    assert_int_equal(atomic_load(&rig.opened), 0);
    assert_int_equal(websockets_open(rig.all), 0);
}

static void expect_origin(const char *origin, int status)
{
    char header[128];
    int fd = peer_open();
    snprintf(header, sizeof(header), "Origin: %s\r\n", origin);
    struct answer a = ws_ask(fd, header);
    if (a.status != status)
        fail_msg("%s → %d", origin, a.status);
    answer_release(&a);
    close(fd);
}

static void test_origins(void **state)
{
    expect_origin("https://app.example", 101);
    expect_origin("http://localhost:5173", 101);
    expect_origin("http://here:80", 101); /* a page of this very host */
    expect_origin("https://app.example.evil", 403);
    expect_origin("https://evil.example", 403);
    expect_origin("http://here:81", 403);
    expect_origin("null", 403);
    expect_none_open();
}

static void test_connections_max(void **state)
{
    struct websockets_config config = usual;
    config.connections_max = 3;
    start_with(&config);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = ws_open();
    int fd = peer_open();
    struct answer a = ws_ask(fd, "");
    assert_int_equal(a.status, 503);
    assert_non_null(answer_header(&a, "Retry-After"));
    answer_release(&a);
    close(fd);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    expect_none_open();
    close(ws_open());
    finish(state);
}

/* ---- frames ---- */

static void test_messages_of_all_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4096, 65535, 65536, 70000};
    FREE_ON_EXIT char *text = mem_alloc(70001);
    int fd = ws_open();
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        memset(text, 'a' + (int)i, sizes[i]);
        text[sizes[i]] = '\0';
        assert_true(ws_say(fd, text));
        ws_expect(fd, text);
    }
    close(fd);
}

static void test_fragments(void **state)
{
    int fd = ws_open();
    assert_true(ws_send(fd, WS_TEXT, "one ", 4));
    assert_true(ws_send(fd, 0, "", 0));
    assert_true(ws_send(fd, WS_FIN | WS_PING, "are you there", 13)); /* between them */
    assert_true(ws_send(fd, 0, "two \xc3", 5));                      /* a character in two frames */
    assert_true(ws_send(fd, WS_FIN, "\xa9", 1));
    struct ws_got g = ws_get(fd);
    assert_int_equal(g.what, WS_PONG);
    assert_string_equal(g.data, "are you there");
    ws_got_release(&g);
    ws_expect(fd, "one two \xc3\xa9");
    close(fd);
}

static void test_byte_by_byte(void **state)
{
    uint8_t bytes[64];
    int fd = ws_open();
    for (int k = 0; k < 3; k++) {
        size_t n = ws_frame(bytes, WS_FIN | WS_TEXT, "slowly", 6);
        for (size_t i = 0; i < n; i++) {
            assert_true(peer_send(fd, &bytes[i], 1));
            usleep(200);
        }
        ws_expect(fd, "slowly");
    }
    close(fd);
}

/* What the client sends without waiting for the 101. */
static void test_early_bytes(void **state)
{
    uint8_t bytes[4096];
    int fd = peer_open(),
        head = snprintf((char *)bytes, sizeof(bytes), "GET / HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n");
    size_t n = (size_t)head;
    n += ws_frame(bytes + n, WS_FIN | WS_TEXT, "first", 5);
    n += ws_frame(bytes + n, WS_FIN | WS_TEXT, "second", 6);
    n += ws_frame(bytes + n, WS_FIN | WS_TEXT, "third, in two", 13) - 6;
    assert_true(peer_send(fd, bytes, n));
    assert_int_equal(peer_status(fd), 101);
    ws_expect(fd, "first");
    ws_expect(fd, "second");
    assert_true(peer_send(fd, bytes + n, 6));
    ws_expect(fd, "third, in two");
    close(fd);
}

static void test_nul_in_text(void **state)
{
    int fd = ws_open();
    assert_true(ws_send(fd, WS_FIN | WS_TEXT, "a\0b", 3));
    struct ws_got g = ws_get(fd);
    assert_int_equal(g.size, 3);
    ws_got_release(&g);
    close(fd);
}

/* ---- bounds and faults ---- */

static void expect_fault(unsigned first, const void *data, size_t size, unsigned code)
{
    int fd = ws_open();
    assert_true(ws_send(fd, first, data, size));
    ws_expect_close(fd, code, NULL);
}

static void test_faults(void **state)
{
    FREE_ON_EXIT char *big = mem_zalloc(70001);
    memset(big, 'x', 70001);
    expect_fault(WS_FIN | WS_BINARY, "bin", 3, 1003);
    expect_fault(WS_BINARY, "bin", 3, 1003);
    expect_fault(WS_FIN | WS_TEXT, "\xc3\x28", 2, 1007);
    expect_fault(WS_FIN | WS_TEXT, "\xc3", 1, 1007);
    expect_fault(WS_FIN | WS_TEXT, "\xed\xa0\x80", 3, 1007);
    expect_fault(WS_FIN | WS_TEXT, big, 70001, 1009);
    expect_fault(WS_FIN | WS_RSV1 | WS_TEXT, "x", 1, 1002); /* compressed, which was not agreed on */
    expect_fault(WS_FIN, "x", 1, 1002);                     /* nothing is to be continued */
    expect_fault(WS_FIN | 3, "x", 1, 1002);
    expect_fault(WS_FIN | WS_PING, big, 126, 0); /* wslay gives no code */
    expect_fault(WS_PING, "x", 1, 0);
    expect_fault(WS_FIN | WS_CLOSE, "\x03\xee", 2, 1002); /* 1006 is never sent */
    assert_int_equal(atomic_load(&rig.texts), 0);
}

static void test_unmasked(void **state)
{
    int fd = ws_open();
    assert_true(peer_send(fd, "\x81\x02hi", 4));
    ws_expect_close(fd, 1002, NULL);
}

static void test_oversize_in_fragments(void **state)
{
    FREE_ON_EXIT char *big = mem_zalloc(40000);
    memset(big, 'x', 40000);
    int fd = ws_open();
    assert_true(ws_send(fd, WS_TEXT, big, 40000));
    ws_send(fd, 0, big, 40000);
    ws_send(fd, WS_FIN, big, 40000);
    ws_expect_close(fd, 1009, NULL);
    assert_int_equal(atomic_load(&rig.texts), 0);
}

/* In one go, so that they all come within the same second. */
static int spam(unsigned first, const char *text)
{
    uint8_t bytes[2048];
    size_t n = 0;
    int fd = ws_open();
    for (int i = 0; i < 100; i++)
        n += ws_frame(bytes + n, first, text, strlen(text));
    assert_true(peer_send(fd, bytes, n));
    return fd;
}

static void test_rate(void **state)
{
    struct websockets_config config = usual;
    config.rate = 20;
    start_with(&config);
    ws_expect_close(spam(WS_FIN | WS_TEXT, "spam"), 1008, "too many messages");
    assert_int_equal(atomic_load(&rig.texts), 20);
    ws_expect_close(spam(WS_FIN | WS_PING, ""), 1008, "too many messages");
    finish(state);
}

static void test_slow_reader(void **state)
{
    int fd = ws_open();
    assert_true(ws_say(fd, "many"));
    expect_count(&rig.many, 1);            /* more than the sockets hold, before one is read */
    ws_expect_close(fd, 1013, "too slow"); /* what was taken comes before it */
}

/* The closing handshake has its time, and no more. */
static void test_peers_that_do_not_close(void **state)
{
    struct websockets_config config = usual;
    config.rate = 1000000;
    config.queue_max = 20000;
    start_with(&config);
    char ping[125];
    memset(ping, 'p', sizeof(ping));
    int deaf = ws_open(), dumb = ws_open(), greedy = ws_open();
    assert_true(ws_say(deaf, "many")); /* reads nothing */
    assert_true(ws_say(dumb, "close"));
    struct ws_got g = ws_get(dumb); /* reads it, and says nothing */
    assert_int_equal(g.code, 4001);
    ws_got_release(&g);
    struct timeval patience = {.tv_sec = PEER_WAIT_MS / 1000};
    setsockopt(greedy, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    while (ws_send(greedy, WS_FIN | WS_PING, ping, sizeof(ping)))
        ; /* wants answers, and reads none of them */
    expect_count(&rig.closed, 3);
    assert_true(peer_closed(dumb));
    close(dumb);
    close(deaf);
    close(greedy);
    expect_none_open();
    finish(state);
}

/* ---- alive, closing, dying ---- */

static void test_pings(void **state)
{
    struct websockets_config config = usual;
    config.ping_s = 1;
    start_with(&config);
    int alive = ws_open(), silent = ws_open();
    for (int i = 0; i < 3; i++) {
        struct ws_got g = ws_get(alive);
        assert_int_equal(g.what, WS_PING);
        assert_true(ws_send(alive, WS_FIN | WS_PONG, g.data, g.size));
        ws_got_release(&g);
    }
    expect_count(&rig.closed, 1);
    struct ws_got g = ws_get(silent);
    assert_int_equal(g.what, WS_PING);
    ws_got_release(&g);
    g = ws_get(silent);
    assert_int_equal(g.what, 0);
    ws_got_release(&g);
    close(silent);
    assert_true(ws_say(alive, "still here"));
    g = ws_get(alive);
    while (g.what == WS_PING) {
        ws_got_release(&g);
        g = ws_get(alive);
    }
    assert_string_equal(g.data, "still here");
    ws_got_release(&g);
    close(alive);
    finish(state);
}

static void test_server_closes(void **state)
{
    int fd = ws_open();
    assert_true(ws_say(fd, "close"));
    ws_expect_close(fd, 4001, "as you wish");
    fd = ws_open();
    assert_true(ws_say(fd, "last"));
    ws_expect(fd, "a last word");
    ws_expect_close(fd, 1000, "");
    expect_count(&rig.closed, 2);
}

/* What waits goes out before the close. */
static void test_close_comes_last(void **state)
{
    struct websockets_config config = usual;
    config.queue_max = 64 << 20;
    start_with(&config);
    int fd = ws_open(), count = 0;
    assert_true(ws_say(fd, "all"));
    expect_count(&rig.many, 1);
    struct ws_got g = ws_get(fd);
    for (; g.what == WS_TEXT; count++) {
        ws_got_release(&g);
        g = ws_get(fd);
    }
    assert_int_equal(count, 1500);
    assert_int_equal(g.what, WS_CLOSE);
    assert_string_equal(g.data, "that was all");
    ws_got_release(&g);
    assert_true(ws_send(fd, WS_FIN | WS_CLOSE, "\x03\xe8", 2));
    assert_true(peer_closed(fd));
    close(fd);
    finish(state);
}

static void test_client_closes(void **state)
{
    int fd = ws_open();
    assert_true(ws_send(fd, WS_FIN | WS_CLOSE, "\x03\xe8", 2));
    ws_expect_close(fd, 1000, "");
    fd = ws_open();
    assert_true(ws_send(fd, WS_FIN | WS_CLOSE, "", 0));
    ws_expect_close(fd, 0, "");
    expect_count(&rig.closed, 2);
}

static void test_client_dies(void **state)
{
    const struct linger at_once = {1, 0};
    for (int i = 0; i < 40; i++) {
        int fd = i % 4 ? ws_open() : peer_open();
        if (i % 4 == 0) /* before it has read the 101 */
            assert_true(peer_say(fd, "GET / HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n"));
        if (i % 4 == 1)
            assert_true(ws_say(fd, "many"));
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
    }
    expect_none_open();
    assert_int_equal(atomic_load(&rig.opened), atomic_load(&rig.closed));
}

static void test_many_at_once(void **state)
{
    enum { N = 200 };
    int fds[N];
    for (int i = 0; i < N; i++)
        fds[i] = ws_open();
    for (int i = 0; i < N; i++)
        assert_true(ws_say(fds[i], "hello"));
    for (int i = 0; i < N; i++) {
        ws_expect(fds[i], "hello");
        if (i % 2)
            close(fds[i]);
    }
    on_core(stop_all);
    for (int i = 0; i < N; i += 2)
        ws_expect_close(fds[i], 1001, "the server goes away");
    expect_none_open();
    int fd = peer_open();
    struct answer a = ws_ask(fd, "");
    assert_int_equal(a.status, 503);
    answer_release(&a);
    close(fd);
}

/* Nobody answers the close: cut, then the server stops. */
static void test_stop_with_open_ones(void **state)
{
    enum { N = 30 };
    for (int round = 0; round < 3; round++) {
        int fds[N];
        start(state);
        for (int i = 0; i < N; i++) {
            fds[i] = i % 3 ? ws_open() : peer_open();
            if (i % 3 == 0)
                assert_true(peer_say(fds[i], "GET / HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n"));
            if (i % 3 == 1)
                assert_true(ws_say(fds[i], "many"));
        }
        on_core(stop_all);
        if (round == 1)
            usleep(10000);
        on_core(cut_all);
        on_core(stop_loop);
        pthread_join(rig.thread, NULL);
        echo_stop();
        assert_int_equal(atomic_load(&rig.opened), atomic_load(&rig.closed));
        assert_int_equal(atomic_load(&echo.begun), atomic_load(&echo.closed));
        websockets_free(rig.all);
        loop_uv_free(rig.uv);
        for (int i = 0; i < N; i++)
            close(fds[i]);
    }
}

#define WITH_WEBSOCKETS(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WEBSOCKETS(test_handshake),
        WITH_WEBSOCKETS(test_connection_is_a_list),
        WITH_WEBSOCKETS(test_bad_handshakes),
        WITH_WEBSOCKETS(test_origins),
        cmocka_unit_test(test_connections_max),
        WITH_WEBSOCKETS(test_messages_of_all_sizes),
        WITH_WEBSOCKETS(test_fragments),
        WITH_WEBSOCKETS(test_byte_by_byte),
        WITH_WEBSOCKETS(test_early_bytes),
        WITH_WEBSOCKETS(test_nul_in_text),
        WITH_WEBSOCKETS(test_faults),
        WITH_WEBSOCKETS(test_unmasked),
        WITH_WEBSOCKETS(test_oversize_in_fragments),
        cmocka_unit_test(test_rate),
        WITH_WEBSOCKETS(test_slow_reader),
        cmocka_unit_test(test_peers_that_do_not_close),
        cmocka_unit_test(test_pings),
        WITH_WEBSOCKETS(test_server_closes),
        cmocka_unit_test(test_close_comes_last),
        WITH_WEBSOCKETS(test_client_closes),
        WITH_WEBSOCKETS(test_client_dies),
        WITH_WEBSOCKETS(test_many_at_once),
        cmocka_unit_test(test_stop_with_open_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
