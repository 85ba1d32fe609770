/* load.c: a load generator for one machine. Keep-alive connections over epoll, to 127.0.0.1 only.
 *
 *     bench-load MODE --port N [--path P] [--file F] [--connections N] [--threads 1|2] [--seconds S]
 *                [--count N] [--field NAME=VALUE] [--series N]
 *
 *     same      posts the picture in F again and again, as multipart/form-data
 *     unique    the same with a number in a comment of the JPEG: still the same picture, another digest;
 *               with --series the same pictures each time
 *     get       GET P
 *     park      posts one unique picture on each connection and waits; prints a line of JSON once all bytes
 *               are on their way, and the last one when standard input ends
 *     upstream  three calls in turn, as one request: create a prediction, get its output, put it into a
 * bucket (bench-upstream)
 *
 * Ends after --seconds or --count requests, whichever comes first, and prints JSON. Latency is from the first
 * byte sent to the last one received, within 1 %. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "load_request.h"
#include "metrics/metrics.h"

enum {
    HEAD_MAX = 4096,
    SCRATCH = 256 << 10,
    EVENTS = 256,
    SENDING_MAX = 64, /* park: connections that are sent to at once */
    EXACT_MAX = 1 << 20,
    STATUS_MAX = 600
};

struct conn {
    int fd; /* -1: closed */
    unsigned step;
    size_t sent;
    bool sending, in_body;
    char digits[DIGITS + 1];
    char head[HEAD_MAX + 1]; /* of the answer, as far as it is here */
    size_t got;
    uint64_t body_left;
    int status;
    bool close_after;
    uint64_t begun_ns;
};

struct thread {
    pthread_t id;
    int epoll_fd;
    struct conn *conns;
    int count, opened;
    int sending; /* park: connections that are still being sent to */
    int parked;
    uint64_t done, failed, bytes_out, bytes_in;
    uint64_t status[STATUS_MAX];
    char *scratch;
};

static bool parking;
static atomic_uint_fast64_t issued;
static uint64_t series; /* makes the numbers of this run different from those of any other */
static uint64_t deadline_ns;
static struct histogram latency;
static uint32_t exact_us[EXACT_MAX]; /* the histogram's steps are too wide beside a model of seconds */
static atomic_size_t exact_count;

/* ---- how long it took ---- */

static void add_latency(uint64_t ns)
{
    histogram_add(&latency, ns);
    size_t i = atomic_fetch_add(&exact_count, 1);
    if (i < EXACT_MAX)
        exact_us[i] = (uint32_t)MIN(ns / 1000, (uint64_t)UINT32_MAX);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double quantile_us(double q)
{
    size_t n = atomic_load(&exact_count);
    if (n == 0 || n > EXACT_MAX)
        return (double)histogram_quantile(&latency, q) / 1e3;
    qsort(exact_us, n, sizeof(*exact_us), by_size);
    return exact_us[MIN((size_t)(q * (double)n), n - 1)];
}

/* ---- what is sent ---- */

static void make_steps(void)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        buf_init(&steps[i].before, REQUEST_MAX);
        buf_init(&steps[i].after, REQUEST_MAX);
    }
    step_count = 1;
    parking = strcmp(run.mode, "park") == 0;
    bool get = strcmp(run.mode, "get") == 0;
    if (!get && !run.file)
        fail("--file is missing");
    if (get)
        add_request_head(&steps[0].before, "GET", run.path, NULL, 0);
    else if (strcmp(run.mode, "same") == 0)
        make_post(&steps[0], false);
    else if (parking || strcmp(run.mode, "unique") == 0)
        make_post(&steps[0], true);
    else if (strcmp(run.mode, "upstream") == 0)
        make_upstream();
    else
        fail("modes are same, unique, get, park, upstream");
}

/* ---- one connection ---- */

static void begin_step(struct conn *c, unsigned step)
{
    c->step = step;
    c->sending = true;
    c->sent = c->got = 0;
    c->in_body = c->close_after = false;
    if (step == 0)
        c->begun_ns = clock_mono_ns();
}

/* false: as many as were asked for have begun. */
static bool begin_request(struct conn *c)
{
    uint64_t n = atomic_fetch_add_explicit(&issued, 1, memory_order_relaxed);
    if (run.count && n >= run.count)
        return false;
    snprintf(c->digits, sizeof(c->digits), "%08llx%08llx", (unsigned long long)(series & 0xffffffff),
             (unsigned long long)(n & 0xffffffff));
    begin_step(c, 0);
    return true;
}

static void close_conn(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->sending = false;
}

static void open_conn(struct thread *t, struct conn *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail("socket");
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        t->failed++;
        close_conn(c);
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        fail("epoll");
}

/* Adds what is left of a part to the vector; *skip is what was sent of all parts so far. */
static void add_part(struct iovec *v, int *n, const char *data, size_t size, size_t *skip)
{
    size_t gone = MIN(*skip, size);
    *skip -= gone;
    if (size > gone)
        v[(*n)++] = (struct iovec){(void *)(uintptr_t)(data + gone), size - gone};
}

