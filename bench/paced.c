/* paced.c: small predictions at a steady pace, each with an input of its own, to 127.0.0.1 only.
 *
 *     bench-paced PORT RATE SECONDS CONNECTIONS
 *
 * POSTs /v1/predictions on keep-alive connections, RATE a second, at times that do not depend on how fast the
 * answers come; a request whose time has come while all connections are busy waits for the first that is
 * free. Latency is from the time it was due to the last byte of its answer. Prints JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/mem.h"

enum { REQUEST_MAX = 512, ANSWER_MAX = 16384, EVENTS = 64, LAST_MS = 5000, CONNECTIONS_MAX = 1000 };

struct conn {
    int fd;
    bool busy;
    uint64_t due_ns;
    char answer[ANSWER_MAX + 1];
    size_t got;
};

static struct conn *conns;
static unsigned conn_count, busy;
static uint32_t *taken_us; /* of each request that was answered */
static uint64_t answered, failed;
static int port;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench-paced: %s: %s\n", what, errno ? strerror(errno) : "wrong");
    exit(1);
}

static void open_conn(struct conn *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void begin(struct conn *c, uint64_t due_ns, uint64_t n)
{
    char body[128], request[REQUEST_MAX];
    int size = snprintf(body, sizeof(body),
                        "{\"version\":\"bench\",\"input\":{\"prompt\":\"a tree\",\"seed\":%llu}}",
                        (unsigned long long)n);
    int all =
        snprintf(request, sizeof(request),
                 "POST /v1/predictions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                 "Prefer: wait\r\nContent-Length: %d\r\n\r\n%s",
                 port, size, body);
    c->due_ns = due_ns;
    c->got = 0;
    c->busy = true;
    busy++;
    if (send(c->fd, request, (size_t)all, MSG_NOSIGNAL) != all)
        fail("send"); /* it is far smaller than a socket's buffer */
}

static bool is_whole(struct conn *c)
{
    c->answer[c->got] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n"), *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (!end || !length || length > end)
        return false;
    return c->got >= (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

static void receive(struct conn *c)
{
    ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - c->got, 0);
    if (n <= 0)
        fail("recv");
    c->got += (size_t)n;
    if (!is_whole(c))
        return;
    if (strncmp(c->answer, "HTTP/1.1 201", 12) == 0) {
        taken_us[answered++] = (uint32_t)((clock_mono_ns() - c->due_ns) / NS_PER_US);
    } else {
        if (failed++ == 0)
            fprintf(stderr, "bench-paced: %s\n", c->answer);
    }
    c->busy = false;
    busy--;
}

static struct conn *idle_conn(void)
{
    for (unsigned i = 0; busy < conn_count && i < conn_count; i++)
        if (!conns[i].busy)
            return &conns[i];
    return NULL;
}

/* Waits for answers, until then at most. */
static void wait_for(int epoll_fd, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = clock_mono_ns(), wait_ns = until_ns > now ? until_ns - now : 0;
    struct timespec wait = {(time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S)};
    int n = epoll_pwait2(epoll_fd, events, EVENTS, &wait, NULL);
    for (int i = 0; i < n; i++)
        receive(events[i].data.ptr);
}

static void drive(int epoll_fd, uint64_t rate, uint64_t count)
{
    uint64_t from = clock_mono_ns(), begun = 0, series = from; /* of this run alone */
    while (begun < count) {
        uint64_t due = from + begun * NS_PER_S / rate, now = clock_mono_ns();
        struct conn *c = due <= now ? idle_conn() : NULL;
        if (c)
            begin(c, due, series + begun++);
        else
            wait_for(epoll_fd, due > now ? due : now + NS_PER_S);
    }
    uint64_t until = clock_mono_ns() + LAST_MS * NS_PER_MS;
    while (busy > 0 && clock_mono_ns() < until)
        wait_for(epoll_fd, until);
    failed += busy;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t quantile_us(double q)
{
    return answered ? taken_us[MIN((uint64_t)(q * (double)answered), answered - 1)] : 0;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        fail("usage: bench-paced PORT RATE SECONDS CONNECTIONS");
    port = atoi(argv[1]);
    uint64_t rate = strtoull(argv[2], NULL, 10), count = (uint64_t)(strtod(argv[3], NULL) * (double)rate);
    conn_count = (unsigned)strtoul(argv[4], NULL, 10);
    if (rate == 0 || count == 0 || conn_count == 0 || conn_count > CONNECTIONS_MAX)
        fail("a number");
    conns = mem_zalloc(conn_count * sizeof(*conns));
    taken_us = mem_alloc(count * sizeof(*taken_us));
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < conn_count; i++) {
        open_conn(&conns[i]);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &conns[i]};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conns[i].fd, &ev) < 0)
            fail("epoll");
    }
    uint64_t from = clock_mono_ns();
    drive(epoll_fd, rate, count);
    double seconds = (double)(clock_mono_ns() - from) / 1e9;
    qsort(taken_us, answered, sizeof(*taken_us), by_size);
    printf(
        "{\"requests\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"per_second\":%.1f,\"p50_us\":%u,\"p99_us\":%u,"
        "\"max_us\":%u}\n",
        (unsigned long long)answered, (unsigned long long)failed, seconds, (double)answered / seconds,
        quantile_us(0.5), quantile_us(0.99), quantile_us(1));
    return failed > 0;
}
