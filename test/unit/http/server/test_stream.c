/* Streams over real sockets: pieces as they come, readers that are slow, stop or leave, many at once. */
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "base/buf.h"
#include "http/server/stream.h"
#include "peer.h"

enum { STREAMS_MAX = 1024 };

/* Every request gets a stream, "/later" from another thread than the front's. */
static struct {
    struct stream_config config;
    struct stream *stream[STREAMS_MAX]; /* the makers' references, in the order of coming */
    _Atomic(struct exchange *) later;   /* waits to be answered */
    atomic_int made, closed;
    atomic_uint_fast64_t bytes, ns; /* of the last figures */
} rig;

static void on_closed(void *ctx)
{
    atomic_fetch_add(&rig.closed, 1);
}

static struct reply *next_stream(void)
{
    int i = atomic_load(&rig.made);
    CHECK(i < STREAMS_MAX);
    rig.stream[i] = stream_new(&rig.config);
    struct reply *r = stream_reply(rig.stream[i], "text/event-stream");
    reply_header(r, "Cache-Control", "no-store");
    return r;
}

static void on_request(void *ctx, struct exchange *x)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    atomic_fetch_add(&echo.begun, 1);
    if (strcmp(exchange_path(x), "/later") == 0)
        return;
    pthread_mutex_lock(&lock); /* two fronts */
    exchange_answer(x, next_stream());
    atomic_fetch_add(&rig.made, 1);
    pthread_mutex_unlock(&lock);
}

static void on_body(void *ctx, struct exchange *x, const void *data, size_t size)
{
}

static void on_complete(void *ctx, struct exchange *x)
{
    exchange_suspend(x);
    atomic_store(&rig.later, x);
}

static void on_close(void *ctx, struct exchange *x)
{
    atomic_fetch_add(&echo.closed, 1);
}

static void on_figures(void *ctx, const struct http_figures *f)
{
    atomic_store(&rig.bytes, f->response_bytes);
    atomic_store(&rig.ns, f->ns);
}

static const struct http_handler handler = {on_request, on_body, on_complete, on_close, on_figures};

static int start(void **state)
{
    echo_defaults();
    echo.handler = &handler;
    memset(rig.stream, 0, sizeof(rig.stream));
    atomic_store(&rig.made, 0);
    atomic_store(&rig.closed, 0);
    atomic_store(&rig.later, NULL);
    rig.config = (struct stream_config){.max_bytes = 1 << 20, .closed = on_closed};
    echo_start(0);
    return 0;
}

static void expect_closed(int count)
{
    for (int i = 0; i < PEER_WAIT_MS && atomic_load(&rig.closed) < count; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&rig.closed), count);
}

static void release_streams(void)
{
    expect_closed(atomic_load(&rig.made));
    for (int i = 0; i < atomic_load(&rig.made); i++)
        stream_unref(rig.stream[i]);
}

static int finish(void **state)
{
    release_streams();
    return tear_down(state);
}

/* ---- the reader's side ---- */

static int peer_asks(const char *request)
{
    int fd = peer_open(), made = atomic_load(&rig.made);
    assert_true(peer_say(fd, "%s", request));
    for (int i = 0; i < PEER_WAIT_MS && atomic_load(&rig.made) == made; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&rig.made), made + 1);
    return fd;
}

