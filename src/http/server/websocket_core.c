/* The protocol, once the core has the socket.
 *
 * Happy path: wslay reads and writes frames whenever the socket is ready. A closing handshake, begun by
 * either side, ends with our half shut; what the peer still says is read and thrown away until it closes too,
 * because closing on unread bytes would make it lose our last frame. Then the socket goes back to
 * libmicrohttpd, which closes it.
 *
 * Failure modes: the peer dies, or is silent: `broken`, and nothing is sent any more; it does not read: the
 * queue fills, it is told so if it still takes it, and the deadline ends it.
 *
 * Invariants: the socket is watched only between adopt and end; MHD_UPGRADE_ACTION_CLOSE is the last thing
 * done with it, once. websocket_end is called from the loop only, never inside a call of wslay or of the
 * module's user: these set `broken` or queue something, and a timer that is due now does the rest. */
#include "http/server/websocket_core.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "base/check.h"
#include "base/clock.h"

enum {
    CLOSING_S = 5,
    READ_MOST = 64 << 10,  /* bytes in one go, so that one peer does not hold up the loop */
    MESSAGE_COST = 128,    /* bytes that a queued message counts beside its own */
    CODE_TRY_LATER = 1013, /* registered after wslay was written */
};

static uint64_t now_ns(const struct websocket *w)
{
    return loop_now_ns(w->all->loop);
}

/* ---- sending ---- */

static void begin_closing(struct websocket *w)
{
    if (w->phase != WEBSOCKET_OPEN)
        return;
    w->phase = WEBSOCKET_CLOSING;
    w->deadline_ns = now_ns(w) + CLOSING_S * NS_PER_S;
}

/* Says why and reads no more. */
static void fail(struct websocket *w, unsigned code, const char *reason)
{
    wslay_event_queue_close(w->frames, (uint16_t)code, (const uint8_t *)reason, strlen(reason));
    wslay_event_shutdown_read(w->frames);
    begin_closing(w);
}

static void flush(struct websocket *w)
{
    if (w->broken || w->phase == WEBSOCKET_LINGERING)
        return;
    if (wslay_event_send(w->frames) == 0 && w->close_code &&
        wslay_event_get_queued_msg_count(w->frames) == 0) {
        wslay_event_queue_close(w->frames, (uint16_t)w->close_code, (const uint8_t *)w->close_reason,
                                strlen(w->close_reason));
        w->close_code = 0;
        wslay_event_send(w->frames);
    }
}

static size_t queued(const struct websocket *w)
{
    return wslay_event_get_queued_msg_length(w->frames) +
           wslay_event_get_queued_msg_count(w->frames) * MESSAGE_COST;
}

static void on_timer(struct timer *t);

/* For calls from outside: what must be done about the state is done by the loop. */
static void flush_and_settle_soon(struct websocket *w)
{
    flush(w);
    timer_arm(w->all->loop, &w->timer, now_ns(w), on_timer);
}

void websocket_send(struct websocket *w, const char *text, size_t size)
{
    CHECK(loop_is_mine(w->all->loop));
    if (w->phase != WEBSOCKET_OPEN || w->broken)
        return;
    if (queued(w) + size > w->all->config.queue_max)
        flush(w);
    if (queued(w) + size > w->all->config.queue_max) {
        fail(w, CODE_TRY_LATER, "too slow");
    } else {
        const struct wslay_event_msg m = {WSLAY_TEXT_FRAME, (const uint8_t *)text, size};
        CHECK(wslay_event_queue_msg(w->frames, &m) == 0);
    }
    flush_and_settle_soon(w);
}

void websocket_close(struct websocket *w, unsigned code, const char *reason)
{
    CHECK(loop_is_mine(w->all->loop) && code >= WSLAY_CODE_NORMAL_CLOSURE &&
          strlen(reason) <= WEBSOCKET_REASON_MAX);
    if (w->phase != WEBSOCKET_OPEN)
        return;
    begin_closing(w);
    w->close_code = code;
    snprintf(w->close_reason, sizeof(w->close_reason), "%s", reason);
    flush_and_settle_soon(w);
}

