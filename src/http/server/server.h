/* server.h: the running server, shared by the files of this folder. */
#pragma once

#include "http/server/conn.h"
#include "http/server/http.h"

struct acceptor;

struct http {
    const struct options *opt;
    const struct http_handler *handler;
    void *ctx;
    struct front *fronts;
    unsigned front_count;
    unsigned connections_max;
    atomic_bool draining;
    atomic_bool stopping;     /* streams are cut */
    atomic_bool waiting;      /* accept nothing yet */
    atomic_bool leaving;      /* accept no more */
    atomic_bool left;         /* the acceptor thread touches the listening socket no more */
    _Atomic uint64_t idle_ms; /* how long an idle connection is kept while leaving */
    size_t by_fd_count;
    struct conn *_Atomic *by_fd; /* who has which socket: libmicrohttpd names new connections by theirs */
    struct acceptor *acceptor;
};

/* acceptor.c: the thread that accepts, deals out and sweeps. */
int acceptor_start(struct http *h, int listen_fd, struct acceptor **ret, struct error *e) MUST_CHECK;
void acceptor_wake(struct acceptor *a); /* any thread: it looks at http.leaving */
void acceptor_stop(struct acceptor *a); /* joins; accepts NULL */
