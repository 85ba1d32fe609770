/* Fetching what others named, against a server on loopback. */
#include "http/client/fetch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client_rig.h"
#include "scratch.h"
#include "tiny_server.h"

static struct tiny_server server;
static struct client_rig rig;
static atomic_uint asked;
static char last_head[2048];

static bool handle(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    unsigned nth = atomic_fetch_add(&asked, 1) + 1;
    snprintf(last_head, sizeof(last_head), "%s", r->head);
    if (strcmp(r->path, "/picture") == 0)
        return tiny_answer(fd, 200, "Content-Type: text/html\r\n", "picture bytes");
    if (strcmp(r->path, "/moved") == 0)
        return tiny_answer(fd, 302, "Location: /picture\r\n", "");
    if (strcmp(r->path, "/round") == 0)
        return tiny_answer(fd, 302, "Location: /round\r\n", "");
    if (strcmp(r->path, "/inside") == 0)
        return tiny_answer(fd, 302, "Location: file:///etc/passwd\r\n", "");
    if (strcmp(r->path, "/busy-twice") == 0)
        return tiny_answer(fd, nth < 3 ? 503 : 200, "", "late");
    if (strcmp(r->path, "/busy-for-long") == 0)
        return tiny_answer(fd, nth < 6 ? 503 : 200, "", "paid for");
    if (strcmp(r->path, "/busy-for-ever") == 0)
        return tiny_answer(fd, 503, "", "");
    if (strcmp(r->path, "/late") == 0)
        return tiny_answer(fd, nth < 3 ? 404 : 200, "", "delivered");
    if (strcmp(r->path, "/asks-for-time") == 0)
        return tiny_answer(fd, nth < 2 ? 503 : 200, "Retry-After: 1\r\n", "in time");
    if (strcmp(r->path, "/broken-once") == 0 && nth == 1)
        return tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf") && false;
    if (strcmp(r->path, "/broken-once") == 0)
        return tiny_answer(fd, 200, "", "whole");
    if (strcmp(r->path, "/hangs") == 0) {
        while (!atomic_load(&s->stopping))
            tiny_sleep_ms(5);
        return false;
    }
    return tiny_answer(fd, 404, "", "no");
}

struct asking {
    const char *path;
    unsigned retries, redirects;
    uint64_t max_bytes, *left;
    uint32_t timeout_ms;
    bool cancel, paid;
};

static void counted(struct op *op)
{
    if (++rig.done == rig.target)
        loop_uv_stop(rig.uv);
}

static void fetch(const struct asking *a, struct fetch *ret)
{
    static char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, a->path);
    atomic_store(&asked, 0);
    *ret = (struct fetch){
        .url = url,
        .retries = a->retries,
        .paid = a->paid,
        .redirects_max = a->redirects,
        .max_bytes = a->max_bytes ? a->max_bytes : 1000,
        .bytes_left = a->left,
        .timeout_ms = a->timeout_ms ? a->timeout_ms : 20000,
    };
    rig.done = 0;
    fetch_start(rig.pool, client_rig_loop(&rig), ret, counted);
    if (a->cancel)
        op_cancel(&ret->op);
    client_rig_run(&rig, 1);
}

static void gets(const struct asking *a, const char *bytes, unsigned tries)
{
    struct fetch f;
    fetch(a, &f);
    assert_int_equal(f.op.result, 0);
    assert_int_equal(f.status, 200);
    assert_int_equal(f.bytes->size, strlen(bytes));
    assert_memory_equal(f.bytes->data, bytes, f.bytes->size);
    assert_int_equal(atomic_load(&asked), tries);
    fetch_release(&f);
    fetch_release(&f); /* harmless */
}

static void fails(const struct asking *a, enum err code, int status, unsigned tries)
{
    struct fetch f;
    fetch(a, &f);
    assert_int_equal(f.op.result, -(int)code);
    assert_int_equal(f.err.code, code);
    assert_int_equal(f.status, status);
    assert_null(f.bytes);
    assert_int_equal(atomic_load(&asked), tries);
    fetch_release(&f);
}

static void test_gets(void **state)
{
    gets(&(struct asking){.path = "/picture"}, "picture bytes", 1);
    assert_null(strcasestr(last_head, "authorization"));
    gets(&(struct asking){.path = "/moved", .redirects = 1}, "picture bytes", 2);
}

static void test_passing_trouble_is_tried_again(void **state)
{
    gets(&(struct asking){.path = "/busy-twice", .retries = 2}, "late", 3);
    gets(&(struct asking){.path = "/broken-once", .retries = 1}, "whole", 2);
    fails(&(struct asking){.path = "/busy-twice", .retries = 1}, ERR_UPSTREAM, 503, 2);
    fails(&(struct asking){.path = "/broken-once"}, ERR_UPSTREAM, 200, 1);
}

