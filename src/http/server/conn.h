/* conn.h: one connection: which phase it is in since when, so that the sweeper can cut what takes too long.
 *
 * A connection belongs to its front thread. Two others look at it: the acceptor thread, which makes it and
 * sweeps, and nobody else. Phase and start are one atomic word. The front thread changes it with conn_enter;
 * the sweeper only ever turns a word it has judged into CONN_CUT, so that a request which has just become
 * complete is not cut: one of the two wins, and a connection that was cut says nothing more of its own.
 *
 * The socket is the connection's until conn_closing returns; libmicrohttpd closes it after that. The sweeper
 * shuts sockets only under the front's lock, which conn_closing takes too: a number that has gone to another
 * connection is never shut. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/rng.h"
#include "http/server/http.h"

struct MHD_Daemon;
struct front;

enum conn_phase {
    CONN_NEW,       /* connected; the first request's headers are coming */
    CONN_HEADERS,   /* a later request's line was read, headers coming */
    CONN_BODY,      /* body coming */
    CONN_DISCARD,   /* body coming and thrown away: the answer is decided */
    CONN_HANDLING,  /* with the handler, on the front thread */
    CONN_SUSPENDED, /* with the handler, elsewhere */
    CONN_REPLY,     /* reply going out; of a stream: a piece of it */
    CONN_STREAM,    /* a stream that has nothing to say at the moment */
    CONN_IDLE,      /* kept alive, between requests */
    CONN_UPGRADED,  /* speaks another protocol, and whoever speaks it looks after it */
    CONN_CUT,       /* shut by the sweeper */
};

/* Who has more to do with a connection than one answer: a stream, or a WebSocket before its upgrade. */
struct conn_guest {
    /* Any thread, under the front's lock: the connection is shut and must not stay suspended. NULL: it never
     * is. */
    void (*cut)(struct conn_guest *g);
    void (*over)(struct conn_guest *g); /* front thread, once: the exchange has ended; the last call */
};

struct conn {
    struct list link; /* in the front's list once libmicrohttpd has it; under the front's lock */
    struct front *front;
    int fd;
    atomic_ullong word;       /* start in ms << 4 | phase */
    atomic_ullong arrived;    /* bytes of the current body so far */
    atomic_ullong expected;   /* all of it, as Content-Length says; 0: not known */
    atomic_ullong reply_ms;   /* longest time for the current reply, or piece of one */
    uint64_t looked_ms;       /* when it was last looked whether the peer has gone; the sweeper's own */
    struct conn_guest *guest; /* NULL: none. Set by the front thread under the front's lock */
    uint64_t streamed;        /* bytes of the current stream; front thread */
    bool bad_target;          /* the request line has a space or control character in its target */
    bool upgraded;            /* front thread */
};

/* A libmicrohttpd daemon with its one thread. */
struct front {
    struct http *http;
    struct MHD_Daemon *daemon;
    atomic_uint open; /* connections, counted by the acceptor before libmicrohttpd has them */
    pthread_mutex_t lock;
    struct list conns; /* under lock */
    struct uuids ids;  /* of requests that brought none */
};

uint64_t conn_now_ms(void); /* coarse: a few ms */

struct conn *conn_new(struct front *f, int fd) MUST_CHECK;
void conn_opened(struct conn *c);  /* libmicrohttpd has it */
void conn_closing(struct conn *c); /* libmicrohttpd is about to close the socket; frees c */
void conn_drop(struct conn *c);    /* libmicrohttpd never had it; frees c */

void conn_begun(struct conn *c); /* the request line is read */
void conn_ended(struct conn *c); /* the reply is sent, or the request has died */
bool conn_enter(struct conn *c, enum conn_phase phase) MUST_CHECK; /* false: it was cut */

/* Front thread. NULL: the guest has left by itself, `over` is not called. */
void conn_invite(struct conn *c, struct conn_guest *guest);
void conn_cut_guests(struct front *f); /* the server stops; any thread */

/* What the sweeper decides, by itself: whether a connection is over its limits. */
struct conn_view {
    enum conn_phase phase;
    uint64_t age_ms; /* in this phase */
    uint64_t arrived, expected;
    uint64_t reply_ms;
};

bool conn_overdue(const struct conn_view *v, const struct options *opt);
uint64_t conn_reply_limit_ms(uint64_t bytes, const struct options *opt);

/* How many of a front's connections are owed something: a request is with the handler, or its reply is going
 * out, be it a stream that is silent. Any thread. */
unsigned conn_answering(struct front *f);

/* Cuts what is overdue among a front's connections. Acceptor thread. */
void conn_sweep(struct front *f);
