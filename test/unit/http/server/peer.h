/* peer.h: a client on bare sockets, which may be as rude as a test needs. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/clock.h"
#include "echo.h"

enum { PEER_WAIT_MS = 20000 };

struct answer {
    int status; /* 0: the connection ended without an answer; -1: nothing came in time */
    char head[8192];
    char *body; /* NUL-terminated */
    size_t size;
};

static UNUSED uint64_t now_ms(void)
{
    return clock_mono_ns() / NS_PER_MS;
}

static UNUSED int peer_open(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)echo.port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* False: the server has closed. */
static UNUSED bool peer_send(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static UNUSED PRINTF(2, 3) bool peer_say(int fd, const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(text));
    return peer_send(fd, text, (size_t)n);
}

static UNUSED bool peer_readable(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1;
}

static UNUSED const char *answer_header(const struct answer *a, const char *name)
{
    static _Thread_local char value[512];
    char wanted[128];
    snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
    const char *p = strcasestr(a->head, wanted);
    if (!p)
        return NULL;
    p += strlen(wanted);
    snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r"), p);
    return value;
}

static UNUSED void answer_release(struct answer *a)
{
    free(a->body);
    a->body = NULL;
}

/* Reads one answer byte by byte up to its body, so that a pipelined next one is left alone. */
static UNUSED struct answer peer_answer(int fd, bool head_only)
{
    struct answer a = {.body = mem_strdup("")};
    size_t n = 0;
    while (n < 4 || memcmp(a.head + n - 4, "\r\n\r\n", 4) != 0) {
        if (!peer_readable(fd, PEER_WAIT_MS)) {
            a.status = -1;
            return a;
        }
        if (n == sizeof(a.head) - 1 || recv(fd, a.head + n, 1, 0) != 1)
            return a;
        n++;
    }
    assert_int_equal(sscanf(a.head, "HTTP/1.1 %d ", &a.status), 1);
    const char *length = answer_header(&a, "Content-Length");
    a.size = length && !head_only ? strtoul(length, NULL, 10) : 0;
    a.body = mem_realloc(a.body, a.size + 1);
    size_t got = 0;
    while (got < a.size) {
        ssize_t r = recv(fd, a.body + got, a.size - got, 0);
        if (r <= 0)
            fail_msg("body ends at %zu of %zu", got, a.size);
        got += (size_t)r;
    }
    a.body[a.size] = '\0';
    return a;
}

/* The server has closed, and has said nothing more. */
static UNUSED bool peer_closed(int fd)
{
    char c;
    if (!peer_readable(fd, PEER_WAIT_MS))
        return false;
    return recv(fd, &c, 1, 0) <= 0;
}

static UNUSED int peer_status(int fd)
{
    struct answer a = peer_answer(fd, false);
    int status = a.status;
    answer_release(&a);
    return status;
}

static UNUSED void expect_get_works(void)
{
    int fd = peer_open();
    assert_true(peer_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_int_equal(peer_status(fd), 200);
    close(fd);
}

/* Whether it comes to that: every exchange that began was closed, and no connection is left. */
static UNUSED bool await_quiet(void)
{
    for (int i = 0; i < 4000; i++) {
        if (atomic_load(&echo.begun) == atomic_load(&echo.closed) && http_connections(echo.http) == 0)
            return true;
        usleep(5000);
    }
    print_error("%d begun, %d closed, %u connections\n", atomic_load(&echo.begun), atomic_load(&echo.closed),
                http_connections(echo.http));
    return false;
}

static UNUSED void expect_quiet(void)
{
    assert_true(await_quiet());
}

/* ---- a server for each test ---- */

static UNUSED int set_up(void **state)
{
    echo_defaults();
    echo_start(0);
    return 0;
}

/* The server goes in any case: one that a failed test has left would race with the next. */
static UNUSED int tear_down(void **state)
{
    bool quiet = await_quiet();
    echo_stop();
    assert_true(quiet);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}
