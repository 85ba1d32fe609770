/* Against a real redis-server: frozen, killed, restarted, slow. */
#include "redis/redis.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis_rig.h"
#include "redis_server.h"
#include "scratch.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct redis_server server;
static struct redis_rig rig;

static int set_up(void **state)
{
    if (!redis_server_start(&server, NULL))
        skip();
    redis_rig_init(&rig, server.url, 200, 1000);
    return 0;
}

static int tear_down(void **state)
{
    if (rig.uv)
        redis_rig_release(&rig);
    rig = (struct redis_rig){0};
    redis_server_stop(&server);
    return 0;
}

static void begin(void)
{
    redis_start(rig.redis);
    redis_rig_until_up(&rig);
}

/* ---- answers ---- */

static void test_answers_of_every_type(void **state)
{
    struct redis_call call = {0};
    begin();
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("SET", "k", "v")), 0);
    assert_int_equal(call.reply->type, REDIS_REPLY_STATUS);
    redis_call_release(&call);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("GET", "k")), 0);
    assert_string_equal(call.reply->str, "v");
    redis_call_release(&call);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("GET", "none")), 0);
    assert_int_equal(call.reply->type, REDIS_REPLY_NIL);
    redis_call_release(&call);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("INCR", "n")), 0);
    assert_int_equal(call.reply->integer, 1);
    redis_call_release(&call);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("INCR", "k")), -ERR_UPSTREAM);
    assert_non_null(strstr(call.err.reason, "not an integer"));
    redis_call_release(&call);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("MGET", "k", "none")), 0);
    assert_int_equal(call.reply->elements, 2);
    redis_call_release(&call);
    assert_int_equal(rig.ups, 1);
    assert_int_equal(rig.downs, 0);
}

struct many {
    struct redis_call call;
    unsigned *done;
    unsigned at; /* its turn */
};

static void one_done(struct op *op)
{
    struct many *m = op->owner;
    m->at = ++*m->done;
}

static bool all_done(void *ctx)
{
    const struct many *m = ctx;
    return *m[0].done == 500;
}

/* Many at once are sent as one and answered in order. */
static void test_pipeline(void **state)
{
    static struct many m[500];
    unsigned done = 0;
    begin();
    for (unsigned i = 0; i < ARRAY_LEN(m); i++) {
        m[i] = (struct many){.done = &done};
        m[i].call.op.owner = &m[i];
        struct redis_command c = redis_command("INCRBY");
        redis_add(&c, "n");
        redis_add_int(&c, 1);
        redis_call_start(rig.redis, &m[i].call, &c, one_done);
    }
    assert_true(redis_busy(rig.redis));
    redis_rig_run(&rig, all_done, m);
    for (unsigned i = 0; i < ARRAY_LEN(m); i++) {
        assert_int_equal(m[i].call.op.result, 0);
        assert_int_equal(m[i].call.reply->integer, i + 1);
        assert_int_equal(m[i].at, i + 1);
        redis_call_release(&m[i].call);
    }
    assert_false(redis_busy(rig.redis));
}

static void test_pipeline_is_bounded(void **state)
{
    struct redis_rig small;
    struct redis_call call[3] = {0};
    unsigned done = 0;
    struct many m[3];
    redis_rig_init(&small, server.url, 200, 2);
    redis_start(small.redis);
    redis_rig_until_up(&small);
    for (unsigned i = 0; i < 3; i++) {
        m[i] = (struct many){.done = &done};
        call[i].op.owner = &m[i];
        struct redis_command c = redis_command("PING");
        redis_call_start(small.redis, &call[i], &c, one_done);
    }
    redis_rig_ms(&small, 100);
    assert_int_equal(done, 3);
    assert_int_equal(call[0].op.result, 0);
    assert_int_equal(call[1].op.result, 0);
    assert_int_equal(call[2].op.result, -ERR_QUEUE_FULL);
    for (unsigned i = 0; i < 3; i++)
        redis_call_release(&call[i]);
    redis_rig_release(&small);
}

