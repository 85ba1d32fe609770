/* Streams, as bodies that libmicrohttpd asks for piece by piece.
 *
 * Happy path: libmicrohttpd calls read_pieces whenever the socket has taken all it was given. Pieces that
 * wait are copied to it; with none the connection is suspended, and the next stream_send resumes it. Failure
 * modes: a reader that does not read: the queue fills and stream_send says so, and the sweeper cuts the
 * connection as no further call came within the piece's time; a reader that leaves: a write fails, or the
 * sweeper sees it while the connection is suspended; the server stops: all are cut, as libmicrohttpd must
 * have none suspended then.
 *
 * Invariants, under `lock`: `suspended` says whether libmicrohttpd has the connection suspended and nobody
 * has asked for its resume yet, so it is resumed once for each time; mhd is used only then, and it lives at
 * least until `over`. Locks are taken in this order: the front's, ours, libmicrohttpd's. */
#include "http/server/stream.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/server/reply.h"
#include "http/server/server.h"

enum {
    PIECE_COST = 48,  /* bytes that a piece counts beside its own: what it takes to keep it */
    BLOCK_BYTES = 512 /* for HTTP/1.0; chunks are made in the connection's own memory */
};

struct piece {
    struct piece *next;
    struct blob *blob;
};

struct stream {
    struct conn_guest guest;
    struct stream_config config;
    atomic_uint refs;
    struct conn *conn; /* front thread, once the reply goes out */
    struct MHD_Connection *mhd;
    bool chunked; /* else the connection's end is the stream's */
    pthread_mutex_t lock;
    struct piece *first, **end;
    size_t offset;  /* in the first: before it all has been handed over */
    size_t waiting; /* what pieces cost that the socket has not taken yet */
    size_t handed;  /* of these: libmicrohttpd is writing them */
    bool suspended;
    bool ended; /* nothing will follow */
    bool cut;   /* the connection is shut */
    bool over;
};

struct stream *stream_new(const struct stream_config *config)
{
    struct stream *s = NEW(struct stream);
    s->config = *config;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    s->end = &s->first;
    return s;
}

struct stream *stream_ref(struct stream *s)
{
    unsigned before = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    CHECK(before > 0);
    return s;
}

static size_t cost_of(const struct blob *b)
{
    return b->size + PIECE_COST;
}

static void drop_first(struct stream *s)
{
    struct piece *p = s->first;
    s->first = p->next;
    if (!s->first)
        s->end = &s->first;
    s->offset = 0;
    blob_unref(p->blob);
    free(p);
}

void stream_unref(struct stream *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    while (s->first)
        drop_first(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- sending ---- */

static void wake(struct stream *s)
{
    if (!s->suspended)
        return;
    s->suspended = false;
    MHD_resume_connection(s->mhd);
}

static void push(struct stream *s, struct blob *b)
{
    struct piece *p = NEW(struct piece);
    p->blob = blob_ref(b);
    *s->end = p;
    s->end = &p->next;
    s->waiting += cost_of(b);
}

static int take_in(struct stream *s, struct blob *piece)
{
    CHECK(!s->ended);
    if (s->over || s->cut)
        return -ERR_CLIENT_GONE;
    if (piece->size == 0)
        return 0;
    if (s->waiting + cost_of(piece) > s->config.max_bytes)
        return -ERR_OVERLOADED;
    push(s, piece);
    wake(s);
    return 0;
}

int stream_send(struct stream *s, struct blob *piece)
{
    pthread_mutex_lock(&s->lock);
    int r = take_in(s, piece);
    pthread_mutex_unlock(&s->lock);
    return r;
}

void stream_end(struct stream *s, struct blob *last)
{
    pthread_mutex_lock(&s->lock);
    CHECK(!s->ended);
    s->ended = true;
    if (!s->over && last && last->size > 0)
        push(s, last);
    wake(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---- as libmicrohttpd's response; front thread ---- */

static size_t hand_over(struct stream *s, char *to, size_t room)
{
    size_t n = 0;
    while (s->first && n < room) {
        const struct blob *b = s->first->blob;
        size_t some = MIN(b->size - s->offset, room - n);
        memcpy(to + n, b->data + s->offset, some);
        n += some;
        s->offset += some;
        s->handed += some;
        if (s->offset < b->size)
            continue;
        drop_first(s);
        s->handed += PIECE_COST;
    }
    return n;
}

/* libmicrohttpd must find out by writing that it is over: when it is told so, it forgets to close the socket
 * until no other connection is older. */
static ssize_t break_off(struct stream *s, int how, char *to)
{
    shutdown(s->conn->fd, how);
    *to = '\n'; /* goes nowhere */
    return 1;
}

static ssize_t wait_for_more(struct stream *s, char *to)
{
    if (!conn_enter(s->conn, CONN_STREAM))
        return break_off(s, SHUT_RDWR, to);
    s->suspended = true;
    MHD_suspend_connection(s->mhd);
    return 0;
}

static ssize_t next_bytes(struct stream *s, char *to, size_t room)
{
    struct conn *c = s->conn;
    if (s->cut || atomic_load(&c->front->http->stopping))
        return break_off(s, SHUT_RDWR, to);
    size_t n = hand_over(s, to, room);
    if (n == 0 && !s->ended)
        return wait_for_more(s, to);
    uint64_t limit_ms = s->config.stall_ms ? s->config.stall_ms : conn_reply_limit_ms(n, c->front->http->opt);
    atomic_store_explicit(&c->reply_ms, limit_ms, memory_order_relaxed);
    c->streamed += n;
    if (!conn_enter(c, CONN_REPLY))
        return break_off(s, SHUT_RDWR, to);
    if (n > 0)
        return (ssize_t)n;
    return s->chunked ? MHD_CONTENT_READER_END_OF_STREAM : break_off(s, SHUT_WR, to);
}

static ssize_t read_pieces(void *ctx, uint64_t position, char *to, size_t room)
{
    struct stream *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->waiting -= s->handed;
    s->handed = 0;
    ssize_t n = next_bytes(s, to, room);
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void on_cut(struct conn_guest *g)
{
    struct stream *s = CONTAINER_OF(g, struct stream, guest);
    pthread_mutex_lock(&s->lock);
    s->cut = true;
    wake(s);
    pthread_mutex_unlock(&s->lock);
}

/* The connection's reference ends here. */
static void drop(void *ctx)
{
    struct stream *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->over = true;
    while (s->first)
        drop_first(s);
    pthread_mutex_unlock(&s->lock);
    if (s->config.closed)
        s->config.closed(s->config.ctx);
    stream_unref(s);
}

static void on_over(struct conn_guest *g)
{
    drop(CONTAINER_OF(g, struct stream, guest));
}

static struct MHD_Response *make_response(void *ctx, const struct reply_about *about)
{
    struct stream *s = ctx;
    struct MHD_Response *m =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_pieces, s, NULL);
    if (!m) {
        drop(s);
        return NULL;
    }
    s->conn = about->conn;
    s->mhd = about->mhd;
    s->chunked = about->http11;
    s->guest = (struct conn_guest){.cut = on_cut, .over = on_over};
    conn_invite(s->conn, &s->guest);
    return m;
}

static const struct reply_source stream_source = {make_response, drop};

struct reply *stream_reply(struct stream *s, const char *content_type)
{
    struct reply *r = reply_new(MHD_HTTP_OK);
    r->source = &stream_source;
    r->source_ctx = stream_ref(s);
    reply_header(r, "Content-Type", "%s", content_type);
    return r;
}
