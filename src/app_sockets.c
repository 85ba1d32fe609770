#include "app_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app_handover.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server/http.h"

enum { FIRST_PASSED = 3 }; /* sd_listen_fds(3) */

bool app_socket_listens(int fd)
{
    int listens = 0, domain = 0;
    socklen_t len = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
        return false;
    len = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

/* ---- systemd ---- */

static long number_in(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long n = text ? strtol(text, &end, 10) : 0;
    return text && *text && !*end ? n : 0;
}

int app_sockets_passed(int *ret, struct error *e)
{
    long pid = number_in("LISTEN_PID"), count = number_in("LISTEN_FDS");
    if (pid != getpid() || count <= 0)
        return 0;
    if (count > 1)
        return error_set(e, ERR_VALIDATION, "LISTEN_FDS: %ld sockets are passed, one is taken", count);
    if (fcntl(FIRST_PASSED, F_SETFD, FD_CLOEXEC) < 0 || !app_socket_listens(FIRST_PASSED))
        return error_set(
            e, ERR_VALIDATION,
            "LISTEN_FDS: what is passed is no TCP socket that listens (Accept=no, ListenStream=)");
    *ret = FIRST_PASSED;
    return 0;
}

/* An address with @ in front is an abstract one, whose name begins with a zero byte. */
void app_sockets_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(to.sun_path))
        return;
    size_t len = strlen(path);
    memcpy(to.sun_path, path, len);
    if (*path == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t n = fd < 0 ? -1
                       : sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    if (n < 0)
        LOG(LOG_WARN, "systemd cannot be told", F_STR("state", state), F_STR("why", strerror(errno)));
    if (fd >= 0)
        close(fd);
}

/* ---- the process before us ---- */

static int check_port(const struct options *opt, const struct handover_given *given, struct error *e)
{
    int port = http_port_of(given->listen_fd);
    if (!app_socket_listens(given->listen_fd) || port < 0)
        return error_set_field(e, ERR_VALIDATION, "HANDOVER_SOCKET",
                               "HANDOVER_SOCKET=%.100s: what it gave is no TCP socket that listens",
                               opt->handover_socket);
    if (opt->port == 0 || port == opt->port)
        return 0;
    return error_set_field(e, ERR_VALIDATION, "PORT",
                           "PORT is %d, but the process behind HANDOVER_SOCKET=%.100s listens on %d: stop it "
                           "first, or leave the port as it is",
                           (int)opt->port, opt->handover_socket, port);
}

static int take_over(const struct options *opt, struct app_sockets *s, struct error *e)
{
    struct handover_given given = {-1, -1, -1};
    int r = handover_take(opt->handover_socket, &given, e);
    s->before_fd = given.conn_fd;
    s->metrics_fd = given.metrics_fd;
    if (r < 0 || given.conn_fd < 0)
        return r;
    if (s->kept) { /* it is the same socket, as systemd has no other */
        close(given.listen_fd);
        return 0;
    }
    s->listen_fd = given.listen_fd;
    return check_port(opt, &given, e);
}

/* ---- all of it ---- */

int app_sockets_open(const struct options *opt, struct app_sockets *ret, struct error *e)
{
    *ret = APP_SOCKETS_NONE;
    int r = app_sockets_passed(&ret->listen_fd, e);
    ret->kept = ret->listen_fd >= 0;
    if (r == 0 && *opt->handover_socket)
        r = take_over(opt, ret, e);
    if (r == 0 && ret->listen_fd < 0)
        r = http_listen(opt->host, (int)opt->port, &ret->listen_fd, e);
    return r;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void app_sockets_close(struct app_sockets *s)
{
    close_one(&s->listen_fd);
    close_one(&s->metrics_fd);
    close_one(&s->before_fd);
}