/* A cancelled call ends at once, and the answers of the others are not mixed up. */
static void test_cancel(void **state)
{
    struct redis_call one = {0}, two = {0};
    unsigned done = 0;
    struct many m[2] = {{.done = &done}, {.done = &done}};
    begin();
    one.op.owner = &m[0];
    two.op.owner = &m[1];
    struct redis_command first = redis_command("ECHO"), second = redis_command("ECHO");
    redis_add(&first, "first");
    redis_add(&second, "second");
    redis_call_start(rig.redis, &one, &first, one_done);
    redis_call_start(rig.redis, &two, &second, one_done);
    op_cancel(&one.op);
    redis_rig_ms(&rig, 50);
    assert_int_equal(done, 2);
    assert_int_equal(one.op.result, -ERR_CLIENT_GONE);
    assert_int_equal(two.op.result, 0);
    assert_string_equal(two.reply->str, "second");
    redis_call_release(&one);
    redis_call_release(&two);
}

/* ---- addresses ---- */

static void reach(const char *url)
{
    struct redis_rig other;
    struct redis_call call = {0};
    redis_rig_init(&other, url, 200, 0);
    redis_start(other.redis);
    redis_rig_until_up(&other);
    assert_int_equal(redis_rig_ask(&other, &call, WORDS("PING")), 0);
    redis_call_release(&call);
    redis_rig_release(&other);
}

static void test_by_name_socket_and_database(void **state)
{
    struct redis_call call = {0};
    FREE_ON_EXIT char *name = mem_printf("redis://localhost:%d", server.port);
    FREE_ON_EXIT char *db = mem_printf("redis://127.0.0.1:%d/3", server.port);
    reach(name); /* looked up on a lane; ::1 comes first and refuses */
    reach(server.socket_url);
    struct redis_rig other;
    redis_rig_init(&other, db, 200, 0);
    redis_start(other.redis);
    redis_rig_until_up(&other);
    assert_int_equal(redis_rig_ask(&other, &call, WORDS("SET", "here", "3")), 0);
    redis_call_release(&call);
    redis_rig_release(&other);
    FREE_ON_EXIT char *seen = redis_server_ask(&server, WORDS("-n", "3", "GET", "here"));
    assert_string_equal(seen, "3");
}

static void test_password(void **state)
{
    struct redis_server locked;
    struct redis_rig other;
    assert_true(redis_server_start(&locked, "open sesame"));
    FREE_ON_EXIT char *right = mem_printf("redis://:open%%20sesame@127.0.0.1:%d", locked.port);
    FREE_ON_EXIT char *named = mem_printf("redis://default:open%%20sesame@127.0.0.1:%d", locked.port);
    FREE_ON_EXIT char *wrong = mem_printf("redis://:guess@127.0.0.1:%d", locked.port);
    FREE_ON_EXIT char *none = mem_printf("redis://127.0.0.1:%d", locked.port);
    reach(right);
    reach(named);
    const char *const bad[] = {wrong, none};
    for (unsigned i = 0; i < 2; i++) {
        redis_rig_init(&other, bad[i], 200, 0);
        redis_start(other.redis);
        redis_rig_ms(&other, 300);
        assert_false(redis_is_up(other.redis));
        assert_int_equal(other.downs, 1); /* told once, however often it is tried */
        assert_non_null(strstr(other.why, i == 0 ? "WRONGPASS" : "NOAUTH"));
        redis_rig_release(&other);
    }
    redis_server_stop(&locked);
}

static void test_nobody_there(void **state)
{
    struct redis_call call = {0};
    struct redis_rig other;
    redis_rig_init(&other, "redis://name.invalid", 200, 0);
    redis_start(other.redis);
    uint64_t t = clock_mono_ns();
    assert_int_equal(redis_rig_ask(&other, &call, WORDS("PING")), -ERR_PROVIDER_UNAVAILABLE);
    assert_true(clock_mono_ns() - t < 100 * NS_PER_MS); /* nobody waits */
    redis_call_release(&call);
    redis_rig_release(&other); /* also while the name is being looked up */
}

/* ---- a server in trouble ---- */

static bool is_down(void *ctx)
{
    return !redis_is_up(ctx);
}

/* The first command waits for its limit and no longer; those after it do not wait; it comes back by itself.
 */