/* 0, or -1: the connection is of no use any more. */
static int send_some(struct thread *t, struct conn *c)
{
    const struct step *s = &steps[c->step];
    while (c->sending) {
        struct iovec v[3];
        int n = 0;
        size_t skip = c->sent;
        add_part(v, &n, s->before.data, s->before.len, &skip);
        add_part(v, &n, c->digits, s->numbered ? DIGITS : 0, &skip);
        add_part(v, &n, s->after.data, s->after.len, &skip);
        if (n == 0) {
            c->sending = false;
            t->sending -= parking;
            t->parked += parking;
            break;
        }
        struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
        ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        c->sent += (size_t)sent;
        t->bytes_out += (size_t)sent;
    }
    return 0;
}

static const char *find_header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
    }
    return NULL;
}

/* The head of the answer is complete at `end`. Chunked answers are not understood: nothing here sends them.
 */
static int parse_head(struct conn *c, const char *end)
{
    size_t head = (size_t)(end - c->head);
    char kept = c->head[head];
    c->head[head] = '\0';
    const char *length = find_header(c->head, "Content-Length");
    const char *connection = find_header(c->head, "Connection");
    if (strncmp(c->head, "HTTP/1.", 7) != 0 || !length)
        return -1;
    c->status = atoi(c->head + 9);
    c->close_after = connection && strncasecmp(connection, "close", 5) == 0;
    c->body_left = strtoull(length, NULL, 10);
    c->head[head] = kept;
    size_t more = c->got - head;
    if (c->status == 100) {
        memmove(c->head, end, more);
        c->got = more;
        return 0;
    }
    if (more > c->body_left)
        return -1;
    c->body_left -= more;
    c->in_body = true;
    return 0;
}

/* 1: an answer is complete; 0: not yet; -1: the connection is of no use any more. */
static int receive_some(struct thread *t, struct conn *c)
{
    for (;;) {
        if (c->in_body && c->body_left == 0)
            return 1;
        size_t room = c->in_body ? (size_t)MIN(c->body_left, (uint64_t)SCRATCH) : HEAD_MAX - c->got;
        if (room == 0)
            return -1;
        ssize_t n = recv(c->fd, c->in_body ? t->scratch : c->head + c->got, room, 0);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (n == 0)
            return -1;
        t->bytes_in += (size_t)n;
        if (c->in_body) {
            c->body_left -= (size_t)n;
            continue;
        }
        c->got += (size_t)n;
        c->head[c->got] = '\0';
        const char *end = strstr(c->head, "\r\n\r\n");
        if (end && parse_head(c, end + 4) < 0)
            return -1;
    }
}

/* The first refusal is shown, as far as it came with its head. */
static void show_refusal(const struct conn *c)
{
    static atomic_flag shown = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&shown))
        fprintf(stderr, "bench-load: %s\n", c->head);
}

/* An answer has come. false: there is nothing more to do on this connection. */
static bool next_step(struct thread *t, struct conn *c)
{
    if (c->status >= 300)
        show_refusal(c);
    t->status[MIN(MAX(c->status, 0), STATUS_MAX - 1)]++;
    bool early = c->sending; /* refused before all was sent */
    if (c->status < 300 && c->step + 1 < step_count && !early) {
        begin_step(c, c->step + 1);
        return true;
    }
    add_latency(clock_mono_ns() - c->begun_ns);
    t->done++;
    if (early || c->close_after)
        close_conn(c);
    if (parking || clock_mono_ns() >= deadline_ns || !begin_request(c)) {
        close_conn(c);
        return false;
    }
    if (c->fd < 0)
        open_conn(t, c);
    return c->fd >= 0;
}

static void drive(struct thread *t, struct conn *c)
{
    while (c->fd >= 0) {
        int sent = send_some(t, c);
        int got = receive_some(t, c);
        if (got == 0 && sent == 0)
            return;
        if (got == 1) {
            if (!next_step(t, c))
                return;
            continue;
        }
        t->failed++;
        if (parking && c->sending)
            t->sending--;
        close_conn(c);
        if (parking || t->failed > 1000 || clock_mono_ns() >= deadline_ns || !begin_request(c))
            return;
        open_conn(t, c);
    }
}

/* ---- a thread ---- */

static void open_more(struct thread *t)
{
    while (t->opened < t->count && (!parking || t->sending < SENDING_MAX)) {
        struct conn *c = &t->conns[t->opened++];
        if (!begin_request(c))
            continue;
        open_conn(t, c);
        t->sending += parking && c->fd >= 0;
        drive(t, c);
    }
}

static bool any_open(const struct thread *t)
{
    for (int i = 0; i < t->count; i++)
        if (t->conns[i].fd >= 0)
            return true;
    return t->opened < t->count;
}

