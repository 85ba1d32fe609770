/* Streams of events, whole and broken, from a server on loopback. */
#include "http/client/event_stream.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client_rig.h"
#include "predict/replicate_stream.h"
#include "scratch.h"
#include "tiny_server.h"

static struct tiny_server server;
static struct client_rig rig;
static atomic_uint asked;
static char last_head[2048];

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

/* Sends it in small pieces: characters and line ends are cut anywhere. */
static bool drip(int fd, const char *text)
{
    bool sent = tiny_sendf(fd, HEAD);
    for (; sent && *text; text++)
        sent = tiny_send(fd, text, 1);
    return false;
}

static bool hang(struct tiny_server *s)
{
    while (!atomic_load(&s->stopping))
        tiny_sleep_ms(5);
    return false;
}

static bool in_two_parts(int fd, unsigned nth, const char *head)
{
    if (nth == 1)
        return drip(fd, ": hi\nevent: output\nid: 5:0\ndata: Một\n\nevent: output\nid: 5:1\ndata: ha");
    assert_non_null(strstr(head, "Last-Event-ID: 5:0\r\n"));
    return drip(fd, "event: output\nid: 5:1\ndata:  hai\n\nevent: done\ndata: {}\n\n");
}

static bool handle(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    unsigned nth = atomic_fetch_add(&asked, 1) + 1;
    snprintf(last_head, sizeof(last_head), "%s", r->head);
    if (strcmp(r->path, "/whole") == 0)
        return drip(fd,
                    ": hi\r\n\r\nevent: output\r\ndata: Tiếng \r\n\r\nevent: output\r\ndata: Việt\r\ndata: "
                    "😀\r\n\r\nevent: done\r\ndata: {}\r\n\r\nevent: output\r\ndata: late\r\n\r\n");
    if (strcmp(r->path, "/stays-open") == 0)
        return tiny_sendf(fd, HEAD "event: output\ndata: x\n\nevent: done\ndata: {}\n\n") && hang(s);
    if (strcmp(r->path, "/two-parts") == 0)
        return in_two_parts(fd, nth, r->head);
    if (strcmp(r->path, "/idle") == 0)
        return nth == 1 ? drip(fd, "event: output\ndata: a\n\n:408: 408 Request Timeout\n\n")
                        : drip(fd, "event: done\ndata: {\"reason\":\"canceled\"}\n\n");
    if (strcmp(r->path, "/no-end") == 0)
        return drip(fd, nth == 1 ? "event: output\ndata: all there is\n\n" : ": nothing more\n\n");
    if (strcmp(r->path, "/breaks") == 0)
        return nth < 3 ? tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\ndata: x\n") && false
                       : drip(fd, "event: done\ndata: {}\n\n");
    if (strcmp(r->path, "/silent") == 0)
        return tiny_sendf(fd, HEAD) && hang(s);
    if (strcmp(r->path, "/long") == 0)
        return drip(fd, "data: 0123456789012345678901234567890123456789012345678901234567890123456789\n\n");
    if (strcmp(r->path, "/elsewhere") == 0) /* another origin: the name is */
        return tiny_sendf(
            fd, "HTTP/1.1 307 x\r\nLocation: http://localhost:%u/whole\r\nContent-Length: 0\r\n\r\n",
            server.port);
    if (strcmp(r->path, "/busy") == 0)
        return nth == 1 ? tiny_answer(fd, 503, "", "") : drip(fd, "event: done\ndata: {}\n\n");
    if (strcmp(r->path, "/no-more") == 0)
        return tiny_answer(fd, 204, "", "");
    return tiny_answer(fd, 404, "", "no");
}

struct asking {
    const char *path, *authorization;
    unsigned retries;
    uint32_t timeout_ms, idle_ms;
    bool cancel;
};

static struct replicate_stream heard;

static bool on_event(struct event_stream *s, const struct sse_event *event)
{
    (void)s;
    return replicate_stream_event(&heard, event);
}

static void counted(struct op *op)
{
    (void)op;
    if (++rig.done == rig.target)
        loop_uv_stop(rig.uv);
}

static void listen_to(const struct asking *a, struct event_stream *ret)
{
    static char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, a->path);
    atomic_store(&asked, 0);
    replicate_stream_release(&heard);
    replicate_stream_init(&heard, 1000);
    *ret = (struct event_stream){
        .url = url,
        .authorization = a->authorization,
        .on_event = on_event,
        .event_max = 64,
        .timeout_ms = a->timeout_ms ? a->timeout_ms : 20000,
        .idle_ms = a->idle_ms,
        .retries = a->retries,
    };
    rig.done = 0;
    event_stream_start(rig.pool, client_rig_loop(&rig), ret, counted);
    if (a->cancel)
        op_cancel(&ret->op);
    client_rig_run(&rig, 1);
}

static void tells(const struct asking *a, const char *text, enum replicate_stream_end end,
                  unsigned connections)
{
    struct event_stream s;
    listen_to(a, &s);
    assert_int_equal(s.op.result, 0);
    assert_string_equal(buf_text(&heard.text), text);
    assert_int_equal(heard.end, end);
    assert_int_equal(atomic_load(&asked), connections);
    event_stream_release(&s);
}

