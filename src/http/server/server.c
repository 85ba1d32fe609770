/* The server: daemons, limits, start and stop. */
#include "http/server/server.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "base/digest.h"
#include "base/mem.h"
#include "http/server/exchange.h"

enum {
    POOL_BYTES = 24576,   /* a connection's memory: docs/notes/2026-11-23-http-front.md */
    FILES_RESERVED = 200, /* for what is no connection: logs, stores, models, upstreams */
    FILES_MOST = 1 << 20,
    CONNECTIONS_LEAST = 16,
    INACTIVITY_SLACK_S = 5,
};

/* ---- listening ---- */

static int listen_on(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

int http_listen(const char *host, int port, int *ret_fd, struct error *e)
{
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int gai = getaddrinfo(*host ? host : NULL, service, &hints, &found);
    if (gai != 0)
        return error_set_field(e, ERR_VALIDATION, "HOST", "Cannot find the address %s: %s", host,
                               gai_strerror(gai));
    int fd = -1;
    for (const struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next)
        fd = listen_on(ai);
    int err = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return error_set_field(e, ERR_VALIDATION, err == EADDRNOTAVAIL ? "HOST" : "PORT",
                               "Cannot listen on %s port %d: %s", host, port, strerror(err));
    *ret_fd = fd;
    return 0;
}

int http_port_of(int listen_fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t len = sizeof(at);
    if (getsockname(listen_fd, &at.any, &len) < 0)
        return -errno;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

/* ---- limits ---- */

static rlim_t raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 1024;
    if (files.rlim_cur < files.rlim_max) {
        struct rlimit raised = {MIN(files.rlim_max, (rlim_t)FILES_MOST), files.rlim_max};
        if (raised.rlim_cur > files.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
            files = raised;
    }
    return MIN(files.rlim_cur, (rlim_t)FILES_MOST);
}

/* Each connection may need its socket and a spool file, each upload that is kept a file. */
static unsigned connections_for(rlim_t files, const struct options *opt)
{
    rlim_t reserved = FILES_RESERVED + (opt->uploads_keep_mb ? (rlim_t)opt->uploads_keep_max : 0);
    rlim_t spare = files > reserved ? files - reserved : 0;
    rlim_t most = opt->connections_max > 0 ? MIN((rlim_t)opt->connections_max, spare) : spare / 2;
    return (unsigned)MAX(most, (rlim_t)CONNECTIONS_LEAST);
}

unsigned http_connections_max(const struct http *h)
{
    return h->connections_max;
}

unsigned http_connections(const struct http *h)
{
    unsigned open = 0;
    for (unsigned i = 0; i < h->front_count; i++)
        open += atomic_load(&h->fronts[i].open);
    return open;
}

unsigned http_answering(const struct http *h)
{
    unsigned count = 0;
    for (unsigned i = 0; i < h->front_count; i++)
        count += conn_answering(&h->fronts[i]);
    return count;
}

/* ---- fronts ---- */

static void on_connection(void *front, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct front *f = front;
    int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct conn *conn = atomic_load(&f->http->by_fd[fd]);
        *context = conn;
        conn_opened(conn);
        return;
    }
    atomic_store(&f->http->by_fd[fd], NULL);
    conn_closing(*context);
    *context = NULL;
}

/* %XX in place, but never %00. */
static size_t unescape(void *ctx, struct MHD_Connection *c, char *s)
{
    char *to = s;
    for (const char *p = s; *p; p++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        if (low >= 0 && high * 16 + low != 0) {
            *to++ = (char)(high * 16 + low);
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return (size_t)(to - s);
}

/* The sweeper's limits come first; this is for a peer that takes nothing of its reply. */
static unsigned inactivity_s(const struct options *opt)
{
    return (unsigned)(MAX(opt->keepalive_timeout_ms, opt->header_timeout_ms) / 1000) + INACTIVITY_SLACK_S;
}

static int front_start(struct front *f, struct error *e)
{
    const struct http *h = f->http;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE;
    f->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_access, f, MHD_OPTION_CONNECTION_LIMIT,
                                 h->connections_max * 2, /* ours comes first */
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
                                 MHD_OPTION_CONNECTION_TIMEOUT, inactivity_s(h->opt),
                                 MHD_OPTION_NOTIFY_CONNECTION, on_connection, f, MHD_OPTION_NOTIFY_COMPLETED,
                                 exchange_completed, f, MHD_OPTION_URI_LOG_CALLBACK, exchange_request_line, f,
                                 MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
    return f->daemon ? 0 : error_set(e, ERR_INTERNAL, "Cannot start a front thread: %s", strerror(errno));
}

static void http_free(struct http *h)
{
    for (unsigned i = 0; i < h->front_count; i++) {
        struct front *f = &h->fronts[i];
        if (f->daemon)
            MHD_stop_daemon(f->daemon);
    }
    for (size_t fd = 0; fd < h->by_fd_count; fd++) {
        struct conn *c = atomic_load(&h->by_fd[fd]); /* given to a daemon that stopped before it looked */
        if (c)
            conn_drop(c);
    }
    for (unsigned i = 0; i < h->front_count; i++)
        pthread_mutex_destroy(&h->fronts[i].lock);
    free(h->by_fd);
    free(h->fronts);
    free(h);
}

static int start_threads(struct http *h, int listen_fd, struct error *e)
{
    for (unsigned i = 0; i < h->front_count; i++) {
        int r = front_start(&h->fronts[i], e);
        if (r < 0)
            return r;
    }
    return acceptor_start(h, listen_fd, &h->acceptor, e);
}

int http_start(const struct http_config *config, struct http **ret, struct error *e)
{
    rlim_t files = raise_file_limit();
    struct http *h = NEW(struct http);
    h->opt = config->opt;
    h->handler = config->handler;
    h->ctx = config->ctx;
    atomic_init(&h->waiting, config->wait);
    h->connections_max = connections_for(files, h->opt);
    h->by_fd_count = files;
    h->by_fd = mem_zalloc(files * sizeof(*h->by_fd));
    int threads = (int)h->opt->front_threads;
    h->front_count = (unsigned)(threads > 0 ? threads : MAX(get_nprocs(), 1));
    h->fronts = mem_zalloc(h->front_count * sizeof(*h->fronts));
    for (unsigned i = 0; i < h->front_count; i++) {
        h->fronts[i].http = h;
        pthread_mutex_init(&h->fronts[i].lock, NULL);
        list_init(&h->fronts[i].conns);
    }
    sigset_t all, before; /* signals are for the thread that starts the server */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = start_threads(h, config->listen_fd, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0)
        http_free(h);
    else
        *ret = h;
    return r;
}

void http_drain(struct http *h)
{
    atomic_store(&h->draining, true);
}

void http_cut_streams(struct http *h)
{
    atomic_store(&h->stopping, true);
    for (unsigned i = 0; i < h->front_count; i++)
        conn_cut_guests(&h->fronts[i]);
}

void http_accept(struct http *h)
{
    atomic_store(&h->waiting, false);
    acceptor_wake(h->acceptor);
}

void http_leave(struct http *h, uint64_t idle_ms)
{
    atomic_store(&h->draining, true);
    atomic_store(&h->idle_ms, idle_ms);
    atomic_store(&h->leaving, true);
    acceptor_wake(h->acceptor);
}

bool http_has_left(const struct http *h)
{
    return atomic_load(&h->left);
}

void http_stop(struct http *h)
{
    acceptor_stop(h->acceptor);
    http_cut_streams(h); /* libmicrohttpd cannot stop while one is suspended */
    http_free(h);
}
