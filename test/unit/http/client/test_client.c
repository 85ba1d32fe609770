/* The pool against a server on loopback that answers well, badly, slowly or not at all. */
#include "http/client/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client_rig.h"
#include "scratch.h"
#include "tiny_server.h"

static struct tiny_server server;
static struct client_rig rig;
static atomic_uint posts; /* that have reached /die whole */

/* "plain words " ten times */
static const char GZIP[] = "\037\213\010\000\000\000\000\000\002\003\053\310\111\314\314\123\050\317\057\112"
                           "\051\126\050\240\043\033\000\131\370\144\304\170\000\000\000";

/* ---- the server ---- */

static bool answer_in_pieces(int fd)
{
    tiny_sendf(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: ETag\r\nETag: head\r\n\r\n");
    for (unsigned i = 0; i < 5; i++) {
        tiny_sendf(fd, "6\r\npiece%u\r\n", i);
        tiny_sleep_ms(5);
    }
    return tiny_sendf(fd, "0\r\nETag: trailer\r\n\r\n");
}

static bool drip(struct tiny_server *s, int fd, unsigned count, unsigned every_ms)
{
    tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", count);
    for (unsigned i = 0; i < count && !atomic_load(&s->stopping); i++) {
        tiny_sleep_ms(every_ms);
        if (!tiny_send(fd, ".", 1))
            return false;
    }
    return true;
}

static bool flood(int fd, const char *head, const char *piece)
{
    tiny_sendf(fd, "%s", head);
    for (unsigned i = 0; i < 100000; i++)
        if (!tiny_sendf(fd, "%s", piece))
            return false;
    return false;
}

/* Says what it was sent: the head, then the body. */
static bool echo(int fd, const struct tiny_request *r)
{
    size_t head = strlen(r->head);
    size_t size = strcmp(r->method, "HEAD") == 0 ? 0 : head + r->body_size;
    tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", head + r->body_size);
    return size == 0 || (tiny_send(fd, r->head, head) && tiny_send(fd, r->body, r->body_size));
}

/* Well behaved on a new connection; the second request is read whole, and the connection closed unanswered.
 */
static bool die_when_reused(int fd, const struct tiny_request *r)
{
    atomic_fetch_add(&posts, 1);
    return r->nth == 1 && tiny_answer(fd, 200, "", "alive");
}

static bool handle(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    if (strcmp(r->path, "/hello") == 0)
        return tiny_answer(fd, 200,
                           "Content-Type: text/plain\r\nETag:\t \"e1\" \r\nRetry-After: 7\r\n"
                           "Location: /elsewhere\r\n",
                           "hello");
    if (strcmp(r->path, "/connection") == 0)
        return tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%04u", r->connection);
    if (strcmp(r->path, "/echo") == 0)
        return echo(fd, r);
    if (strcmp(r->path, "/chunked") == 0)
        return answer_in_pieces(fd);
    if (strcmp(r->path, "/stall") == 0)
        return tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
    if (strcmp(r->path, "/silent") == 0)
        return true;
    if (strcmp(r->path, "/drip") == 0)
        return drip(s, fd, 12, 50);
    if (strcmp(r->path, "/short") == 0)
        return tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort") && false;
    if (strcmp(r->path, "/flood") == 0)
        return flood(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\n01234567\r\n");
    if (strcmp(r->path, "/headers") == 0)
        return flood(fd, "HTTP/1.1 200 OK\r\n", "X-More: and more, and more, and more\r\n");
    if (strcmp(r->path, "/early") == 0)
        return tiny_sendf(fd, "HTTP/1.1 103 Early Hints\r\nETag: early\r\nLink: <a>\r\n\r\n") &&
               tiny_answer(fd, 200, "Content-Type: a/b\r\n", "late");
    if (strcmp(r->path, "/garbage") == 0)
        return tiny_sendf(fd, "SSH-2.0-OpenSSH\r\n") && false;
    if (strcmp(r->path, "/reset") == 0)
        return tiny_reset(fd), false;
    if (strcmp(r->path, "/die") == 0)
        return die_when_reused(fd, r);
    if (strcmp(r->path, "/empty") == 0)
        return tiny_sendf(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    if (strcmp(r->path, "/gzip") == 0)
        return tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                          sizeof(GZIP) - 1) &&
               tiny_send(fd, GZIP, sizeof(GZIP) - 1);
    return tiny_answer(fd, 404, "Content-Type: text/html\r\n", "<html>no</html>");
}

/* ---- helpers ---- */

static char url_text[8][64];

static const char *at(const char *path)
{
    static unsigned next;
    char *url = url_text[next++ % ARRAY_LEN(url_text)];
    snprintf(url, sizeof(url_text[0]), "http://127.0.0.1:%u%s", server.port, path);
    return url;
}

static void check_failed_call(const struct http_call *call, enum err err, enum http_sent sent)
{
    if (call->op.result != -(int)err)
        fail_msg("%s: %d %s", call->url, call->op.result, call->err.reason);
    assert_int_equal(call->err.code, err);
    assert_int_not_equal(call->err.reason[0], '\0');
    assert_int_equal(call->sent, sent);
    assert_int_equal(call->answer.len, 0);
    assert_null(call->driver);
}

static void check_answer(const struct http_call *call, int status, const char *body)
{
    if (call->op.result != 0)
        fail_msg("%d %s", call->op.result, call->err.reason);
    assert_int_equal(call->status, status);
    assert_int_equal(call->sent, SENT_ANSWERED);
    assert_string_equal(buf_text(&call->answer), body);
}

static int set_up(void **state)
{
    tiny_server_start(&server, handle);
    client_rig_init(&rig, (struct http_client_config){0});
    atomic_store(&posts, 0);
    return 0;
}

static int tear_down(void **state)
{
    client_rig_release(&rig);
    tiny_server_stop(&server);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

/* ---- answers ---- */

static void test_answer_and_its_headers(void **state)
{
    struct http_call call = {.url = at("/hello")};
    client_rig_call(&rig, &call);
    check_answer(&call, 200, "hello");
    assert_string_equal(call.content_type, "text/plain");
    assert_string_equal(call.etag, "\"e1\"");
    assert_string_equal(call.retry_after, "7");
    assert_string_equal(call.location, "/elsewhere");
    assert_true(call.duration_ns > 0 && call.duration_ns < 10 * NS_PER_S);
    http_call_release(&call);

    call.url = at("/nothing"); /* the struct may be used again */
    client_rig_call(&rig, &call);
    check_answer(&call, 404, "<html>no</html>");
    assert_string_equal(call.etag, "");
    assert_string_equal(call.retry_after, "");
    http_call_release(&call);
}

static void test_forms_of_answers(void **state)
{
    struct http_call call = {.url = at("/chunked")};
    client_rig_call(&rig, &call);
    check_answer(&call, 200, "piece0piece1piece2piece3piece4");
    assert_string_equal(call.etag, "head");
    http_call_release(&call);
    call.url = at("/empty");
    client_rig_call(&rig, &call);
    check_answer(&call, 204, "");
    http_call_release(&call);
    call.url = at("/early");
    client_rig_call(&rig, &call);
    check_answer(&call, 200, "late");
    assert_string_equal(call.etag, "");
    assert_string_equal(call.content_type, "a/b");
    http_call_release(&call);
}

static void test_gzip_is_undone_only_when_asked(void **state)
{
    struct http_call call = {.url = at("/gzip")};
    client_rig_call(&rig, &call);
    assert_int_equal(call.op.result, 0);
    assert_int_equal(call.answer.len, sizeof(GZIP) - 1);
    assert_memory_equal(call.answer.data, GZIP, sizeof(GZIP) - 1);
    http_call_release(&call);
    call.decode = true;
    client_rig_call(&rig, &call);
    assert_int_equal(call.op.result, 0);
    assert_int_equal(call.answer.len, 120);
    assert_memory_equal(call.answer.data, "plain words plain words ", 24);
    http_call_release(&call);
    call.answer_max_bytes = 100; /* of what comes out */
    client_rig_call(&rig, &call);
    check_failed_call(&call, ERR_PAYLOAD_TOO_LARGE, SENT_MAYBE);
}

static void test_cap(void **state)
{
    struct http_call exact = {.url = at("/hello"), .answer_max_bytes = 5};
    client_rig_call(&rig, &exact);
    check_answer(&exact, 200, "hello");
    http_call_release(&exact);
    struct http_call announced = {.url = at("/hello"), .answer_max_bytes = 4};
    client_rig_call(&rig, &announced);
    check_failed_call(&announced, ERR_PAYLOAD_TOO_LARGE, SENT_MAYBE);
    struct http_call endless = {.url = at("/flood"), .answer_max_bytes = 10000};
    client_rig_call(&rig, &endless);
    check_failed_call(&endless, ERR_PAYLOAD_TOO_LARGE, SENT_MAYBE);
    struct http_call headers = {.url = at("/headers")};
    client_rig_call(&rig, &headers);
    check_failed_call(&headers, ERR_UPSTREAM, SENT_MAYBE);
    assert_non_null(strstr(headers.err.reason, "headers"));
}

static void test_broken_answers(void **state)
{
    static const char *const paths[] = {"/short", "/garbage", "/reset"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct http_call call = {.url = at(paths[i]), .method = "POST"};
        client_rig_call(&rig, &call);
        check_failed_call(&call, ERR_UPSTREAM, SENT_MAYBE);
    }
}

/* ---- requests ---- */

static void test_what_is_sent(void **state)
{
    struct http_call call = {.url = at("/echo"), .method = "POST", .header_count = 3};
    call.header[0] = (struct http_header){"Authorization", "Bearer t", true};
    call.header[1] = (struct http_header){"X-Empty", "", false};
    call.header[2] = (struct http_header){"Content-Type", "application/json", false};
    call.body = blob_static("{\"a\":1}", 7);
    client_rig_call(&rig, &call);
    assert_int_equal(call.op.result, 0);
    const char *text = buf_text(&call.answer);
    assert_ptr_equal(strstr(text, "POST /echo HTTP/1.1\r\n"), text);
    assert_non_null(strstr(text, "\r\nAuthorization: Bearer t\r\n"));
    assert_non_null(strstr(text, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(text, "\r\nUser-Agent: limner-test\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n{\"a\":1}"));
    assert_null(strcasestr(text, "Accept-Encoding"));
    http_call_release(&call);
    blob_unref(call.body);
}

static void test_methods(void **state)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct http_call call = {.url = at("/echo"), .method = methods[i]};
        client_rig_call(&rig, &call);
        assert_int_equal(call.op.result, 0);
        assert_int_equal(call.status, 200);
        const char *text = buf_text(&call.answer);
        bool has_body = methods[i][0] == 'P';
        if (strcmp(methods[i], "HEAD") == 0)
            assert_int_equal(call.answer.len, 0);
        else
            assert_memory_equal(text, methods[i], strlen(methods[i]));
        assert_int_equal(strstr(text, "\r\nContent-Length: 0\r\n") != NULL, has_body);
        assert_null(strcasestr(text, "Content-Type"));
        assert_null(strcasestr(text, "Transfer-Encoding"));
        http_call_release(&call);
    }
}

static void test_large_bodies_go_out_whole(void **state)
{
    enum { SIZE = 3 << 20 };
    uint8_t *data = mem_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    BLOB_ON_EXIT struct blob *body = blob_take(data, SIZE, free);
    static const char *const methods[] = {"PUT", "POST"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct http_call call = {
            .url = at("/echo"), .method = methods[i], .body = body, .stall_timeout_ms = 5000};
        client_rig_call(&rig, &call);
        assert_int_equal(call.op.result, 0);
        const char *end = strstr(buf_text(&call.answer), "\r\n\r\n");
        assert_non_null(end);
        assert_int_equal(call.answer.len, (size_t)(end + 4 - call.answer.data) + SIZE);
        assert_memory_equal(end + 4, data, SIZE);
        assert_null(strcasestr(call.answer.data, "Expect"));
        http_call_release(&call);
        atomic_uint *refs = &body->refs;
        assert_int_equal(atomic_load(refs), 1);
    }
}

static void test_what_cannot_be_sent(void **state)
{
    static const char *const urls[] = {"",
                                       "127.0.0.1/hello",
                                       "ftp://127.0.0.1/",
                                       "file:///etc/passwd",
                                       "http://me@127.0.0.1/",
                                       "http://[::1/"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct http_call call = {.url = urls[i]};
        client_rig_call(&rig, &call);
        check_failed_call(&call, ERR_VALIDATION, SENT_NOTHING);
    }
    struct http_call call = {.url = at("/hello"), .header_count = 1};
    call.header[0] = (struct http_header){"Authorization", "Bearer t\n", true};
    client_rig_call(&rig, &call);
    check_failed_call(&call, ERR_INTERNAL, SENT_NOTHING);
    assert_null(strstr(call.err.reason, "Bearer"));
    assert_int_equal(atomic_load(&server.requests), 0);
}

static void test_certificates_that_are_not_there(void **state)
{
    struct http_client_config config = {.uv = rig.uv, .user_agent = "x", .ca_file = "/nowhere/ca.pem"};
    struct http_client_pool *p = NULL;
    struct error e;
    assert_int_equal(http_client_start(&config, &p, &e), -ERR_INTERNAL);
    assert_non_null(strstr(e.reason, "/nowhere/ca.pem"));
    assert_null(p);
    http_client_stop(NULL);
}

/* ---- connections ---- */

static void test_connections_are_kept(void **state)
{
    for (unsigned i = 0; i < 5; i++) {
        struct http_call call = {.url = at("/connection")};
        client_rig_call(&rig, &call);
        check_answer(&call, 200, "0001");
        http_call_release(&call);
    }
    assert_int_equal(atomic_load(&server.accepted), 1);
}

static void test_proxies_of_the_environment_are_ignored(void **state)
{
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        setenv(names[i], "http://127.0.0.1:1/", 1);
    struct http_call call = {.url = at("/hello")};
    client_rig_call(&rig, &call);
    check_answer(&call, 200, "hello");
    http_call_release(&call);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
}

static void test_unsent_is_said_to_be_unsent(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound but not listening: refuses */
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &size), 0);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/x?signature=secret", ntohs(sa.sin_port));
    struct http_call refused = {.url = url, .method = "POST"};
    client_rig_call(&rig, &refused);
    check_failed_call(&refused, ERR_PROVIDER_UNAVAILABLE, SENT_NOTHING);
    assert_null(strstr(refused.err.reason, "secret"));
    close(fd);

    snprintf(url, sizeof(url), "https://127.0.0.1:%u/garbage", server.port);
    struct http_call no_tls = {.url = url, .method = "POST", .connect_timeout_ms = 500};
    client_rig_call(&rig, &no_tls);
    assert_int_equal(no_tls.sent, SENT_NOTHING);
    assert_true(no_tls.op.result < 0);
}

