/* Connections and the sweeper.
 *
 * Happy path: NEW → (BODY) → HANDLING → (SUSPENDED) → REPLY → IDLE → HEADERS …, each entered by the
 * front thread. A stream goes to and fro between REPLY, with a limit for each piece, and STREAM. Failure
 * modes: a client that is too slow in one of them; the sweeper cuts it, with an answer where one can still be
 * given (a request has begun and nothing of libmicrohttpd's is on its way out). A stream's reader that leaves
 * while there is nothing to send is found by looking, as libmicrohttpd does not watch suspended connections.
 */
#include "http/server/conn.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "http/server/reply.h"
#include "http/server/server.h"

enum {
    PHASE_BITS = 4,
    RATE_GRACE_MS = 5000,   /* before the rate of a body is looked at */
    REPLY_GRACE_MS = 30000, /* of a reply's time */
    LOOK_AFTER_MS = 500,    /* in a phase, whether the peer has gone */
    LOOK_UNTIL_MS = 900,    /* between requests: until one look came so late, which is mostly the second */
    STREAM_LOOK_MS = 1000,  /* between two looks at a stream's reader */
    WORDS_MAX = 64,         /* answers written in one sweep; what is cut beyond goes without */
};

uint64_t conn_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static unsigned long long word_of(enum conn_phase phase, uint64_t since_ms)
{
    return since_ms << PHASE_BITS | phase;
}

static enum conn_phase phase_of(unsigned long long word)
{
    return (enum conn_phase)(word & ((1u << PHASE_BITS) - 1));
}

struct conn *conn_new(struct front *f, int fd)
{
    struct conn *c = NEW(struct conn);
    c->front = f;
    c->fd = fd;
    atomic_init(&c->word, word_of(CONN_NEW, conn_now_ms()));
    atomic_init(&c->arrived, 0);
    atomic_init(&c->expected, 0);
    atomic_init(&c->reply_ms, 0);
    atomic_fetch_add(&f->open, 1);
    return c;
}

void conn_opened(struct conn *c)
{
    pthread_mutex_lock(&c->front->lock);
    list_push_back(&c->front->conns, &c->link);
    pthread_mutex_unlock(&c->front->lock);
}

void conn_invite(struct conn *c, struct conn_guest *guest)
{
    pthread_mutex_lock(&c->front->lock);
    c->guest = guest;
    pthread_mutex_unlock(&c->front->lock);
}

static void end_visit(struct conn *c)
{
    struct conn_guest *guest = c->guest; /* only this thread changes it */
    if (!guest)
        return;
    conn_invite(c, NULL);
    guest->over(guest);
}

static void cut_guest(struct conn *c)
{
    if (!c->guest || !c->guest->cut)
        return;
    shutdown(c->fd, SHUT_RDWR); /* it may wait for the socket, not for its guest */
    c->guest->cut(c->guest);
}

void conn_cut_guests(struct front *f)
{
    pthread_mutex_lock(&f->lock);
    LIST_FOREACH (node, &f->conns)
        cut_guest(CONTAINER_OF(node, struct conn, link));
    pthread_mutex_unlock(&f->lock);
}

void conn_closing(struct conn *c)
{
    end_visit(c);
    pthread_mutex_lock(&c->front->lock);
    list_remove(&c->link);
    pthread_mutex_unlock(&c->front->lock);
    conn_drop(c);
}

void conn_drop(struct conn *c)
{
    atomic_fetch_sub(&c->front->open, 1);
    free(c);
}

bool conn_enter(struct conn *c, enum conn_phase phase)
{
    unsigned long long was = atomic_load(&c->word);
    return phase_of(was) != CONN_CUT &&
           atomic_compare_exchange_strong(&c->word, &was, word_of(phase, conn_now_ms()));
}

/* A cut between two requests needs no answer from these: the closed socket ends the connection. */
void conn_begun(struct conn *c)
{
    unsigned long long was = atomic_load(&c->word);
    c->streamed = 0;
    if (phase_of(was) == CONN_IDLE)
        atomic_compare_exchange_strong(&c->word, &was, word_of(CONN_HEADERS, conn_now_ms()));
}

void conn_ended(struct conn *c)
{
    unsigned long long was = atomic_load(&c->word);
    end_visit(c);
    c->bad_target = false;
    if (phase_of(was) != CONN_CUT)
        atomic_compare_exchange_strong(&c->word, &was, word_of(CONN_IDLE, conn_now_ms()));
}

unsigned conn_answering(struct front *f)
{
    unsigned count = 0;
    pthread_mutex_lock(&f->lock);
    LIST_FOREACH (node, &f->conns) {
        enum conn_phase phase = phase_of(atomic_load(&CONTAINER_OF(node, struct conn, link)->word));
        count +=
            phase == CONN_HANDLING || phase == CONN_SUSPENDED || phase == CONN_REPLY || phase == CONN_STREAM;
    }
    pthread_mutex_unlock(&f->lock);
    return count;
}

/* ---- the sweeper ---- */

uint64_t conn_reply_limit_ms(uint64_t bytes, const struct options *opt)
{
    if (opt->body_min_rate == 0)
        return UINT64_MAX;
    return REPLY_GRACE_MS + bytes / (uint64_t)opt->body_min_rate * 1000;
}

