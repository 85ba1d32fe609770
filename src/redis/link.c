/* Happy path: the name is looked up on a lane, the socket connects, AUTH, SELECT and PING are answered, the
 * link is up; whatever is sent goes out when the socket takes it, whatever comes is fed to hiredis's reader.
 * Failure modes: each step has a limit in time; any failure closes the socket and arms the pause. A reply
 * that is not RESP, or longer than REPLY_MAX_BYTES, is a failure too.
 * Invariants: fd ≥ 0 exactly while CONNECTING, GREETING or UP; every callback may end the connection it is
 * called for, so its caller looks at `made` afterwards; nothing is called back inside link_send. */
#include "redis/link.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

enum {
    CONNECT_MS = 1000,
    RETRY_FIRST_MS = 100,
    RETRY_MAX_MS = 5000,
    REPLY_MAX_BYTES = 1 << 20,
    OUT_MAX_BYTES = 8 << 20,
    READ_BLOCK = 16 << 10
};

static void arm(struct link *l, uint64_t ms, void (*fire)(struct timer *t))
{
    timer_arm(l->loop, &l->timer, loop_now_ns(l->loop) + ms * NS_PER_MS, fire);
}

/* ---- the end of a connection ---- */

static void close_socket(struct link *l)
{
    timer_disarm(l->loop, &l->timer);
    fd_watch_stop(TAKE(l->watch));
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    if (l->reader)
        redisReaderFree(TAKE(l->reader));
    buf_release(&l->out);
    l->out_sent = 0;
    l->made++;
}

static void try_again(struct timer *t);

/* Half of it is random, so that many gateways do not come back at the same moment. */
static uint64_t pause_ms(struct link *l)
{
    uint64_t ms = MIN((uint64_t)RETRY_FIRST_MS << MIN(l->failures, 10u), (uint64_t)RETRY_MAX_MS);
    return ms / 2 + rng_below(&l->rng, ms / 2 + 1);
}

void link_fail(struct link *l, const char *why)
{
    bool was_up = l->state == LINK_UP;
    close_socket(l);
    l->state = LINK_PAUSED;
    arm(l, pause_ms(l), try_again);
    l->failures++;
    if (was_up)
        l->ops->down(l, why);
    else
        l->ops->failed(l, why);
}

static void fail_errno(struct link *l, const char *what, int error)
{
    char why[160];
    snprintf(why, sizeof(why), "%s: %s", what, strerror(error));
    link_fail(l, why);
}

void link_proved(struct link *l)
{
    l->failures = 0;
}

/* ---- sending ---- */

static void watch_more(struct link *l)
{
    bool write = l->out_sent < l->out.len;
    if (write == l->wants_write)
        return;
    l->wants_write = write;
    fd_watch_set(l->watch, FD_READ | (write ? FD_WRITE : 0u));
}

static int append(struct link *l, unsigned argc, const char *const *argv, const size_t *len)
{
    char *text = NULL;
    int size = redisFormatCommandArgv(&text, (int)argc, (const char **)argv, len);
    CHECK(size > 0);
    int r = buf_append(&l->out, text, (size_t)size);
    redisFreeCommand(text);
    return r < 0 ? -ERR_QUEUE_FULL : 0;
}

/* As much as the socket takes; the watch asks for the rest. 0 or -errno. */
static int flush(struct link *l)
{
    int r = 0;
    while (r == 0 && l->out_sent < l->out.len) {
        ssize_t n = send(l->fd, l->out.data + l->out_sent, l->out.len - l->out_sent, MSG_NOSIGNAL);
        if (n < 0)
            r = -errno;
        else
            l->out_sent += (size_t)n;
    }
    if (l->out_sent == l->out.len) {
        l->out.len = 0;
        l->out_sent = 0;
    }
    watch_more(l);
    return r == -EAGAIN || r == -EINTR ? 0 : r;
}

/* Sent at once, so that nothing this thread does meanwhile counts as the server's time. */
int link_send(struct link *l, unsigned argc, const char *const *argv, const size_t *len)
{
    CHECK(l->state == LINK_UP);
    int r = append(l, argc, argv, len);
    if (r < 0)
        return r;
    r = flush(l);
    (void)r; /* the watch will say that the connection has broken */
    return 0;
}

/* ---- the greeting ---- */

static void too_slow(struct timer *t)
{
    struct link *l = CONTAINER_OF(t, struct link, timer);
    char why[96];
    bool greeting = l->state == LINK_GREETING;
    if (greeting && (!link_read(l) || l->state == LINK_UP))
        return; /* it had come: this thread was late */
    snprintf(why, sizeof(why), greeting ? "no answer within %u ms" : "no connection within %u ms",
             greeting ? l->timeout_ms : (unsigned)CONNECT_MS);
    link_fail(l, why);
}

static void say(struct link *l, unsigned argc, const char *const *argv)
{
    size_t len[4];
    for (unsigned i = 0; i < argc; i++)
        len[i] = strlen(argv[i]);
    CHECK(append(l, argc, argv, len) == 0);
    l->greetings++;
}