/* ---- what wslay calls ---- */

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *data, size_t size, int flags, void *ctx)
{
    struct websocket *w = ctx;
    ssize_t n;
    do
        n = send(w->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    if (n < 0 && errno == EAGAIN) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    w->broken = true;
    wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t early_bytes(struct websocket *w, void *to, size_t room)
{
    size_t n = MIN(room, w->early_size - w->early_at);
    memcpy(to, w->early + w->early_at, n);
    w->early_at += n;
    return (ssize_t)n;
}

/* Bytes, or -1: none now, with `broken` if there will never be any. */
static ssize_t receive(struct websocket *w, void *to, size_t room)
{
    size_t most = MIN(room, w->budget);
    if (most == 0)
        return -1;
    ssize_t n;
    if (w->early_at < w->early_size) {
        n = early_bytes(w, to, most);
    } else {
        do
            n = recv(w->fd, to, most, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
    }
    if (n > 0) {
        w->budget -= (size_t)n;
        w->heard_ns = now_ns(w);
        return n;
    }
    if (n == 0 || errno != EAGAIN)
        w->broken = true;
    return -1;
}

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *to, size_t room, int flags, void *ctx)
{
    struct websocket *w = ctx;
    ssize_t n = receive(w, to, room);
    if (n < 0)
        wslay_event_set_error(frames, w->broken ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
    return n;
}

static bool too_many(struct websocket *w)
{
    if (w->heard_ns - w->second_ns >= NS_PER_S) {
        w->second_ns = w->heard_ns;
        w->frame_count = 0;
    }
    return ++w->frame_count > w->all->config.rate;
}

static void on_frame(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_start_arg *frame,
                     void *ctx)
{
    struct websocket *w = ctx;
    if (too_many(w))
        fail(w, WSLAY_CODE_POLICY_VIOLATION, "too many messages");
    else if (frame->opcode == WSLAY_BINARY_FRAME)
        fail(w, WSLAY_CODE_UNSUPPORTED_DATA, "only text is understood");
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *m, void *ctx)
{
    struct websocket *w = ctx;
    struct websockets *all = w->all;
    if (w->phase != WEBSOCKET_OPEN || m->opcode != WSLAY_TEXT_FRAME)
        return;
    CHECK(m->msg_length <= all->config.message_max);
    if (m->msg_length)
        memcpy(all->text, m->msg, m->msg_length);
    all->text[m->msg_length] = '\0';
    all->config.text(all->config.ctx, w, all->text, m->msg_length);
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_receive,
    .send_callback = on_send,
    .on_frame_recv_start_callback = on_frame,
    .on_msg_recv_callback = on_message,
};

/* ---- from the loop ---- */

void websocket_end(struct websocket *w)
{
    struct websockets *all = w->all;
    fd_watch_stop(w->watch);
    timer_disarm(all->loop, &w->timer);
    list_remove(&w->node);
    if (w->told)
        all->config.closed(all->config.ctx, w);
    wslay_event_context_free(w->frames);
    MHD_upgrade_action(w->urh, MHD_UPGRADE_ACTION_CLOSE);
    websocket_release(w);
}

/* Both closes are said, or nothing more is read. */
static void linger(struct websocket *w)
{
    bool said = wslay_event_get_close_sent(w->frames);
    if (w->phase != WEBSOCKET_CLOSING || !said ||
        (wslay_event_get_read_enabled(w->frames) && !wslay_event_get_close_received(w->frames)))
        return;
    w->phase = WEBSOCKET_LINGERING;
    shutdown(w->fd, SHUT_WR);
}

static void watch_for(struct websocket *w, unsigned events)
{
    if (w->watched == events)
        return;
    w->watched = events;
    fd_watch_set(w->watch, events);
}

static uint64_t next_look_ns(const struct websocket *w)
{
    uint64_t ping_ns = w->all->config.ping_s * NS_PER_S;
    return w->phase == WEBSOCKET_OPEN ? MIN(w->pinged_ns + ping_ns, w->heard_ns + 2 * ping_ns)
                                      : w->deadline_ns;
}

/* After all that may have changed something. w may be gone afterwards. */
static void settle(struct websocket *w)
{
    if (wslay_event_get_close_received(w->frames) || !wslay_event_get_read_enabled(w->frames))
        begin_closing(w);
    flush(w);
    if (w->phase == WEBSOCKET_OPEN && queued(w) > w->all->config.queue_max)
        fail(w, CODE_TRY_LATER, "too slow"); /* one that pings and never reads its pongs */
    linger(w);
    if (w->broken) {
        websocket_end(w);
        return;
    }
    bool writing = w->phase != WEBSOCKET_LINGERING && wslay_event_want_write(w->frames);
    watch_for(w, writing ? FD_READ | FD_WRITE : FD_READ);
    timer_arm(w->all->loop, &w->timer, next_look_ns(w), on_timer);
}

static void throw_away(struct websocket *w)
{
    char block[4096];
    while (receive(w, block, sizeof(block)) > 0)
        ;
}

static void on_ready(void *ctx, int fd, unsigned events)
{
    struct websocket *w = ctx;
    w->budget = READ_MOST;
    if (w->phase == WEBSOCKET_LINGERING)
        throw_away(w);
    else if (wslay_event_recv(w->frames) == WSLAY_ERR_NOMEM)
        w->broken = true;
    if (events & FD_ERROR)
        w->broken = true;
    settle(w);
}

static void on_timer(struct timer *t)
{
    struct websocket *w = CONTAINER_OF(t, struct websocket, timer);
    uint64_t now = now_ns(w), ping_ns = w->all->config.ping_s * NS_PER_S;
    if (w->phase != WEBSOCKET_OPEN) {
        w->broken = w->broken || now >= w->deadline_ns;
    } else if (now >= w->heard_ns + 2 * ping_ns) {
        w->broken = true;
    } else if (now >= w->pinged_ns + ping_ns) {
        w->pinged_ns = now;
        wslay_event_queue_msg(w->frames, &(struct wslay_event_msg){.opcode = WSLAY_PING});
    }
    settle(w);
}

void websocket_adopt(struct message *m)
{
    struct websocket *w = CONTAINER_OF(m, struct websocket, mail);
    struct websockets *all = w->all;
    int on = 1;
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* libmicrohttpd has taken it away */
    CHECK(wslay_event_context_server_init(&w->frames, &callbacks, w) == 0);
    wslay_event_config_set_max_recv_msg_length(w->frames, all->config.message_max);
    list_push_back(&all->open, &w->node);
    w->heard_ns = w->pinged_ns = now_ns(w);
    w->watched = FD_READ;
    w->watch = fd_watch_start(all->config.uv, w->fd, FD_READ, on_ready, w);
    if (!w->watch) {
        websocket_end(w);
        return;
    }
    if (atomic_load(&all->stopping)) {
        websocket_close(w, WSLAY_CODE_GOING_AWAY, "the server goes away");
    } else {
        w->told = true;
        all->config.opened(all->config.ctx, w);
    }
    on_ready(w, w->fd, FD_READ); /* what came early */
}