/* What is larger than the largest picture holds several of them, and has the time of each. */
static bool body_overdue(const struct conn_view *v, const struct options *opt)
{
    uint64_t picture = (uint64_t)opt->upload_max_bytes;
    uint64_t pictures = MAX(v->expected / picture + (v->expected % picture > 0), UINT64_C(1));
    if (v->age_ms / pictures > (uint64_t)opt->body_timeout_ms)
        return true;
    return v->age_ms > RATE_GRACE_MS && v->arrived < (uint64_t)opt->body_min_rate * v->age_ms / 1000;
}

bool conn_overdue(const struct conn_view *v, const struct options *opt)
{
    switch (v->phase) {
    case CONN_NEW:
    case CONN_HEADERS:
        return v->age_ms > (uint64_t)opt->header_timeout_ms;
    case CONN_BODY:
        return body_overdue(v, opt);
    case CONN_DISCARD:
        return v->age_ms > (uint64_t)opt->discard_timeout_ms;
    case CONN_REPLY:
        return v->age_ms > v->reply_ms;
    case CONN_IDLE:
        return v->age_ms > (uint64_t)opt->keepalive_timeout_ms;
    case CONN_HANDLING:
    case CONN_SUSPENDED:
    case CONN_STREAM:
    case CONN_UPGRADED:
    case CONN_CUT:
        break;
    }
    return false;
}

/* Between two requests the close that matters comes with the bytes of the last one; later it comes alone, and
 * ten thousand idle connections are not looked at for ever. How late a sweep comes is the machine's matter:
 * what counts is that a look was made. */
static bool worth_a_look(const struct conn *c, const struct conn_view *v, uint64_t now)
{
    switch (v->phase) {
    case CONN_NEW:
    case CONN_HEADERS:
    case CONN_BODY:
    case CONN_DISCARD:
        return v->age_ms > LOOK_AFTER_MS;
    case CONN_IDLE:
        return v->age_ms > LOOK_AFTER_MS && c->looked_ms + v->age_ms < now + LOOK_UNTIL_MS;
    case CONN_STREAM:
        return v->age_ms > LOOK_AFTER_MS && now - c->looked_ms > STREAM_LOOK_MS;
    case CONN_HANDLING:
    case CONN_SUSPENDED:
    case CONN_REPLY:
    case CONN_UPGRADED:
    case CONN_CUT:
        break;
    }
    return false;
}

/* A peer that closed right behind its last bytes: libmicrohttpd hears of both as one change, stops after the
 * bytes, and would keep the connection until its time is over. To a stream nothing that is said behind its
 * request matters. */
static bool peer_gone(struct conn *c, const struct conn_view *v, uint64_t now)
{
    int unread = 0;
    if (!worth_a_look(c, v, now))
        return false;
    c->looked_ms = now;
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLRDHUP | POLLERR | POLLHUP)))
        return false;
    return v->phase == CONN_STREAM || (ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0);
}

static bool has_unread(int fd)
{
    int bytes = 0;
    return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

static bool has_spoken(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_bytes_received > 0;
}

/* A client that never said anything is owed no answer. */
static bool owed_words(const struct conn *c, enum conn_phase phase)
{
    return phase == CONN_HEADERS || phase == CONN_BODY || (phase == CONN_NEW && has_spoken(c->fd));
}

static void say_timeout(const struct conn *c)
{
    char id[UUID_TEXT];
    uuid_make(id);
    struct error e = {0};
    error_set(&e, ERR_REQUEST_TIMEOUT, "%s", "");
    struct reply *r = reply_error(NULL, id, &e);
    reply_last_words(c->fd, r,
                     &(struct reply_about){
                         .request_id = id, .cors_origins = c->front->http->opt->cors_origins, .close = true});
    reply_free(r);
}

/* The server is leaving, and nothing is under way here. */
static bool may_leave(const struct conn *c, const struct conn_view *v)
{
    const struct http *h = c->front->http;
    bool idle = v->phase == CONN_IDLE || (v->phase == CONN_NEW && !has_spoken(c->fd));
    return idle && atomic_load(&h->leaving) && v->age_ms >= atomic_load(&h->idle_ms);
}

static bool is_overdue(const struct conn *c, const struct conn_view *v)
{
    bool overdue = conn_overdue(v, c->front->http->opt) || may_leave(c, v);
    /* A request that has just come is served: its client cannot know that it came too late. */
    return overdue && !(v->phase == CONN_IDLE && has_unread(c->fd));
}

void conn_sweep(struct front *f)
{
    uint64_t now = conn_now_ms();
    unsigned said = 0;
    pthread_mutex_lock(&f->lock);
    LIST_FOREACH (node, &f->conns) {
        struct conn *c = CONTAINER_OF(node, struct conn, link);
        unsigned long long word = atomic_load(&c->word);
        uint64_t since = word >> PHASE_BITS;
        struct conn_view v = {.phase = phase_of(word),
                              .age_ms = now > since ? now - since : 0,
                              .arrived = atomic_load_explicit(&c->arrived, memory_order_relaxed),
                              .expected = atomic_load_explicit(&c->expected, memory_order_relaxed),
                              .reply_ms = atomic_load_explicit(&c->reply_ms, memory_order_relaxed)};
        bool gone = peer_gone(c, &v, now);
        if (!(gone || is_overdue(c, &v)) ||
            !atomic_compare_exchange_strong(&c->word, &word, word_of(CONN_CUT, now)))
            continue;
        if (!gone && owed_words(c, v.phase) && said++ < WORDS_MAX)
            say_timeout(c);
        shutdown(c->fd, SHUT_RDWR);
        cut_guest(c);
    }
    pthread_mutex_unlock(&f->lock);
}