static void fails(const struct asking *a, enum err code, int status, unsigned connections)
{
    struct event_stream s;
    listen_to(a, &s);
    assert_int_equal(s.op.result, -(int)code);
    assert_int_equal(s.err.code, code);
    assert_int_equal(s.status, status);
    assert_int_equal(atomic_load(&asked), connections);
    event_stream_release(&s);
}

static void test_a_stream(void **state)
{
    tells(&(struct asking){.path = "/whole"}, "Tiếng Việt\n😀", REPLICATE_STREAM_DONE, 1);
    assert_non_null(strstr(last_head, "Accept: text/event-stream\r\n"));
    assert_non_null(strstr(last_head, "Cache-Control: no-store\r\n"));
    assert_null(strcasestr(last_head, "authorization"));
    tells(&(struct asking){.path = "/stays-open"}, "x", REPLICATE_STREAM_DONE, 1);
}

static void test_it_goes_on_where_it_was(void **state)
{
    tells(&(struct asking){.path = "/two-parts", .retries = 1}, "Một hai", REPLICATE_STREAM_DONE, 2);
    tells(&(struct asking){.path = "/idle", .retries = 1}, "a", REPLICATE_STREAM_CANCELED, 2);
    tells(&(struct asking){.path = "/breaks", .retries = 2}, "", REPLICATE_STREAM_DONE, 3);
    tells(&(struct asking){.path = "/busy", .retries = 1}, "", REPLICATE_STREAM_DONE, 2);
}

static void test_no_last_event(void **state)
{
    /* the one that brought an event, and as many as are allowed that bring none */
    fails(&(struct asking){.path = "/no-end", .retries = 2}, ERR_UPSTREAM, 200, 3);
    assert_string_equal(buf_text(&heard.text), "all there is");
    assert_int_equal(heard.end, REPLICATE_STREAM_OPEN);
    fails(&(struct asking){.path = "/breaks", .retries = 1}, ERR_UPSTREAM, 200, 2);
}

static void test_what_is_final(void **state)
{
    fails(&(struct asking){.path = "/nothing", .retries = 5}, ERR_UPSTREAM, 404, 1);
    fails(&(struct asking){.path = "/no-more", .retries = 5}, ERR_UPSTREAM, 204, 1);
    fails(&(struct asking){.path = "/long", .retries = 5}, ERR_PAYLOAD_TOO_LARGE, 200, 1);
}

static void test_time_is_bounded(void **state)
{
    uint64_t begun = clock_mono_ns();
    fails(&(struct asking){.path = "/silent", .retries = 0, .idle_ms = 100}, ERR_DEADLINE, 0, 1);
    fails(&(struct asking){.path = "/silent", .retries = 0, .timeout_ms = 100}, ERR_DEADLINE, 0, 1);
    assert_true(clock_mono_ns() - begun < 10 * NS_PER_S);
}

static void test_the_token_stays_at_home(void **state)
{
    tells(&(struct asking){.path = "/whole", .authorization = "Bearer secret"}, "Tiếng Việt\n😀",
          REPLICATE_STREAM_DONE, 1);
    assert_non_null(strstr(last_head, "Authorization: Bearer secret\r\n"));
    tells(&(struct asking){.path = "/elsewhere", .authorization = "Bearer secret"}, "Tiếng Việt\n😀",
          REPLICATE_STREAM_DONE, 2);
    assert_null(strcasestr(last_head, "authorization"));
}

static void test_cancel(void **state)
{
    struct event_stream s;
    listen_to(&(struct asking){.path = "/silent", .retries = 5, .cancel = true}, &s);
    assert_int_equal(s.op.result, -ERR_CLIENT_GONE);
    event_stream_release(&s);
}

static struct timer soon;
static struct event_stream pausing;

static void cancel_when_pausing(struct timer *t)
{
    if (pausing.pause.slot)
        op_cancel(&pausing.op);
    else
        timer_arm(client_rig_loop(&rig), &soon, loop_now_ns(client_rig_loop(&rig)) + NS_PER_MS,
                  cancel_when_pausing);
}

static void test_cancel_in_a_pause(void **state)
{
    timer_arm(client_rig_loop(&rig), &soon, loop_now_ns(client_rig_loop(&rig)), cancel_when_pausing);
    listen_to(&(struct asking){.path = "/no-end", .retries = 1000}, &pausing);
    assert_int_equal(pausing.op.result, -ERR_CLIENT_GONE);
    event_stream_release(&pausing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream),        cmocka_unit_test(test_it_goes_on_where_it_was),
        cmocka_unit_test(test_no_last_event),   cmocka_unit_test(test_what_is_final),
        cmocka_unit_test(test_time_is_bounded), cmocka_unit_test(test_the_token_stays_at_home),
        cmocka_unit_test(test_cancel),          cmocka_unit_test(test_cancel_in_a_pause),
    };
    signal(SIGPIPE, SIG_IGN);
    tiny_server_start(&server, handle);
    client_rig_init(&rig, (struct http_client_config){.allow_private = true});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    replicate_stream_release(&heard);
    client_rig_release(&rig);
    tiny_server_stop(&server);
    return failed;
}