static void test_frozen(void **state)
{
    struct redis_call call = {0};
    begin();
    redis_server_freeze(&server);
    uint64_t t = clock_mono_ns();
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("PING")), -ERR_PROVIDER_UNAVAILABLE);
    uint64_t waited = clock_mono_ns() - t;
    assert_true(waited >= 200 * NS_PER_MS && waited < 600 * NS_PER_MS);
    assert_non_null(strstr(call.err.reason, "no answer within 200 ms"));
    redis_call_release(&call);
    for (unsigned i = 0; i < 100; i++) {
        t = clock_mono_ns();
        assert_int_equal(redis_rig_ask(&rig, &call, WORDS("PING")), -ERR_PROVIDER_UNAVAILABLE);
        assert_true(clock_mono_ns() - t < 100 * NS_PER_MS);
        redis_call_release(&call);
    }
    redis_rig_ms(&rig, 1000); /* connections are taken by the kernel all the same: they must not count */
    assert_false(redis_is_up(rig.redis));
    assert_int_equal(rig.downs, 1);
    redis_server_thaw(&server);
    redis_rig_until_up(&rig);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("PING")), 0);
    redis_call_release(&call);
    assert_int_equal(rig.ups, 2);
}

static void test_killed_and_restarted(void **state)
{
    struct redis_call call = {0};
    begin();
    redis_server_kill(&server);
    redis_rig_run(&rig, is_down, rig.redis);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("PING")), -ERR_PROVIDER_UNAVAILABLE);
    redis_call_release(&call);
    redis_server_restart(&server);
    redis_rig_until_up(&rig);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("PING")), 0);
    redis_call_release(&call);
}

/* All that is under way ends when the connection does. */
static void test_pending_when_it_breaks(void **state)
{
    static struct many m[100];
    unsigned done = 0;
    begin();
    redis_server_freeze(&server);
    for (unsigned i = 0; i < ARRAY_LEN(m); i++) {
        m[i] = (struct many){.done = &done};
        m[i].call.op.owner = &m[i];
        struct redis_command c = redis_command("PING");
        redis_call_start(rig.redis, &m[i].call, &c, one_done);
    }
    redis_server_kill(&server);
    redis_rig_run(&rig, is_down, rig.redis);
    assert_int_equal(done, 100);
    for (unsigned i = 0; i < ARRAY_LEN(m); i++) {
        assert_int_equal(m[i].call.op.result, -ERR_PROVIDER_UNAVAILABLE);
        redis_call_release(&m[i].call);
    }
}

/* This thread is late, not the server: its answer counts. */
static void test_a_late_look_is_not_the_servers_fault(void **state)
{
    struct redis_call call = {0};
    unsigned done = 0;
    struct many m = {.done = &done};
    begin();
    call.op.owner = &m;
    struct redis_command c = redis_command("PING");
    redis_call_start(rig.redis, &call, &c, one_done);
    redis_rig_ms(&rig, 0); /* it is sent */
    uint64_t until = clock_mono_ns() + 400 * NS_PER_MS;
    while (clock_mono_ns() < until)
        ;
    redis_rig_ms(&rig, 20);
    assert_int_equal(call.op.result, 0);
    assert_int_equal(rig.downs, 0);
    redis_call_release(&call);
}

static void test_too_long_an_answer(void **state)
{
    struct redis_call call = {0};
    begin();
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("SETRANGE", "big", "3000000", "x")), 0);
    redis_call_release(&call);
    assert_int_equal(redis_rig_ask(&rig, &call, WORDS("GET", "big")), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(call.err.reason, "too long"));
    redis_call_release(&call);
    redis_rig_until_up(&rig);
}

static void test_too_many_clients(void **state)
{
    struct redis_rig other;
    free(redis_server_ask(&server, WORDS("CONFIG", "SET", "maxclients", "1")));
    begin();
    redis_rig_init(&other, server.url, 200, 0);
    redis_start(other.redis);
    redis_rig_ms(&other, 200);
    assert_false(redis_is_up(other.redis));
    assert_non_null(strstr(other.why, "max number of clients"));
    redis_rig_release(&other);
}