/* libcurl repeats by itself what died on a kept connection; a request that may cost money must not be. */
static void test_nothing_is_paid_twice(void **state)
{
    struct http_call call = {.url = at("/die"), .method = "POST"};
    client_rig_call(&rig, &call);
    check_answer(&call, 200, "alive");
    http_call_release(&call);
    client_rig_call(&rig, &call);
    check_failed_call(&call, ERR_UPSTREAM, SENT_MAYBE);
    assert_int_equal(atomic_load(&posts), 2);

    client_rig_call(&rig, &call);
    check_answer(&call, 200, "alive");
    http_call_release(&call);
    call.repeatable = true;
    client_rig_call(&rig, &call);
    check_answer(&call, 200, "alive");
    http_call_release(&call);
    assert_int_equal(atomic_load(&posts), 5);

    call = (struct http_call){.url = at("/die")}; /* a GET */
    client_rig_call(&rig, &call);
    check_answer(&call, 200, "alive");
    http_call_release(&call);
    assert_int_equal(atomic_load(&posts), 7);
}

enum { MANY = 200, AT_ONCE = 8 };

static void test_many_at_once(void **state)
{
    static struct http_call calls[MANY];
    memset(calls, 0, sizeof(calls));
    for (unsigned i = 0; i < MANY; i++) {
        calls[i].url = i % 2 ? url_text[0] : url_text[1];
        calls[i].timeout_ms = 20000;
    }
    snprintf(url_text[0], sizeof(url_text[0]), "http://127.0.0.1:%u/hello", server.port);
    snprintf(url_text[1], sizeof(url_text[1]), "http://127.0.0.1:%u/chunked", server.port);
    for (unsigned i = 0; i < MANY; i++)
        client_rig_start(&rig, &calls[i]);
    client_rig_run(&rig, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        check_answer(&calls[i], 200, i % 2 ? "hello" : "piece0piece1piece2piece3piece4");
        http_call_release(&calls[i]);
    }
    assert_int_equal(atomic_load(&server.requests), MANY);
    assert_true(atomic_load(&server.most_open) <= AT_ONCE);
}