static void greet(struct link *l)
{
    const struct redis_address *a = l->address;
    l->state = LINK_GREETING;
    l->greetings = 0;
    l->reader = redisReaderCreate();
    CHECK(l->reader);
    l->unread_bytes = 0;
    if (a->user)
        say(l, 3, (const char *[]){"AUTH", a->user, a->password});
    else if (a->password)
        say(l, 2, (const char *[]){"AUTH", a->password});
    if (a->database > 0) {
        char number[16];
        snprintf(number, sizeof(number), "%u", a->database);
        say(l, 2, (const char *[]){"SELECT", number});
    }
    say(l, 1, (const char *[]){"PING"});
    arm(l, l->timeout_ms, too_slow);
}

static void greeted(struct link *l, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        char why[160];
        snprintf(why, sizeof(why), "the server says: %.140s", reply->str);
        freeReplyObject(reply);
        link_fail(l, why);
        return;
    }
    freeReplyObject(reply);
    if (--l->greetings > 0)
        return;
    timer_disarm(l->loop, &l->timer);
    l->state = LINK_UP;
    l->ops->up(l);
}

/* ---- reading ---- */

/* Hands on all whole replies. False: the link has gone. */
static bool hand_on(struct link *l)
{
    uint64_t made = l->made;
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
            link_fail(l, "the server's answer is not Redis's protocol");
            return false;
        }
        if (!reply)
            break;
        l->unread_bytes = 0;
        if (l->state == LINK_GREETING)
            greeted(l, reply);
        else
            l->ops->reply(l, reply);
        if (l->made != made)
            return false;
    }
    if (l->unread_bytes <= REPLY_MAX_BYTES)
        return true;
    link_fail(l, "an answer is too long");
    return false;
}

bool link_read(struct link *l)
{
    char block[READ_BLOCK];
    for (;;) {
        ssize_t n = recv(l->fd, block, sizeof(block), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (n <= 0) {
            if (n == 0)
                link_fail(l, "the server closed the connection");
            else
                fail_errno(l, "reading", errno);
            return false;
        }
        l->unread_bytes += (size_t)n;
        if (redisReaderFeed(l->reader, block, (size_t)n) != REDIS_OK) {
            link_fail(l, "an answer is too long");
            return false;
        }
        if (!hand_on(l))
            return false;
        if ((size_t)n < sizeof(block))
            return true;
    }
}

/* ---- connecting ---- */

static bool connected(struct link *l)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error == 0) {
        greet(l);
        return true;
    }
    fail_errno(l, "connecting", error);
    return false;
}

static void on_fd(void *ctx, int fd, unsigned events)
{
    struct link *l = ctx;
    if (l->state == LINK_CONNECTING && !connected(l))
        return;
    if ((events & (FD_READ | FD_ERROR)) && !link_read(l))
        return;
    int r = flush(l);
    if (r < 0)
        fail_errno(l, "sending", -r);
}

/* 0 or -errno. */
static int open_socket(struct link *l, const struct name *name)
{
    int one = 1;
    l->fd = socket(name->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -errno;
    if (name->address.ss_family != AF_UNIX)
        setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(l->fd, (const struct sockaddr *)&name->address, name->size) < 0 && errno != EINPROGRESS)
        return -errno;
    l->wants_write = true;
    l->watch = fd_watch_start(l->uv, l->fd, FD_READ | FD_WRITE, on_fd, l);
    return l->watch ? 0 : -EMFILE;
}

/* Each try takes the next of the host's addresses. */
static void named(struct op *op)
{
    struct link *l = CONTAINER_OF(op, struct link, names.op);
    if (l->state != LINK_NAMING)
        return; /* stopped meanwhile */
    if (op->result < 0 || l->names.count == 0) {
        char why[160];
        snprintf(why, sizeof(why), "the name cannot be found: %s", l->names.why);
        link_fail(l, why);
        return;
    }
    l->state = LINK_CONNECTING;
    arm(l, CONNECT_MS, too_slow);
    int r = open_socket(l, &l->names.list[l->next_name++ % l->names.count]);
    if (r < 0)
        fail_errno(l, "connecting", -r);
}

void link_start(struct link *l)
{
    l->state = LINK_NAMING;
    names_start(&l->names, named);
}

static void try_again(struct timer *t)
{
    link_start(CONTAINER_OF(t, struct link, timer));
}

/* ---- life ---- */

void link_init(struct link *l, const struct link_ops *ops, struct loop_uv *uv, struct lane *lane,
               const struct redis_address *address, uint32_t timeout_ms)
{
    *l = (struct link){.ops = ops, .uv = uv, .loop = loop_uv_loop(uv), .address = address, .fd = -1};
    l->timeout_ms = timeout_ms;
    names_init(&l->names, lane, l->loop, address);
    buf_init(&l->out, OUT_MAX_BYTES);
    uint64_t seed;
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&l->rng, seed);
}

void link_stop(struct link *l)
{
    close_socket(l);
    l->state = LINK_STOPPED;
    op_cancel(&l->names.op);
}

void link_release(struct link *l)
{
    CHECK(l->state == LINK_STOPPED && l->names.op.state == OP_IDLE);
    buf_release(&l->out);
}
