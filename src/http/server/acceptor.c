/* The acceptor: one thread that accepts sockets, deals each to the front thread with the fewest, and sweeps.
 *
 * libmicrohttpd's own pool was seen to leave all keep-alive connections with one thread; dealing by count
 * keeps the fronts even. Happy path: accept4, MHD_add_connection. Failure modes: all places taken: the socket
 * gets a 503 and lingers a second, so that its owner can read it; no descriptors left in the process: one is
 * kept back to be able to say so, and the thread rests rather than spins. Invariants: libmicrohttpd's own
 * connection limit is never reached (it does not survive that), because connections are counted here first.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "http/server/exchange.h"
#include "http/server/reply.h"

enum {
    SWEEP_MS = 250,
    REST_MS = 50,     /* after accept failed for want of descriptors or memory */
    ACCEPTS_MAX = 64, /* in one go, before the clock is looked at again */
    TURNED_MAX = 32,
    TURNED_LINGER_MS = 1000,
    BUSY_RETRY_S = 2,
};

/* A socket that was told 503 and is read out until its owner closes, or its time is over. */
struct turned {
    int fd; /* -1: free */
    uint64_t until_ms;
};

struct acceptor {
    struct http *http;
    int listen_fd;
    int wake_fd;
    int spare_fd; /* given up to accept and refuse when there is no other */
    pthread_t thread;
    atomic_bool stop;
    uint64_t rest_until_ms;
    uint64_t swept_ms;
    struct turned turned[TURNED_MAX];
    unsigned next_turned;
};

/* ---- turning away ---- */

static void say_busy(const struct http *h, int fd)
{
    char id[UUID_TEXT];
    uuid_make(id);
    struct error e = {0};
    error_set(&e, ERR_OVERLOADED, "All %u connections are taken", h->connections_max);
    e.retry_after_s = BUSY_RETRY_S;
    struct reply *r = reply_error(NULL, id, &e);
    reply_last_words(
        fd, r, &(struct reply_about){.request_id = id, .cors_origins = h->opt->cors_origins, .close = true});
    reply_free(r);
}

static void turn_away(struct acceptor *a, int fd)
{
    say_busy(a->http, fd);
    shutdown(fd, SHUT_WR);
    struct turned *t = &a->turned[a->next_turned++ % TURNED_MAX];
    if (t->fd >= 0)
        close(t->fd);
    t->fd = fd;
    t->until_ms = conn_now_ms() + TURNED_LINGER_MS;
}

static void read_out(struct turned *t, uint64_t now)
{
    char block[16384];
    ssize_t n;
    do
        n = recv(t->fd, block, sizeof(block), MSG_DONTWAIT);
    while (n > 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR) && now < t->until_ms)
        return;
    close(t->fd);
    t->fd = -1;
}

/* ---- accepting ---- */

static bool may_accept(const struct http *h)
{
    return !atomic_load(&h->waiting) && !atomic_load(&h->leaving);
}

static struct front *least_front(struct http *h)
{
    struct front *least = &h->fronts[0];
    for (unsigned i = 1; i < h->front_count; i++)
        if (atomic_load(&h->fronts[i].open) < atomic_load(&least->open))
            least = &h->fronts[i];
    return least;
}

/* libmicrohttpd may drop a socket it was given without a word (no memory): its number comes back. */
static void forget_stale(struct http *h, int fd)
{
    struct conn *stale = atomic_exchange(&h->by_fd[fd], NULL);
    if (stale)
        conn_drop(stale);
}

