/* Redirects and the guard, with names and public addresses that exist only here: this program's own
 * getaddrinfo and connect stand before the C library's, so libcurl uses them. */
#include "http/client/client.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client_rig.h"
#include "scratch.h"
#include "tiny_server.h"

#define PUBLIC_IP "93.184.216.34" /* leads to the server on loopback */

static struct tiny_server server;
static struct client_rig rig;
static atomic_uint look_ups, public_connects, private_connects;

/* ---- the network ---- */

struct name {
    const char *name, *ip;
};

static const struct name names[] = {
    {"one.test", "127.0.0.1"}, {"two.test", "127.0.0.1"},           {"public.test", PUBLIC_IP},
    {"other.test", PUBLIC_IP}, {"private.test", "10.1.2.3"},        {"metadata.test", "169.254.169.254"},
    {"six.test", "::1"},       {"mapped.test", "::ffff:127.0.0.1"},
};

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    getaddrinfo_fn *real = (getaddrinfo_fn *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    unsigned nth = atomic_fetch_add(&look_ups, 1) + 1;
    if (strcmp(name, "slow.test") == 0)
        tiny_sleep_ms(2000);
    if (strcmp(name, "rebind.test") == 0) /* first public, then not */
        return real(nth == 1 ? PUBLIC_IP : "127.0.0.1", service, hints, ret);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i].name) == 0)
            return real(names[i].ip, service, hints, ret);
    return EAI_NONAME;
}

static bool is_public_ip(const struct sockaddr *sa)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
    return sa->sa_family == AF_INET && in->sin_addr.s_addr == inet_addr(PUBLIC_IP);
}

static atomic_uchar goes_public[1024]; /* by descriptor */

int connect(int fd, const struct sockaddr *sa, socklen_t size)
{
    if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
        return (int)syscall(SYS_connect, fd, sa, size);
    bool public = is_public_ip(sa);
    struct sockaddr_in to = {0};
    if (public) {
        memcpy(&to, sa, sizeof(to));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sa = (const struct sockaddr *)&to;
    }
    atomic_fetch_add(public ? &public_connects : &private_connects, 1);
    atomic_store(&goes_public[fd], public);
    return (int)syscall(SYS_connect, fd, sa, size);
}

int getpeername(int fd, struct sockaddr *sa, socklen_t *size)
{
    int r = (int)syscall(SYS_getpeername, fd, sa, size);
    if (r == 0 && sa->sa_family == AF_INET && fd < (int)ARRAY_LEN(goes_public) &&
        atomic_load(&goes_public[fd]))
        ((struct sockaddr_in *)(void *)sa)->sin_addr.s_addr = inet_addr(PUBLIC_IP);
    return r;
}

/* ---- the server: "/to/<status>/<URL>" redirects, everything else is echoed ---- */

static bool handle(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    if (strncmp(r->path, "/to/", 4) == 0) {
        FREE_ON_EXIT char *location = mem_printf("Location: %s\r\n", r->path + 8);
        return tiny_answer(fd, atoi(r->path + 4), location, "moved");
    }
    FREE_ON_EXIT char *text = mem_printf("%s%s", r->head, r->body);
    return tiny_answer(fd, 200, "ETag: \"end\"\r\n", text);
}

/* ---- helpers ---- */

static void rig_of(bool allow_private)
{
    client_rig_init(&rig, (struct http_client_config){.allow_private = allow_private});
}

static int set_up(void **state)
{
    tiny_server_start(&server, handle);
    atomic_store(&look_ups, 0);
    atomic_store(&public_connects, 0);
    atomic_store(&private_connects, 0);
    return 0;
}

static int tear_down(void **state)
{
    client_rig_release(&rig);
    tiny_server_stop(&server);
    return 0;
}

static char url_text[8][512];

