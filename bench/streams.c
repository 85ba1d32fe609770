/* streams.c: what many open streams cost: memory of the server for each, and how long one event takes to
 * reach all of them.
 *
 *     bench-streams [STREAMS [EVENTS [FRONTS]]]
 *
 * The server is this process, the readers are one child over 127.0.0.1. Memory is the resident set, before
 * the first and after the last stream; what the kernel keeps for sockets is not in it. An event's time runs
 * from before it is given to the first stream until the child has read the last byte of it from the last one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sse_out.h"
#include "http/server/stream.h"

enum { EVENT_MAX = 512, HEAD_MAX = 1024 };

static struct stream **streams;
static atomic_uint made, closed;

static void on_closed(void *ctx)
{
    atomic_fetch_add(&closed, 1);
}

static void on_request(void *ctx, struct exchange *x)
{
    const struct stream_config config = {.max_bytes = 65536, .closed = on_closed};
    struct stream *s = stream_new(&config);
    exchange_answer(x, stream_reply(s, "text/event-stream"));
    streams[atomic_fetch_add(&made, 1)] = s;
}

static void on_body(void *ctx, struct exchange *x, const void *data, size_t size)
{
}

static void on_end(void *ctx, struct exchange *x)
{
}

/* ---- the readers ---- */

static int reader_open(int port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    char head[HEAD_MAX];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    CHECK(send(fd, request, sizeof(request) - 1, 0) == sizeof(request) - 1);
    size_t n = 0;
    do {
        CHECK(n < sizeof(head) && recv(fd, head + n, 1, 0) == 1);
        n++;
    } while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0);
    return fd;
}

/* Counts bytes, as each event has the same size. Tells when all have the whole of it. */
static void read_events(int epoll, unsigned count, size_t event_size, int to_server)
{
    struct epoll_event ready[256];
    char block[4096];
    uint64_t wanted = (uint64_t)count * event_size, got = 0;
    for (;;) {
        int n = epoll_wait(epoll, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            ssize_t some = recv(ready[i].data.fd, block, sizeof(block), MSG_DONTWAIT);
            if (some <= 0)
                return;
            got += (size_t)some;
        }
        if (got < wanted)
            continue;
        CHECK(got == wanted);
        got = 0;
        uint64_t now = clock_mono_ns();
        CHECK(write(to_server, &now, sizeof(now)) == sizeof(now));
    }
}

static void readers(int port, unsigned count, size_t event_size, int to_server)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = reader_open(port)};
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, e.data.fd, &e) == 0);
    }
    uint64_t now = clock_mono_ns();
    CHECK(write(to_server, &now, sizeof(now)) == sizeof(now));
    read_events(epoll, count, event_size, to_server);
    _exit(0);
}

/* ---- the server ---- */

static uint64_t resident_kb(void)
{
    unsigned long size, resident;
    FILE *f = fopen("/proc/self/statm", "re");
    CHECK(f && fscanf(f, "%lu %lu", &size, &resident) == 2); /* NOLINT(cert-err34-c) */
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static uint64_t hear(int from_child)
{
    uint64_t at;
    CHECK(read(from_child, &at, sizeof(at)) == sizeof(at));
    return at;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static void measure(struct blob *event, unsigned count, unsigned events, int from_child)
{
    double *sent = mem_alloc(events * sizeof(*sent)), *read_by_all = mem_alloc(events * sizeof(*sent));
    double cpu = cpu_ms();
    for (unsigned e = 0; e < events; e++) {
        uint64_t begun = clock_mono_ns();
        for (unsigned i = 0; i < count; i++)
            CHECK(stream_send(streams[i], event) == 0);
        sent[e] = (double)(clock_mono_ns() - begun) / NS_PER_MS;
        read_by_all[e] = (double)(hear(from_child) - begun) / NS_PER_MS;
        usleep(20000);
    }
    cpu = cpu_ms() - cpu;
    qsort(sent, events, sizeof(*sent), by_size);
    qsort(read_by_all, events, sizeof(*sent), by_size);
    printf("one event given to all: p50 %.1f ms, longest %.1f ms\n", sent[events / 2], sent[events - 1]);
    printf("read by all:            p50 %.1f ms, longest %.1f ms\n", read_by_all[events / 2],
           read_by_all[events - 1]);
    printf("CPU of the server: %.1f ms an event, %.1f us a stream\n", cpu / events,
           cpu / events / count * 1000);
    free(sent);
    free(read_by_all);
}

static struct blob *make_event(void)
{
    struct buf b;
    buf_init(&b, EVENT_MAX);
    static const char data[] = "{\"job_id\":\"00000000-0000-4000-8000-000000000000\",\"status\":\"running\","
                               "\"stage\":\"run\",\"percent\":42,\"queue_position\":0,\"eta_ms\":1234}";
    CHECK(sse_write(&b, "42", "progress", data, strlen(data)) == 0);
    return buf_take_blob(&b);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5000;
    unsigned events = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 50;
    struct options opt = {.cors_origins = "*",
                          .front_threads = argc > 3 ? (int64_t)strtol(argv[3], NULL, 10) : 0,
                          .header_timeout_ms = 10000,
                          .body_timeout_ms = 30000,
                          .keepalive_timeout_ms = 75000,
                          .body_min_rate = 1024,
                          .discard_max_bytes = 1 << 20,
                          .discard_timeout_ms = 5000};
    const struct http_handler handler = {on_request, on_body, on_end, on_end, NULL};
    struct http_config config = {.opt = &opt, .handler = &handler};
    struct error e = {0};
    int pipe_fd[2];
    CHECK(count > 0 && events > 0 && http_listen("127.0.0.1", 0, &config.listen_fd, &e) == 0);
    CHECK(pipe(pipe_fd) == 0);
    struct blob *event = make_event();
    char chunk[16];
    size_t event_size = event->size + (size_t)snprintf(chunk, sizeof(chunk), "%zX\r\n\r\n", event->size);
    streams = mem_zalloc(count * sizeof(*streams));
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        readers(http_port_of(config.listen_fd), count, event_size, pipe_fd[1]);
    uint64_t before_kb = resident_kb();
    struct http *h = NULL;
    CHECK(http_start(&config, &h, &e) == 0);
    if (http_connections_max(h) < count) {
        fprintf(stderr, "only %u connections are possible here\n", http_connections_max(h));
        return 1;
    }
    hear(pipe_fd[0]);
    uint64_t silent_kb = resident_kb() - before_kb;
    measure(event, count, events, pipe_fd[0]);
    uint64_t used_kb = resident_kb() - before_kb;
    printf("%u streams: %.1f kB each before the first event, %.1f kB after the last\n", count,
           (double)silent_kb / count, (double)used_kb / count);
    for (unsigned i = 0; i < count; i++)
        stream_end(streams[i], NULL);
    http_stop(h); /* what ends the readers */
    waitpid(child, NULL, 0);
    for (unsigned i = 0; i < count; i++)
        stream_unref(streams[i]);
    printf("closed: %u\n", atomic_load(&closed));
    close(config.listen_fd);
    blob_unref(event);
    free(streams);
    return 0;
}
