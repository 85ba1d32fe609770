#include "tiny_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/macros.h"
#include "base/mem.h"

enum { HEAD_MAX = 64 << 10 };

struct connection {
    struct tiny_server *server;
    unsigned number;
    int fd;
};

bool tiny_send(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool tiny_sendf(int fd, const char *fmt, ...)
{
    FREE_ON_EXIT char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    return tiny_send(fd, text, (size_t)n);
}

bool tiny_answer(int fd, int status, const char *headers, const char *body)
{
    return tiny_sendf(fd, "HTTP/1.1 %d Word\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
                      headers, body);
}

void tiny_reset(int fd)
{
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void tiny_sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* One request; false: the peer has closed or sent nonsense. The body is malloc'd. */
static bool read_request(int fd, char *head, struct tiny_request *r, char **ret_body)
{
    size_t len = 0;
    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) /* byte by byte: nothing of the next one */
        if (len == HEAD_MAX - 1 || recv(fd, head + len++, 1, 0) != 1)
            return false;
    head[len] = '\0';
    if (sscanf(head, "%15s %1023s", r->method, r->path) != 2)
        return false;
    const char *field = strcasestr(head, "\r\nContent-Length:");
    size_t size = field ? strtoul(field + 17, NULL, 10) : 0;
    char *body = mem_alloc(size + 1);
    if (size > 0 && recv(fd, body, size, MSG_WAITALL) != (ssize_t)size) {
        free(body);
        return false;
    }
    body[size] = '\0';
    r->head = head;
    r->body = body;
    r->body_size = size;
    *ret_body = body;
    return true;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    struct tiny_server *s = c->server;
    FREE_ON_EXIT char *head = mem_alloc(HEAD_MAX);
    bool keep = true;
    for (unsigned nth = 1; keep; nth++) {
        struct tiny_request r = {.connection = c->number + 1, .nth = nth};
        FREE_ON_EXIT char *body = NULL;
        if (!read_request(c->fd, head, &r, &body))
            break;
        atomic_fetch_add(&s->requests, 1);
        keep = s->handler(s, c->fd, &r);
    }
    pthread_mutex_lock(&s->mutex);
    close(c->fd);
    s->fds[c->number] = -1;
    pthread_mutex_unlock(&s->mutex);
    atomic_fetch_sub(&s->open, 1);
    free(c);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct tiny_server *s = arg;
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || atomic_load(&s->stopping)) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        unsigned number = atomic_load(&s->accepted);
        CHECK(number < TINY_CONNECTIONS);
        struct connection *c = NEW(struct connection);
        *c = (struct connection){s, number, fd};
        unsigned open = atomic_fetch_add(&s->open, 1) + 1;
        if (open > atomic_load(&s->most_open))
            atomic_store(&s->most_open, open);
        pthread_mutex_lock(&s->mutex);
        s->fds[number] = fd;
        pthread_mutex_unlock(&s->mutex);
        CHECK(pthread_create(&s->threads[number], NULL, serve, c) == 0);
        atomic_fetch_add(&s->accepted, 1);
    }
}

void tiny_server_start(struct tiny_server *s, tiny_handler *handler)
{
    memset(s, 0, sizeof(*s));
    s->handler = handler;
    pthread_mutex_init(&s->mutex, NULL);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    CHECK(bind(s->listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(s->listener, 512) == 0);
    CHECK(getsockname(s->listener, (struct sockaddr *)&at, &size) == 0);
    s->port = ntohs(at.sin_port);
    CHECK(pthread_create(&s->thread, NULL, accept_all, s) == 0);
}

void tiny_server_stop(struct tiny_server *s)
{
    atomic_store(&s->stopping, true);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    unsigned count = atomic_load(&s->accepted);
    pthread_mutex_lock(&s->mutex);
    for (unsigned i = 0; i < count; i++)
        if (s->fds[i] >= 0)
            shutdown(s->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&s->mutex);
    for (unsigned i = 0; i < count; i++)
        pthread_join(s->threads[i], NULL);
    pthread_mutex_destroy(&s->mutex);
}