/* ---- time ---- */

static uint64_t ms_of(const struct http_call *call)
{
    return call->duration_ns / NS_PER_MS;
}

static void test_stall(void **state)
{
    static const char *const paths[] = {"/stall", "/silent"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct http_call call = {.url = at(paths[i]), .stall_timeout_ms = 200, .timeout_ms = 20000};
        client_rig_call(&rig, &call);
        check_failed_call(&call, ERR_DEADLINE, SENT_MAYBE);
        assert_true(ms_of(&call) >= 200 && ms_of(&call) < 2000);
    }
    struct http_call slow = {.url = at("/drip"), .stall_timeout_ms = 300};
    client_rig_call(&rig, &slow);
    check_answer(&slow, 200, "............");
    assert_true(ms_of(&slow) >= 12 * 50);
    http_call_release(&slow);
}

static void test_whole_time(void **state)
{
    struct http_call call = {.url = at("/drip"), .stall_timeout_ms = 200, .timeout_ms = 300};
    client_rig_call(&rig, &call);
    check_failed_call(&call, ERR_DEADLINE, SENT_MAYBE);
    assert_true(ms_of(&call) >= 300 && ms_of(&call) < 500);
}

/* Waiting for a connection is not a stall, but counts for the whole. */
static void test_time_while_waiting_for_a_connection(void **state)
{
    client_rig_release(&rig);
    client_rig_init(&rig, (struct http_client_config){.connections_per_host = 1});
    struct http_call first = {.url = at("/drip")};
    struct http_call patient = {.url = at("/hello"), .stall_timeout_ms = 100};
    struct http_call hasty = {.url = at("/hello"), .method = "POST", .timeout_ms = 100};
    client_rig_start(&rig, &first);
    client_rig_start(&rig, &patient);
    client_rig_start(&rig, &hasty);
    client_rig_run(&rig, 3);
    check_answer(&first, 200, "............");
    check_answer(&patient, 200, "hello");
    check_failed_call(&hasty, ERR_DEADLINE, SENT_NOTHING);
    assert_true(ms_of(&hasty) >= 100 && ms_of(&hasty) < 400);
    assert_int_equal(atomic_load(&server.accepted), 1);
    http_call_release(&first);
    http_call_release(&patient);
}