static void deal(struct acceptor *a, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    struct http *h = a->http;
    if ((size_t)fd >= h->by_fd_count) {
        turn_away(a, fd);
        return;
    }
    forget_stale(h, fd);
    if (http_connections(h) >= h->connections_max) {
        turn_away(a, fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct front *f = least_front(h);
    atomic_store(&h->by_fd[fd], conn_new(f, fd));
    if (MHD_add_connection(f->daemon, fd, peer, peer_len) != MHD_YES) /* has closed fd */
        forget_stale(h, fd);
}

static int accept_one(struct acceptor *a, struct sockaddr_storage *peer, socklen_t *peer_len)
{
    *peer_len = sizeof(*peer);
    return accept4(a->listen_fd, (struct sockaddr *)peer, peer_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* The process has no descriptor left: the spare one lets this client hear so. */
static void refuse_one(struct acceptor *a)
{
    a->rest_until_ms = conn_now_ms() + REST_MS;
    if (a->spare_fd < 0)
        a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (a->spare_fd < 0)
        return;
    close(a->spare_fd);
    a->spare_fd = -1;
    struct sockaddr_storage peer;
    socklen_t peer_len;
    int fd = accept_one(a, &peer, &peer_len);
    if (fd >= 0) {
        say_busy(a->http, fd);
        close(fd);
    }
    a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_some(struct acceptor *a)
{
    for (int i = 0; i < ACCEPTS_MAX && may_accept(a->http); i++) {
        struct sockaddr_storage peer;
        socklen_t peer_len;
        int fd = accept_one(a, &peer, &peer_len);
        if (fd >= 0) {
            deal(a, fd, (const struct sockaddr *)&peer, peer_len);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            refuse_one(a);
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* ---- the loop ---- */

static int wait_ms(const struct acceptor *a, uint64_t now)
{
    if (now < a->rest_until_ms)
        return REST_MS;
    for (unsigned i = 0; i < TURNED_MAX; i++)
        if (a->turned[i].fd >= 0)
            return SWEEP_MS;
    return http_connections(a->http) ? SWEEP_MS : -1;
}

static void sweep(struct acceptor *a, uint64_t now)
{
    if (now - a->swept_ms < SWEEP_MS)
        return;
    a->swept_ms = now;
    for (unsigned i = 0; i < a->http->front_count; i++)
        conn_sweep(&a->http->fronts[i]);
}

/* One wait; returns whether the listening socket has something. Only live descriptors are passed: poll takes
 * no more than the file limit. */
static bool await(struct acceptor *a)
{
    struct pollfd fds[2 + TURNED_MAX];
    uint64_t now = conn_now_ms();
    bool resting = now < a->rest_until_ms || !may_accept(a->http);
    fds[0] = (struct pollfd){.fd = a->wake_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = resting ? -1 : a->listen_fd, .events = POLLIN};
    nfds_t n = 2;
    for (unsigned i = 0; i < TURNED_MAX; i++)
        if (a->turned[i].fd >= 0)
            fds[n++] = (struct pollfd){.fd = a->turned[i].fd, .events = POLLIN};
    int ready = poll(fds, n, wait_ms(a, now));
    if (ready < 0)
        usleep(REST_MS * 1000); /* no memory */
    return ready > 0 && fds[1].revents;
}

/* Else it would be told again and again. */
static void forget_wake(struct acceptor *a)
{
    uint64_t count;
    ssize_t n = read(a->wake_fd, &count, sizeof(count));
    (void)n; /* mostly there is nothing */
}

static void *run(void *ctx)
{
    struct acceptor *a = ctx;
    pthread_setname_np(pthread_self(), "acceptor");
    while (!atomic_load(&a->stop)) {
        bool ready = await(a);
        forget_wake(a);
        if (atomic_load(&a->http->leaving))
            atomic_store(&a->http->left, true);
        uint64_t now = conn_now_ms();
        if (ready && may_accept(a->http))
            accept_some(a);
        for (unsigned i = 0; i < TURNED_MAX; i++)
            if (a->turned[i].fd >= 0)
                read_out(&a->turned[i], now);
        sweep(a, now);
    }
    return NULL;
}

static void acceptor_free(struct acceptor *a)
{
    for (unsigned i = 0; i < TURNED_MAX; i++)
        if (a->turned[i].fd >= 0)
            close(a->turned[i].fd);
    if (a->wake_fd >= 0)
        close(a->wake_fd);
    if (a->spare_fd >= 0)
        close(a->spare_fd);
    free(a);
}

int acceptor_start(struct http *h, int listen_fd, struct acceptor **ret, struct error *e)
{
    struct acceptor *a = NEW(struct acceptor);
    a->http = h;
    a->listen_fd = listen_fd;

    for (unsigned i = 0; i < TURNED_MAX; i++)
        a->turned[i].fd = -1;
    a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int flags = fcntl(listen_fd, F_GETFL);
    if (a->wake_fd < 0 || flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        int err = errno;
        acceptor_free(a);
        return error_set(e, ERR_INTERNAL, "Cannot set up accepting: %s", strerror(err));
    }
    int err = pthread_create(&a->thread, NULL, run, a);
    if (err) {
        acceptor_free(a);
        return error_set(e, ERR_INTERNAL, "Cannot start the acceptor thread: %s", strerror(err));
    }
    *ret = a;
    return 0;
}

void acceptor_wake(struct acceptor *a)
{
    uint64_t one = 1;
    ssize_t n = write(a->wake_fd, &one, sizeof(one));
    CHECK(n == sizeof(one));
}

void acceptor_stop(struct acceptor *a)
{
    if (!a)
        return;
    atomic_store(&a->stop, true);
    acceptor_wake(a);
    pthread_join(a->thread, NULL);
    acceptor_free(a);
}