static const char *at(const char *fmt, ...) PRINTF(1, 2);
static const char *at(const char *fmt, ...)
{
    static unsigned next;
    char *url = url_text[next++ % ARRAY_LEN(url_text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(url, sizeof(url_text[0]), fmt, ap);
    va_end(ap);
    return url;
}

static const char *host(const char *name, const char *path)
{
    return at("http://%s:%u%s", name, server.port, path);
}

/* A path that redirects to another one, maybe on another host. */
static const char *to(int status, const char *name, const char *path)
{
    return *name ? at("/to/%d/%s", status, host(name, path)) : at("/to/%d/%s", status, path);
}

static const char *end_of(struct http_call *call)
{
    if (call->op.result != 0)
        fail_msg("%s: %s", call->url, call->err.reason);
    assert_int_equal(call->status, 200);
    assert_string_equal(call->etag, "\"end\"");
    return buf_text(&call->answer);
}

static void check_refused(struct http_call *call, enum err err)
{
    if (call->op.result != -(int)err)
        fail_msg("%s: %d %s", call->url, call->op.result, call->err.reason);
    assert_int_equal(call->answer.len, 0);
}

/* ---- redirects ---- */

static void test_redirects_are_not_followed_unless_asked_for(void **state)
{
    rig_of(false);
    struct http_call call = {.url = host("one.test", to(302, "", "/x?y=z"))};
    client_rig_call(&rig, &call);
    assert_int_equal(call.op.result, 0);
    assert_int_equal(call.status, 302);
    assert_int_equal(call.sent, SENT_ANSWERED);
    assert_string_equal(call.location, "/x?y=z");
    assert_string_equal(buf_text(&call.answer), "moved");
    http_call_release(&call);
    assert_int_equal(atomic_load(&server.requests), 1);
}

static void test_redirects_are_counted(void **state)
{
    rig_of(false);
    struct http_call call = {.url = host("one.test", to(302, "", to(307, "", to(308, "", "/end")))),
                             .redirects_max = 3};
    client_rig_call(&rig, &call);
    assert_non_null(strstr(end_of(&call), "GET /end "));
    assert_string_equal(call.location, "");
    http_call_release(&call);
    call.redirects_max = 2;
    client_rig_call(&rig, &call);
    check_refused(&call, ERR_UPSTREAM);
    assert_int_equal(call.sent, SENT_MAYBE);
}

static void test_methods_across_redirects(void **state)
{
    static const struct {
        int status;
        const char *method, *then;
        bool body;
    } rows[] = {{301, "POST", "GET", false}, {302, "POST", "GET", false}, {303, "POST", "GET", false},
                {307, "POST", "POST", true}, {308, "POST", "POST", true}, {302, "PUT", "PUT", true},
                {303, "PUT", "GET", false},  {301, "GET", "GET", false}};
    rig_of(false);
    BLOB_ON_EXIT struct blob *body = blob_static("words", 5);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_call call = {.method = rows[i].method, .redirects_max = 1, .header_count = 1};
        call.url = host("one.test", to(rows[i].status, "", "/end"));
        call.header[0] = (struct http_header){"Content-Type", "text/x", false};
        call.body = strcmp(rows[i].method, "GET") == 0 ? NULL : body;
        client_rig_call(&rig, &call);
        const char *text = end_of(&call);
        assert_memory_equal(text, rows[i].then, strlen(rows[i].then));
        assert_int_equal(strstr(text, "\r\n\r\nwords") != NULL, rows[i].body);
        assert_int_equal(strstr(text, "Content-Type: text/x") != NULL, rows[i].body || !call.body);
        http_call_release(&call);
    }
}

static struct http_call with_secrets(const char *url)
{
    struct http_call call = {.url = url, .redirects_max = 5, .header_count = 3};
    call.header[0] = (struct http_header){"Authorization", "Bearer token", true};
    call.header[1] = (struct http_header){"X-Plain", "plain", false};
    call.header[2] = (struct http_header){"Host", "virtual.test", false};
    return call;
}

static void test_secrets_stay_with_their_host(void **state)
{
    rig_of(false);
    struct http_call call = with_secrets(host("one.test", to(302, "", "/end")));
    client_rig_call(&rig, &call);
    assert_non_null(strstr(end_of(&call), "\r\nAuthorization: Bearer token\r\n"));
    assert_non_null(strstr(end_of(&call), "\r\nHost: virtual.test\r\n"));
    http_call_release(&call);

    call = with_secrets(host("one.test", to(302, "two.test", "/end")));
    client_rig_call(&rig, &call);
    assert_null(strstr(end_of(&call), "token"));
    assert_non_null(strstr(end_of(&call), "\r\nX-Plain: plain\r\n"));
    assert_non_null(strstr(end_of(&call), "\r\nHost: two.test:"));
    http_call_release(&call);

    /* nor do they come back after a detour */
    call = with_secrets(host("one.test", to(302, "two.test", to(302, "one.test", "/end"))));
    client_rig_call(&rig, &call);
    assert_null(strstr(end_of(&call), "token"));
    assert_non_null(strstr(end_of(&call), "\r\nHost: one.test:"));
    http_call_release(&call);

    call = with_secrets(host("127.0.0.1", to(302, "127.1", "/end"))); /* the same place in other words */
    client_rig_call(&rig, &call);
    assert_non_null(strstr(end_of(&call), "token"));
    http_call_release(&call);
}

static void test_redirects_to_nowhere(void **state)
{
    static const char *const places[] = {"file:///etc/passwd",     "ftp://one.test/", "gopher://one.test/x",
                                         "http://me:pw@one.test/", "http://[::1/",    "data:text/plain,x"};
    rig_of(false);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct http_call call = {.url = host("one.test", to(302, "", places[i])), .redirects_max = 5};
        client_rig_call(&rig, &call);
        check_refused(&call, ERR_VALIDATION);
        assert_int_equal(call.sent, SENT_MAYBE);
    }
}