/* ---- cancelling ---- */

static struct http_call cancelled;

static void cancel_twice(struct timer *t)
{
    op_cancel(&cancelled.op);
    assert_int_equal(cancelled.op.state, OP_COMPLETE); /* on_done comes later */
    op_cancel(&cancelled.op);
}

static void cancel_after(const char *path, unsigned ms, enum http_sent sent)
{
    struct timer t = {0};
    unsigned before = rig.done;
    cancelled = (struct http_call){.url = at(path), .method = "POST"};
    client_rig_start(&rig, &cancelled);
    if (ms == 0)
        cancel_twice(&t);
    else
        timer_arm(client_rig_loop(&rig), &t, clock_mono_ns() + ms * NS_PER_MS, cancel_twice);
    client_rig_run(&rig, 1);
    check_failed_call(&cancelled, ERR_CLIENT_GONE, sent);
    op_cancel(&cancelled.op); /* over: nothing happens */
    struct http_call next = {.url = at("/hello")};
    client_rig_call(&rig, &next);
    check_answer(&next, 200, "hello");
    http_call_release(&next);
    assert_int_equal(rig.done, before + 2);
}

static void test_cancel(void **state)
{
    cancel_after("/stall", 50, SENT_MAYBE);
    cancel_after("/silent", 50, SENT_MAYBE);
    cancel_after("/hello", 0, SENT_NOTHING);
    for (unsigned i = 0; i < 200 && atomic_load(&server.open) > 2; i++)
        tiny_sleep_ms(10);
    assert_true(atomic_load(&server.open) <= 2); /* the peer of a cancelled call sees it leave */
}