static bool told_to_end(void)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static void report_parked(const struct thread *t, uint64_t from_ns)
{
    printf("{\"event\":\"parked\",\"sent\":%d,\"failed\":%llu,\"answered\":%llu,\"seconds\":%.3f}\n",
           t->parked, (unsigned long long)t->failed, (unsigned long long)t->done,
           (double)(clock_mono_ns() - from_ns) / 1e9);
    fflush(stdout);
}

static void *run_thread(void *arg)
{
    struct thread *t = arg;
    struct epoll_event events[EVENTS];
    uint64_t from = clock_mono_ns();
    bool reported = false;
    for (;;) {
        open_more(t);
        uint64_t now = clock_mono_ns();
        if (now >= deadline_ns || !any_open(t) || (parking && told_to_end()))
            return NULL;
        if (parking && !reported && t->opened == t->count && t->sending == 0) {
            report_parked(t, from);
            reported = true;
        }
        int wait_ms = (int)MIN((deadline_ns - now) / NS_PER_MS + 1, (uint64_t)100);
        int n = epoll_wait(t->epoll_fd, events, EVENTS, wait_ms);
        for (int i = 0; i < n; i++)
            drive(t, events[i].data.ptr);
    }
}

static void init_thread(struct thread *t, int count)
{
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    t->count = count;
    t->conns = mem_zalloc((size_t)count * sizeof(*t->conns));
    t->scratch = mem_alloc(SCRATCH);
    for (int i = 0; i < count; i++)
        t->conns[i].fd = -1;
}

/* ---- all of it ---- */

static void report(const struct thread *threads, double seconds)
{
    struct thread sum = {0};
    struct buf b;
    buf_init(&b, 65536);
    for (int i = 0; i < run.threads; i++) {
        sum.done += threads[i].done;
        sum.failed += threads[i].failed;
        sum.bytes_out += threads[i].bytes_out;
        sum.bytes_in += threads[i].bytes_in;
        for (int s = 0; s < STATUS_MAX; s++)
            sum.status[s] += threads[i].status[s];
    }
    buf_printf(&b, "{\"mode\":\"%s\",\"connections\":%d,\"threads\":%d,\"seconds\":%.3f,\"requests\":%llu,",
               run.mode, run.connections, run.threads, seconds, (unsigned long long)sum.done);
    buf_printf(&b, "\"per_second\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,",
               (double)sum.done / seconds, quantile_us(0.5), quantile_us(0.99),
               (double)atomic_load(&latency.max_ns) / 1e3);
    buf_printf(&b, "\"bytes_out\":%llu,\"bytes_in\":%llu,\"failed\":%llu,\"status\":{",
               (unsigned long long)sum.bytes_out, (unsigned long long)sum.bytes_in,
               (unsigned long long)sum.failed);
    const char *comma = "";
    for (int s = 0; s < STATUS_MAX; s++) {
        if (!sum.status[s])
            continue;
        buf_printf(&b, "%s\"%d\":%llu", comma, s, (unsigned long long)sum.status[s]);
        comma = ",";
    }
    buf_puts(&b, "}}");
    puts(buf_text(&b));
    buf_release(&b);
}

static void parse_arguments(int argc, char **argv)
{
    static const struct option known[] = {{"port", 1, NULL, 'p'},    {"path", 1, NULL, 'u'},
                                          {"file", 1, NULL, 'f'},    {"threads", 1, NULL, 't'},
                                          {"seconds", 1, NULL, 's'}, {"connections", 1, NULL, 'c'},
                                          {"count", 1, NULL, 'n'},   {"field", 1, NULL, 'F'},
                                          {"series", 1, NULL, 'S'},  {NULL, 0, NULL, 0}};
    int o;
    while ((o = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (o) {
        case 'p':
            run.port = atoi(optarg);
            break;
        case 'u':
            run.path = optarg;
            break;
        case 'f':
            run.file = optarg;
            break;
        case 't':
            run.threads = MIN(MAX(atoi(optarg), 1), 2);
            break;
        case 's':
            run.seconds = MIN(atof(optarg), 3600.0);
            break;
        case 'c':
            run.connections = MAX(atoi(optarg), 1);
            break;
        case 'n':
            run.count = strtoull(optarg, NULL, 10);
            break;
        case 'F':
            run.field = optarg;
            break;
        case 'S':
            series = strtoull(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    run.mode = optind < argc ? argv[optind] : "";
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct thread threads[2] = {0};
    parse_arguments(argc, argv);
    make_steps();
    if (parking)
        run.threads = 1;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    uint64_t from = clock_mono_ns();
    if (series == 0)
        series = from / 1000 ^ (uint64_t)getpid() << 20;
    deadline_ns = from + (uint64_t)(run.seconds * 1e9);
    for (int i = 0; i < run.threads; i++) {
        init_thread(&threads[i], run.connections / run.threads + (i < run.connections % run.threads));
        if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i]) != 0)
            fail("thread");
    }
    for (int i = 0; i < run.threads; i++)
        pthread_join(threads[i].id, NULL);
    report(threads, (double)(clock_mono_ns() - from) / 1e9);
    return 0;
}