static void test_what_is_paid_for_is_not_given_up(void **state)
{
    uint64_t begun = clock_mono_ns();
    gets(&(struct asking){.path = "/busy-for-long", .paid = true}, "paid for", 6);
    gets(&(struct asking){.path = "/late", .retries = 2, .paid = true}, "delivered", 3);
    fails(&(struct asking){.path = "/late", .retries = 1, .paid = true}, ERR_UPSTREAM, 404, 2);
    fails(&(struct asking){.path = "/round", .redirects = 2, .paid = true}, ERR_UPSTREAM, 302, 3);
    assert_true(clock_mono_ns() - begun < 15 * NS_PER_S);
    begun = clock_mono_ns();
    gets(&(struct asking){.path = "/asks-for-time", .paid = true}, "in time", 2);
    assert_true(clock_mono_ns() - begun > 900 * NS_PER_MS);
    /* near the end of its time it ends with the server's word */
    struct fetch f;
    fetch(&(struct asking){.path = "/busy-for-ever", .paid = true, .timeout_ms = 200}, &f);
    assert_int_equal(f.op.result, -ERR_UPSTREAM);
    assert_int_equal(f.status, 503);
    assert_true(atomic_load(&asked) > 1);
    fetch_release(&f);
}

static void test_the_rest_is_final(void **state)
{
    fails(&(struct asking){.path = "/nothing", .retries = 5}, ERR_UPSTREAM, 404, 1);
    fails(&(struct asking){.path = "/moved", .retries = 5}, ERR_UPSTREAM, 302, 1); /* none is followed */
    fails(&(struct asking){.path = "/inside", .retries = 5, .redirects = 3}, ERR_VALIDATION, 302, 1);
    fails(&(struct asking){.path = "/picture", .retries = 5, .max_bytes = 5}, ERR_PAYLOAD_TOO_LARGE, 200, 1);
    struct fetch f;
    fetch(&(struct asking){.path = "/round", .redirects = 3}, &f);
    assert_int_equal(f.op.result, -ERR_UPSTREAM);
    assert_int_equal(atomic_load(&asked), 4);
    fetch_release(&f);
}

static void test_time_is_bounded(void **state)
{
    fails(&(struct asking){.path = "/hangs", .retries = 5, .timeout_ms = 100}, ERR_DEADLINE, 0, 1);
    /* no pause outlasts the time */
    struct fetch f;
    uint64_t begun = clock_mono_ns();
    fetch(&(struct asking){.path = "/busy-for-ever", .retries = 50, .timeout_ms = 1500}, &f);
    assert_int_equal(f.op.result, -ERR_UPSTREAM);
    assert_true(clock_mono_ns() - begun < 5 * NS_PER_S);
    fetch_release(&f);
}

/* 13 bytes a picture; what a failed try has taken is given back. */
static void test_several_share_a_bound(void **state)
{
    uint64_t left = 30;
    gets(&(struct asking){.path = "/picture", .left = &left}, "picture bytes", 1);
    gets(&(struct asking){.path = "/broken-once", .left = &left, .retries = 1}, "whole", 2);
    assert_int_equal(left, 12);
    fails(&(struct asking){.path = "/picture", .left = &left, .retries = 5}, ERR_PAYLOAD_TOO_LARGE, 200, 1);
    assert_int_equal(left, 12);
}

static void test_cancel(void **state)
{
    struct fetch f;
    fetch(&(struct asking){.path = "/hangs", .retries = 5, .cancel = true}, &f);
    assert_int_equal(f.op.result, -ERR_CLIENT_GONE);
    fetch_release(&f);
}

static struct timer soon;
static struct fetch pausing;

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
    static char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/busy-twice", server.port);
    atomic_store(&asked, 0);
    pausing = (struct fetch){.url = url, .retries = 5, .max_bytes = 100, .timeout_ms = 20000};
    rig.done = 0;
    fetch_start(rig.pool, client_rig_loop(&rig), &pausing, counted);
    timer_arm(client_rig_loop(&rig), &soon, loop_now_ns(client_rig_loop(&rig)), cancel_when_pausing);
    client_rig_run(&rig, 1);
    assert_int_equal(pausing.op.result, -ERR_CLIENT_GONE);
    assert_int_equal(atomic_load(&asked), 1);
    fetch_release(&pausing);
}

static void test_the_guard(void **state)
{
    struct client_rig strict;
    client_rig_init(&strict, (struct http_client_config){.allow_private = false});
    struct client_rig loose = rig;
    rig = strict;
    fails(&(struct asking){.path = "/picture", .retries = 3}, ERR_VALIDATION, 0, 0);
    client_rig_release(&rig);
    rig = loose;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gets),
        cmocka_unit_test(test_passing_trouble_is_tried_again),
        cmocka_unit_test(test_what_is_paid_for_is_not_given_up),
        cmocka_unit_test(test_the_rest_is_final),
        cmocka_unit_test(test_time_is_bounded),
        cmocka_unit_test(test_several_share_a_bound),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_in_a_pause),
        cmocka_unit_test(test_the_guard),
    };
    signal(SIGPIPE, SIG_IGN);
    tiny_server_start(&server, handle);
    client_rig_init(&rig, (struct http_client_config){.allow_private = true});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    client_rig_release(&rig);
    tiny_server_stop(&server);
    return failed;
}