static void test_cancel_while_waiting(void **state)
{
    client_rig_release(&rig);
    client_rig_init(&rig, (struct http_client_config){.connections_per_host = 1});
    struct http_call first = {.url = at("/drip")};
    struct timer t = {0};
    cancelled = (struct http_call){.url = at("/hello"), .method = "POST"};
    client_rig_start(&rig, &first);
    client_rig_start(&rig, &cancelled);
    timer_arm(client_rig_loop(&rig), &t, clock_mono_ns() + 100 * NS_PER_MS, cancel_twice);
    client_rig_run(&rig, 2);
    check_failed_call(&cancelled, ERR_CLIENT_GONE, SENT_NOTHING);
    check_answer(&first, 200, "............");
    http_call_release(&first);
    assert_int_equal(atomic_load(&server.requests), 1);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_answer_and_its_headers),
        TEST(test_forms_of_answers),
        TEST(test_gzip_is_undone_only_when_asked),
        TEST(test_cap),
        TEST(test_broken_answers),
        TEST(test_what_is_sent),
        TEST(test_methods),
        TEST(test_large_bodies_go_out_whole),
        TEST(test_what_cannot_be_sent),
        TEST(test_certificates_that_are_not_there),
        TEST(test_connections_are_kept),
        TEST(test_proxies_of_the_environment_are_ignored),
        TEST(test_unsent_is_said_to_be_unsent),
        TEST(test_nothing_is_paid_twice),
        TEST(test_many_at_once),
        TEST(test_stall),
        TEST(test_whole_time),
        TEST(test_time_while_waiting_for_a_connection),
        TEST(test_cancel),
        TEST(test_cancel_while_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