/* ---- names ---- */

static void test_names_that_do_not_resolve(void **state)
{
    rig_of(false);
    struct http_call call = {.url = "http://nowhere.test/x", .method = "POST"};
    client_rig_call(&rig, &call);
    check_refused(&call, ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(call.sent, SENT_NOTHING);
    assert_non_null(strstr(call.err.reason, "nowhere.test"));
}

/* Giving up must not wait for the name server, as everything else would wait with it. */
static void test_slow_name_servers_hold_nobody_up(void **state)
{
    rig_of(false);
    uint64_t begun = clock_mono_ns();
    struct http_call connect = {.url = "http://slow.test/", .connect_timeout_ms = 100};
    struct http_call whole = {.url = "http://slow.test/", .timeout_ms = 150};
    struct http_call left = {.url = "http://slow.test/"};
    client_rig_start(&rig, &connect);
    client_rig_start(&rig, &whole);
    client_rig_start(&rig, &left);
    client_rig_run(&rig, 2);
    op_cancel(&left.op);
    client_rig_run(&rig, 1);
    assert_true(clock_mono_ns() - begun < NS_PER_S);
    check_refused(&connect, ERR_DEADLINE);
    check_refused(&whole, ERR_DEADLINE);
    check_refused(&left, ERR_CLIENT_GONE);
    assert_int_equal(connect.sent, SENT_NOTHING);
    assert_int_equal(whole.sent, SENT_NOTHING);
    assert_int_equal(left.sent, SENT_NOTHING);
    tiny_sleep_ms(2200); /* the resolver's threads end by themselves */
}

/* ---- the guard ---- */

static void test_guard_refuses_private_targets(void **state)
{
    static const char *const hosts[] = {"127.0.0.1",
                                        "127.1",
                                        "2130706433",
                                        "0x7f000001",
                                        "0177.0.0.1",
                                        "0",
                                        "localhost",
                                        "[::1]",
                                        "[::]",
                                        "[::ffff:127.0.0.1]",
                                        "[::ffff:7f00:1]",
                                        "one.test",
                                        "private.test",
                                        "six.test",
                                        "mapped.test",
                                        "metadata.test",
                                        "169.254.169.254",
                                        "192.168.0.1",
                                        "10.0.0.1",
                                        "100.64.0.1",
                                        "[fd00::1]",
                                        "[fe80::1]",
                                        "[64:ff9b::7f00:1]",
                                        "[2002:7f00:1::]",
                                        "%31%32%37.0.0.1",
                                        "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1" /* full-width 127 */};
    rig_of(false);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct http_call call = {.url = host(hosts[i], "/x"), .guard = true, .redirects_max = 3};
        client_rig_call(&rig, &call);
        assert_true(call.op.result < 0);
        if (i < ARRAY_LEN(hosts) - 1) /* the last is read by the locale, or not at all */
            check_refused(&call, ERR_VALIDATION);
        assert_int_equal(call.sent, SENT_NOTHING);
    }
    assert_int_equal(atomic_load(&private_connects), 0);
    assert_int_equal(atomic_load(&server.accepted), 0);
}