static int peer_listens(void)
{
    int fd = peer_asks("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    return fd;
}

static char peer_char(int fd)
{
    char c = 0;
    if (!peer_readable(fd, PEER_WAIT_MS) || recv(fd, &c, 1, 0) != 1)
        fail_msg("%s", "the stream has broken off");
    return c;
}

/* One chunk; its size, 0 at the end. */
static size_t peer_chunk(int fd, char *ret, size_t room)
{
    char line[16];
    size_t n = 0;
    while ((line[n] = peer_char(fd)) != '\n')
        assert_true(++n < sizeof(line));
    size_t size = strtoul(line, NULL, 16);
    assert_true(size < room);
    for (size_t got = 0; got < size;) {
        assert_true(peer_readable(fd, PEER_WAIT_MS));
        ssize_t some = recv(fd, ret + got, size - got, 0);
        assert_true(some > 0);
        got += (size_t)some;
    }
    ret[size] = '\0';
    assert_int_equal(peer_char(fd), '\r');
    assert_int_equal(peer_char(fd), '\n');
    return size;
}

/* All that comes until the stream's end. */
static char *peer_rest(int fd, size_t *size)
{
    static char chunk[65536];
    struct buf b;
    buf_init(&b, 64 << 20);
    while (peer_chunk(fd, chunk, sizeof(chunk)) > 0)
        assert_int_equal(buf_puts(&b, chunk), 0);
    *size = b.len;
    return b.data ? b.data : mem_strdup("");
}

static void expect_rest(int fd, const char *text)
{
    size_t size;
    FREE_ON_EXIT char *rest = peer_rest(fd, &size);
    assert_string_equal(rest, text);
}

static int say(int i, const char *text)
{
    BLOB_ON_EXIT struct blob *b = blob_copy(text, strlen(text));
    return stream_send(rig.stream[i], b);
}

static void end(int i, const char *text)
{
    BLOB_ON_EXIT struct blob *b = text ? blob_copy(text, strlen(text)) : NULL;
    stream_end(rig.stream[i], b);
}

static void say_until_gone(const char *text)
{
    uint64_t begun = now_ms();
    int r;
    while ((r = say(0, text)) != -ERR_CLIENT_GONE && now_ms() - begun < PEER_WAIT_MS)
        if (r != 0 || strlen(text) < 100)
            usleep(1000);
    assert_int_equal(r, -ERR_CLIENT_GONE);
}

/* ---- tests ---- */

static void test_pieces_come_at_once(void **state)
{
    char text[64];
    int fd = peer_asks("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Transfer-Encoding"), "chunked");
    assert_string_equal(answer_header(&a, "Content-Type"), "text/event-stream");
    assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
    assert_non_null(answer_header(&a, "x-request-id"));
    assert_null(answer_header(&a, "Content-Length"));
    answer_release(&a);
    for (int i = 0; i < 50; i++) {
        char piece[32];
        snprintf(piece, sizeof(piece), "data: %d\n\n", i);
        assert_int_equal(say(0, piece), 0);
        assert_int_equal(peer_chunk(fd, text, sizeof(text)), strlen(piece)); /* before the next is sent */
        assert_string_equal(text, piece);
    }
    assert_int_equal(say(0, ""), 0); /* nothing: it would be the end */
    assert_int_equal(http_answering(echo.http), 1);
    end(0, "bye");
    expect_rest(fd, "bye");
    expect_closed(1);
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")); /* the connection goes on */
    a = peer_answer(fd, false);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    end(1, NULL);
    expect_rest(fd, "");
    close(fd);
}

