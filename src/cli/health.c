/* limner health: asks a running gateway's /readyz; for containers, which have no curl. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cli/cli.h"

enum { REPLY_MAX = 64 << 10, WAIT_S = 5 };

/* fd or -errno */
static int open_connection(const struct addrinfo *a)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    int r = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
    close(fd);
    return r;
}

static int connect_to(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -EADDRNOTAVAIL;
    int fd = -EADDRNOTAVAIL;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = open_connection(a);
    freeaddrinfo(found);
    return fd;
}

/* Sends the question and reads until the other side closes. 0 or -errno. */
static int ask(int fd, const char *host, const char *port, struct buf *reply)
{
    bool v6 = strchr(host, ':') != NULL;
    FREE_ON_EXIT char *question =
        mem_printf("GET /readyz HTTP/1.0\r\nHost: %s%s%s:%s\r\nConnection: close\r\n\r\n", v6 ? "[" : "",
                   host, v6 ? "]" : "", port);
    if (send(fd, question, strlen(question), MSG_NOSIGNAL) != (ssize_t)strlen(question))
        return -errno;
    uint64_t until = clock_mono_ns() + WAIT_S * NS_PER_S;
    for (;;) {
        char block[4096];
        ssize_t n = recv(fd, block, sizeof(block), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (n == 0)
            return 0;
        if (clock_mono_ns() > until)
            return -ETIMEDOUT;
        if (buf_append(reply, block, (size_t)n) < 0)
            return -EMSGSIZE;
    }
}

/* Prints what it said; 0 when it is ready. */
static int judge(struct buf *reply, const char *where)
{
    int status = 0;
    char *body = reply->data ? strstr(reply->data, "\r\n\r\n") : NULL;
    if (!body || sscanf(reply->data, "HTTP/%*d.%*d %d", &status) != 1) {
        fprintf(stderr, "limner: what answers on %s is no gateway\n", where);
        return EXIT_FAILED;
    }
    body += 4;
    body[strcspn(body, "\r\n")] = '\0';
    utf8_clean(body);
    puts(body);
    return status == 200 ? EXIT_DONE : EXIT_FAILED;
}

static int check(const struct options *opt)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", (int)opt->port);
    const char *host = cli_reach(opt->host);
    FREE_ON_EXIT char *where = mem_printf("%s:%s", host, port);
    BUF_ON_EXIT struct buf reply;
    buf_init(&reply, REPLY_MAX);
    CLOSE_ON_EXIT int fd = connect_to(host, port);
    int r = fd < 0 ? fd : ask(fd, host, port, &reply);
    if (r == 0)
        return judge(&reply, where);
    fprintf(stderr, "limner: no answer from %s: %s\n", where, strerror(-r));
    return EXIT_FAILED;
}

int cli_health(int argc, char **argv)
{
    struct config config;
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    int code;
    if (argc > 1)
        code = cli_usage("health takes --host and --port, not \"%s\"", argv[1]);
    else if (config.opt.port == 0)
        code = cli_usage("health needs the gateway's port: PORT or --port");
    else
        code = check(&config.opt);
    config_release(&config);
    return code;
}