static void test_guard_lets_public_targets_pass(void **state)
{
    rig_of(false);
    for (unsigned i = 0; i < 3; i++) {
        struct http_call call = {.url = host("public.test", "/x"), .guard = true, .redirects_max = 3};
        client_rig_call(&rig, &call);
        assert_non_null(strstr(end_of(&call), "Host: public.test"));
        http_call_release(&call);
    }
    struct http_call call = {.url = host("public.test", to(302, "other.test", "/x")), .guard = true};
    call.redirects_max = 3;
    client_rig_call(&rig, &call);
    assert_non_null(strstr(end_of(&call), "Host: other.test"));
    http_call_release(&call);
    assert_int_equal(atomic_load(&private_connects), 0);
    assert_int_equal(atomic_load(&public_connects), 2); /* one a host, kept */
}

static void test_guard_watches_redirects(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "one.test", "private.test", "[::1]", "metadata.test"};
    rig_of(false);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct http_call call = {.url = host("public.test", to(302, hosts[i], "/x")), .guard = true};
        call.redirects_max = 3;
        client_rig_call(&rig, &call);
        check_refused(&call, ERR_VALIDATION);
        assert_null(strstr(call.err.reason, "10.1.2.3")); /* names of ours are not looked up for strangers */
    }
    assert_int_equal(atomic_load(&private_connects), 0);
}

/* A connection of ours to a private address is no way round the guard. */
static void test_guarded_calls_do_not_use_our_connections(void **state)
{
    rig_of(false);
    static const char *const hosts[] = {"one.test", "127.0.0.1"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct http_call ours = {.url = host(hosts[i], "/x")};
        client_rig_call(&rig, &ours);
        assert_non_null(end_of(&ours));
        http_call_release(&ours);
        struct http_call theirs = {.url = host(hosts[i], "/x"), .guard = true};
        client_rig_call(&rig, &theirs);
        check_refused(&theirs, ERR_VALIDATION);
    }
    assert_int_equal(atomic_load(&server.requests), 2);
}

/* A name that answers with a public address first and a private one later gets nowhere: there is one look-up
 * a connection, and its answer is what is checked and connected to. */
static void test_rebinding(void **state)
{
    rig_of(false);
    struct http_call call = {.url = host("rebind.test", "/x"), .guard = true};
    client_rig_call(&rig, &call);
    assert_non_null(end_of(&call));
    http_call_release(&call);
    assert_int_equal(atomic_load(&look_ups), 1);
    client_rig_release(&rig);
    rig_of(false); /* nothing is remembered: it is looked up again, and private now */
    client_rig_call(&rig, &call);
    check_refused(&call, ERR_VALIDATION);
    assert_int_equal(atomic_load(&look_ups), 2);
    assert_int_equal(atomic_load(&private_connects), 0);
}

static void test_guard_can_be_opened(void **state)
{
    rig_of(true);
    struct http_call call = {.url = host("public.test", to(302, "127.0.0.1", "/x")), .guard = true};
    call.redirects_max = 1;
    client_rig_call(&rig, &call);
    assert_non_null(end_of(&call));
    http_call_release(&call);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_redirects_are_not_followed_unless_asked_for),
        TEST(test_redirects_are_counted),
        TEST(test_methods_across_redirects),
        TEST(test_secrets_stay_with_their_host),
        TEST(test_redirects_to_nowhere),
        TEST(test_names_that_do_not_resolve),
        TEST(test_slow_name_servers_hold_nobody_up),
        TEST(test_guard_refuses_private_targets),
        TEST(test_guard_lets_public_targets_pass),
        TEST(test_guard_watches_redirects),
        TEST(test_guarded_calls_do_not_use_our_connections),
        TEST(test_rebinding),
        TEST(test_guard_can_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