static void test_sent_before_asked(void **state)
{
    int fd = peer_asks("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(say(0, "a"), 0);
    assert_int_equal(say(0, "b"), 0);
    end(0, "c");
    struct answer a = peer_answer(fd, false);
    answer_release(&a);
    expect_rest(fd, "abc");
    close(fd);
    expect_closed(1);
    expect_quiet();
    assert_int_equal(atomic_load(&rig.bytes), 3); /* in the figures */
}

/* One that is kept alive, so that those of the tests are not the oldest. */
static int older_connection(void)
{
    int fd = peer_listens();
    end(atomic_load(&rig.made) - 1, NULL);
    expect_rest(fd, "");
    return fd;
}

static void expect_connections(unsigned count)
{
    for (int i = 0; i < PEER_WAIT_MS && http_connections(echo.http) != count; i++)
        usleep(1000);
    assert_int_equal(http_connections(echo.http), count);
}

static void test_http10(void **state)
{
    int older[4];
    for (int i = 0; i < 4; i++)
        older[i] = older_connection(); /* on both fronts */
    int fd = peer_asks("GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    char text[4096];
    size_t n = 0;
    assert_int_equal(say(4, "one"), 0);
    usleep(1000);
    end(4, "two");
    for (ssize_t some = 1; some > 0; n += (size_t)MAX(some, 0)) {
        assert_true(peer_readable(fd, PEER_WAIT_MS));
        some = recv(fd, text + n, sizeof(text) - 1 - n, 0);
    }
    text[n] = '\0';
    assert_null(strstr(text, "chunked"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nonetwo");
    expect_connections(4);
    close(fd);
    for (int i = 0; i < 4; i++)
        close(older[i]);
}

static void test_head(void **state)
{
    int fd = peer_asks("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    struct answer a = peer_answer(fd, true);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    expect_closed(1);
    assert_int_equal(say(0, "nobody hears this"), -ERR_CLIENT_GONE);
    close(fd);
}

static void test_large_pieces(void **state)
{
    enum { SIZE = 300000 };
    FREE_ON_EXIT char *text = mem_alloc(SIZE + 1);
    for (int i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i % 23);
    text[SIZE] = '\0';
    int fd = peer_listens();
    assert_int_equal(say(0, text), 0);
    end(0, NULL);
    expect_rest(fd, text);
    close(fd);
}

/* Of a request that waited, from any thread. */
static void test_answers_later(void **state)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    struct exchange *x = NULL;
    for (int i = 0; i < PEER_WAIT_MS && !(x = atomic_load(&rig.later)); i++)
        usleep(1000);
    struct reply *r = next_stream();
    atomic_fetch_add(&rig.made, 1);
    assert_int_equal(say(0, "early"), 0);
    exchange_answer_suspended(x, r);
    struct answer a = peer_answer(fd, false);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    end(0, "late");
    expect_rest(fd, "earlylate");
    close(fd);
}

/* The client of a request that waits has left: the reply never goes out. */
static void test_reply_without_a_reader(void **state)
{
    struct reply *r = next_stream();
    atomic_fetch_add(&rig.made, 1);
    assert_int_equal(say(0, "x"), 0);
    reply_free(r);
    expect_closed(1);
    assert_int_equal(say(0, "x"), -ERR_CLIENT_GONE);
}

/* It takes so much and no more, and the last word still fits. */
static void test_slow_reader_is_refused(void **state)
{
    static char piece[1001];
    memset(piece, 'x', 1000);
    rig.config.max_bytes = 100000;
    int fd = peer_listens(), sent = 0, r;
    while ((r = say(0, piece)) == 0)
        assert_true(++sent < 100000);
    assert_int_equal(r, -ERR_OVERLOADED);
    assert_int_equal(say(0, piece), -ERR_OVERLOADED);
    end(0, "too slow");
    size_t size;
    FREE_ON_EXIT char *rest = peer_rest(fd, &size);
    assert_int_equal(size, (size_t)sent * 1000 + strlen("too slow"));
    assert_string_equal(rest + size - strlen("too slow"), "too slow");
    close(fd);
}

static void test_small_pieces_are_bounded_too(void **state)
{
    rig.config.max_bytes = 10000;
    int sent = 0;
    struct reply *r = next_stream(); /* nothing takes them away */
    atomic_fetch_add(&rig.made, 1);
    while (say(0, ".") == 0)
        assert_true(++sent < 1000);
    assert_true(sent > 50);
    reply_free(r);
}

static void test_reader_that_never_reads_is_dropped(void **state)
{
    static char piece[10001];
    memset(piece, 'x', 10000);
    rig.config.stall_ms = 300;
    int fd = peer_listens();
    say_until_gone(piece); /* the sockets take much before it stalls */
    expect_closed(1);
    close(fd);
}

/* Reads on and on for longer than a stall may last. Only if this thread stood still itself may it be cut. */
static bool reads_slowly(int i, uint64_t stall_ms)
{
    static char piece[5001], block[4096];
    memset(piece, 'x', 5000);
    int fd = peer_listens(), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    uint64_t begun = now_ms(), last = begun, longest = 0;
    bool open = true;
    while (open && now_ms() - begun < stall_ms * 5 / 2) {
        int r = say(i, piece); /* more is there at any time */
        assert_true(r == 0 || r == -ERR_OVERLOADED || r == -ERR_CLIENT_GONE);
        usleep(5000);
        open = recv(fd, block, sizeof(block), 0) > 0;
        longest = MAX(longest, now_ms() - last);
        last = now_ms();
    }
    end(i, NULL);
    close(fd);
    assert_true(open || longest > stall_ms / 4);
    return open;
}

static void test_slow_reader_is_not_cut(void **state)
{
    rig.config.stall_ms = 800;
    rig.config.max_bytes = 100000;
    for (int i = 0; i < 10; i++)
        if (reads_slowly(i, rig.config.stall_ms))
            return;
    skip(); /* this machine stands still all the time */
}

static void test_reader_leaves_in_silence(void **state)
{
    int older[4];
    for (int i = 0; i < 4; i++)
        older[i] = older_connection();
    int fd = peer_listens();
    close(fd);
    expect_closed(5);      /* without a word sent */
    expect_connections(4); /* and its socket does not stay */
    assert_int_equal(say(4, "x"), -ERR_CLIENT_GONE);
    for (int i = 0; i < 4; i++)
        close(older[i]);
}

static void test_reader_leaves_and_is_told(void **state)
{
    int fd = peer_listens();
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    say_until_gone("ping");
    expect_closed(1);
}

static void test_two_hundred(void **state)
{
    enum { N = 200, PIECES = 20 };
    int fds[N];
    char text[16], all[PIECES * 16];
    size_t n = 0;
    for (int i = 0; i < N; i++)
        fds[i] = peer_listens();
    assert_int_equal(http_answering(echo.http), N);
    for (int p = 0; p < PIECES; p++) {
        snprintf(text, sizeof(text), "data: %d\n\n", p);
        n += (size_t)snprintf(all + n, sizeof(all) - n, "%s", text);
        BLOB_ON_EXIT struct blob *b = blob_copy(text, strlen(text));
        for (int i = 0; i < N; i++)
            assert_int_equal(stream_send(rig.stream[i], b), 0);
    }
    for (int i = 0; i < N; i += 2)
        close(fds[i]);
    for (int i = 0; i < N; i++)
        end(i, NULL);
    for (int i = 1; i < N; i += 2) {
        expect_rest(fds[i], all);
        close(fds[i]);
    }
    expect_closed(N);
}

/* Several threads send to the same streams as fast as they can, so that each is suspended and resumed at the
 * same moment as often as possible. */
enum { RACERS = 3, RACE_STREAMS = 8, RACE_PIECES = 3000 };

static void *race(void *ctx)
{
    BLOB_ON_EXIT struct blob *b = blob_copy(ctx, 1);
    for (int p = 0; p < RACE_PIECES; p++)
        for (int i = 0; i < RACE_STREAMS; i++)
            CHECK(stream_send(rig.stream[i], b) == 0);
    return NULL;
}

static void test_suspend_and_resume_race(void **state)
{
    static char letter[RACERS] = {'a', 'b', 'c'};
    pthread_t thread[RACERS];
    int fds[RACE_STREAMS];
    for (int i = 0; i < RACE_STREAMS; i++)
        fds[i] = peer_listens();
    for (int i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, race, &letter[i]), 0);
    for (int i = 0; i < RACERS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < RACE_STREAMS; i++)
        end(i, NULL);
    for (int i = 0; i < RACE_STREAMS; i++) {
        size_t size, count[RACERS] = {0};
        FREE_ON_EXIT char *rest = peer_rest(fds[i], &size);
        assert_int_equal(size, RACERS * RACE_PIECES);
        for (size_t at = 0; at < size; at++)
            count[rest[at] - 'a']++;
        for (int r = 0; r < RACERS; r++)
            assert_int_equal(count[r], RACE_PIECES);
        close(fds[i]);
    }
}

/* Readers come and go while somebody sends to whatever there is. */
static void test_readers_come_and_go(void **state)
{
    for (int i = 0; i < 300; i++) {
        int fd = i % 3 ? peer_listens() : peer_asks("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int k = MAX(0, i - 10); k <= i; k++) {
            int r = say(k, "event");
            assert_true(r == 0 || r == -ERR_CLIENT_GONE);
        }
        close(fd);
    }
    expect_closed(300);
}

/* Streams in every state when the server stops. */
static void test_stop(void **state)
{
    static char piece[10001];
    memset(piece, 'x', 10000);
    for (int round = 0; round < 4; round++) {
        enum { N = 30 };
        int fds[N];
        start(state);
        for (int i = 0; i < N; i++) {
            fds[i] = peer_listens();
            while (i % 3 == 1 && say(i, piece) == 0)
                ;
            if (i % 3 == 2)
                assert_int_equal(say(i, "a"), 0);
        }
        for (int i = 0; i < N; i += 5)
            end(i, "x");
        if (round == 1)
            usleep(20000);
        echo_stop();
        assert_int_equal(atomic_load(&rig.closed), N);
        if (round == 2)
            assert_int_equal(say(1, "a"), -ERR_CLIENT_GONE);
        release_streams();
        assert_int_equal(blob_live_count(), 0);
        for (int i = 0; i < N; i++)
            close(fds[i]);
    }
}

/* All end, silent, full or ended, while the server lives on. */
static void test_cut(void **state)
{
    enum { N = 12 };
    static char piece[10001];
    int fds[N];
    memset(piece, 'x', 10000);
    for (int i = 0; i < N; i++) {
        fds[i] = peer_listens();
        for (int r = 0, k = 0; i % 3 == 1 && k < 2000 && r != -ERR_CLIENT_GONE; k++)
            if ((r = say(i, piece)) == -ERR_OVERLOADED)
                usleep(100);
        if (i % 4 == 0)
            end(i, NULL);
    }
    http_cut_streams(echo.http);
    expect_closed(N);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    int fd = peer_listens(); /* a new one is over at once */
    assert_true(peer_closed(fd));
    close(fd);
    expect_closed(N + 1);
}

static void test_drain(void **state)
{
    int fd = peer_listens();
    http_drain(echo.http);
    assert_int_equal(say(0, "still"), 0);
    end(0, "bye");
    expect_rest(fd, "stillbye");
    for (int i = 0; i < PEER_WAIT_MS && http_answering(echo.http) > 0; i++)
        usleep(1000);
    assert_int_equal(http_answering(echo.http), 0);
    close(fd);
    fd = peer_asks("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    struct answer a = peer_answer(fd, false);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    answer_release(&a);
    end(1, NULL);
    expect_rest(fd, "");
    assert_true(peer_closed(fd));
    close(fd);
}

#define WITH_STREAMS(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STREAMS(test_pieces_come_at_once),
        WITH_STREAMS(test_sent_before_asked),
        WITH_STREAMS(test_http10),
        WITH_STREAMS(test_head),
        WITH_STREAMS(test_large_pieces),
        WITH_STREAMS(test_answers_later),
        WITH_STREAMS(test_reply_without_a_reader),
        WITH_STREAMS(test_slow_reader_is_refused),
        WITH_STREAMS(test_small_pieces_are_bounded_too),
        WITH_STREAMS(test_reader_that_never_reads_is_dropped),
        WITH_STREAMS(test_slow_reader_is_not_cut),
        WITH_STREAMS(test_reader_leaves_in_silence),
        WITH_STREAMS(test_reader_leaves_and_is_told),
        WITH_STREAMS(test_two_hundred),
        WITH_STREAMS(test_suspend_and_resume_race),
        WITH_STREAMS(test_readers_come_and_go),
        WITH_STREAMS(test_cut),
        WITH_STREAMS(test_drain),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