static void *greet_like_ssh(void *arg)
{
    static const char greeting[] = "SSH-2.0-OpenSSH_9.2\r\n";
    int fd;
    while ((fd = accept(*(int *)arg, NULL, NULL)) >= 0) {
        send(fd, greeting, strlen(greeting), MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

/* Something else listens there: no crash, no hope. */
static void test_not_redis(void **state)
{
    struct redis_rig other;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    pthread_t thread;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    assert_int_equal(pthread_create(&thread, NULL, greet_like_ssh, &fd), 0);
    FREE_ON_EXIT char *url = mem_printf("redis://127.0.0.1:%d", ntohs(a.sin_port));
    redis_rig_init(&other, url, 200, 0);
    redis_start(other.redis);
    redis_rig_ms(&other, 400);
    assert_false(redis_is_up(other.redis));
    assert_int_equal(other.downs, 1);
    assert_non_null(strstr(other.why, "not Redis's protocol"));
    redis_rig_release(&other);
    shutdown(fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(fd);
}

/* ---- channels ---- */

struct heard {
    unsigned begun, messages;
    char last[64];
};

static void on_message(void *ctx, const char *message)
{
    struct heard *h = ctx;
    h->begun += !message;
    h->messages += message != NULL;
    snprintf(h->last, sizeof(h->last), "%s", message ? message : "");
}

static bool twice_begun(void *ctx)
{
    return ((struct heard *)ctx)->begun >= 2;
}

static bool heard_one(void *ctx)
{
    return ((struct heard *)ctx)->messages >= 1;
}

static void test_channels(void **state)
{
    struct heard a = {0}, b = {0};
    redis_listen(rig.redis, "a", on_message, &a);
    redis_listen(rig.redis, "b", on_message, &b);
    begin();
    redis_rig_ms(&rig, 50);
    assert_int_equal(a.begun, 1);
    assert_int_equal(b.begun, 1);
    free(redis_server_ask(&server, WORDS("PUBLISH", "a", "hello")));
    redis_rig_run(&rig, heard_one, &a);
    assert_string_equal(a.last, "hello");
    assert_int_equal(b.messages, 0);
    redis_server_kill(&server);
    redis_rig_run(&rig, is_down, rig.redis);
    redis_server_restart(&server);
    redis_rig_run(&rig, twice_begun, &a);
    free(redis_server_ask(&server, WORDS("PUBLISH", "b", "again")));
    redis_rig_run(&rig, heard_one, &b);
    assert_string_equal(b.last, "again");
}

/* The connection for messages has nothing to wait for: a ping finds that it is dead. */
static void test_a_silent_channel_is_pinged(void **state)
{
    struct heard a = {0};
    redis_listen(rig.redis, "a", on_message, &a);
    begin();
    redis_rig_ms(&rig, 4500);
    assert_int_equal(a.begun, 1); /* it answers its pings */
    redis_server_freeze(&server);
    redis_rig_ms(&rig, 4500);
    redis_server_thaw(&server);
    redis_rig_run(&rig, twice_begun, &a);
}

static void count_down(void *ctx)
{
    (*(unsigned *)ctx)++;
}

static void test_told_when_it_goes(void **state)
{
    unsigned downs_heard = 0;
    redis_on_down(rig.redis, count_down, &downs_heard);
    begin();
    redis_server_kill(&server);
    redis_rig_run(&rig, is_down, rig.redis);
    redis_rig_ms(&rig, 500);
    assert_int_equal(downs_heard, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_answers_of_every_type),
        TEST(test_pipeline),
        TEST(test_pipeline_is_bounded),
        TEST(test_cancel),
        TEST(test_by_name_socket_and_database),
        TEST(test_password),
        TEST(test_nobody_there),
        TEST(test_frozen),
        TEST(test_killed_and_restarted),
        TEST(test_pending_when_it_breaks),
        TEST(test_a_late_look_is_not_the_servers_fault),
        TEST(test_too_long_an_answer),
        TEST(test_too_many_clients),
        TEST(test_not_redis),
        TEST(test_channels),
        TEST(test_a_silent_channel_is_pinged),
        TEST(test_told_when_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
