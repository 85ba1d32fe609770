/* Happy path: another thread wakes the loop by a libuv async, which costs it a system call. The core wakes
 * itself without any: what completes inside a turn is seen to in that turn, and what completes in a callback
 * of libuv's, in a turn right behind it. Invariant: before the loop sleeps, `due` is false. */
#include "loop/loop_uv.h"

#include <stdlib.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum { SIGNALS_MAX = 8 };

struct signal_watch {
    uv_signal_t handle;
    void (*fn)(void *ctx, int signum);
    void *ctx;
};

struct loop_uv {
    struct loop loop;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t before; /* it sleeps */
    uv_check_t after;    /* it has slept */
    uv_timer_t timer;
    bool turning, due;    /* a turn is under way; one is needed. Core thread */
    uint64_t timer_at_ns; /* what the libuv timer is set to; UINT64_MAX: stopped */
    struct signal_watch signals[SIGNALS_MAX];
    unsigned signal_count;
};

struct peer_watch {
    uv_poll_t poll;
    void (*gone)(void *ctx);
    void *ctx;
};

struct fd_watch {
    uv_poll_t poll;
    int fd;
    unsigned events; /* wanted */
    fd_ready_fn *ready;
    void *ctx;
};

static uint64_t now_ns(struct loop *loop)
{
    (void)loop;
    return clock_mono_ns();
}

static void wake(struct loop *loop)
{
    struct loop_uv *u = loop->driver_state;
    bool known = atomic_load_explicit(&loop->thread, memory_order_relaxed) != 0;
    if (!known || !loop_is_mine(loop))
        uv_async_send(&u->wake);
    else if (!u->turning)
        u->due = true;
}

static const struct loop_driver uv_driver = {.now_ns = now_ns, .wake = wake};

static void turn(struct loop_uv *u);

static void on_timer(uv_timer_t *handle)
{
    struct loop_uv *u = handle->data;
    u->timer_at_ns = UINT64_MAX;
    turn(u);
}

static void before_sleep(uv_prepare_t *handle)
{
    struct loop_uv *u = handle->data;
    if (u->due)
        turn(u);
}

static void after_sleep(uv_check_t *handle)
{
    struct loop_uv *u = handle->data;
    if (u->due)
        turn(u);
}

static void on_wake(uv_async_t *handle)
{
    turn(handle->data);
}

/* One turn, then the libuv timer is set to the earliest timer of ours. */
static void turn(struct loop_uv *u)
{
    u->due = false;
    u->turning = true;
    loop_turn(&u->loop);
    u->turning = false;
    uint64_t at = loop_next_timer_ns(&u->loop);
    if (at == u->timer_at_ns)
        return;
    u->timer_at_ns = at;
    if (at == UINT64_MAX) {
        uv_timer_stop(&u->timer);
        return;
    }
    uint64_t now = clock_mono_ns();
    uint64_t ms = at > now ? (at - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    uv_update_time(&u->uv);
    uv_timer_start(&u->timer, on_timer, ms, 0);
}

struct loop_uv *loop_uv_new(void)
{
    struct loop_uv *u = NEW(struct loop_uv);
    loop_init(&u->loop, &uv_driver, u);
    CHECK(uv_loop_init(&u->uv) == 0);
    CHECK(uv_async_init(&u->uv, &u->wake, on_wake) == 0);
    CHECK(uv_timer_init(&u->uv, &u->timer) == 0);
    CHECK(uv_prepare_init(&u->uv, &u->before) == 0 && uv_check_init(&u->uv, &u->after) == 0);
    CHECK(uv_prepare_start(&u->before, before_sleep) == 0 && uv_check_start(&u->after, after_sleep) == 0);
    u->wake.data = u->timer.data = u->before.data = u->after.data = u;
    u->timer_at_ns = UINT64_MAX;
    return u;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_uv_free(struct loop_uv *u)
{
    if (!u)
        return;
    uv_walk(&u->uv, close_handle, NULL);
    uv_run(&u->uv, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&u->uv) == 0);
    loop_release(&u->loop);
    free(u);
}

struct loop *loop_uv_loop(struct loop_uv *u)
{
    return &u->loop;
}

void loop_uv_run(struct loop_uv *u)
{
    loop_own(&u->loop);
    turn(u);
    uv_run(&u->uv, UV_RUN_DEFAULT);
}

void loop_uv_stop(struct loop_uv *u)
{
    uv_stop(&u->uv);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signal_watch *s = handle->data;
    s->fn(s->ctx, signum);
    turn(CONTAINER_OF(handle->loop, struct loop_uv, uv));
}

void loop_uv_on_signal(struct loop_uv *u, int signum, void (*fn)(void *ctx, int signum), void *ctx)
{
    CHECK(u->signal_count < SIGNALS_MAX);
    struct signal_watch *s = &u->signals[u->signal_count++];
    s->fn = fn;
    s->ctx = ctx;
    CHECK(uv_signal_init(&u->uv, &s->handle) == 0);
    s->handle.data = s;
    CHECK(uv_signal_start(&s->handle, on_signal, signum) == 0);
}

static void free_watch(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_peer(uv_poll_t *handle, int status, int events)
{
    struct peer_watch *w = handle->data;
    if (status == 0 && !(events & UV_DISCONNECT))
        return;
    struct loop_uv *u = CONTAINER_OF(handle->loop, struct loop_uv, uv);
    uv_poll_stop(&w->poll); /* once */
    w->gone(w->ctx);
    turn(u);
}

struct peer_watch *peer_watch_start(struct loop_uv *u, int fd, void (*gone)(void *ctx), void *ctx)
{
    struct peer_watch *w = NEW(struct peer_watch);
    w->gone = gone;
    w->ctx = ctx;
    w->poll.data = w;
    if (uv_poll_init(&u->uv, &w->poll, fd) != 0) {
        free(w);
        return NULL; /* the request lives on unwatched: it is only told later that nobody waits */
    }
    if (uv_poll_start(&w->poll, UV_DISCONNECT, on_peer) != 0) {
        uv_close((uv_handle_t *)&w->poll, free_watch);
        return NULL;
    }
    return w;
}

void peer_watch_stop(struct peer_watch *w)
{
    if (!w)
        return;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, free_watch);
}

static void on_fd(uv_poll_t *handle, int status, int events)
{
    struct fd_watch *w = handle->data;
    struct loop_uv *u = CONTAINER_OF(handle->loop, struct loop_uv, uv);
    unsigned seen = (events & UV_READABLE ? FD_READ : 0u) | (events & UV_WRITABLE ? FD_WRITE : 0u);
    if (status != 0) {
        seen = FD_READ | FD_WRITE | FD_ERROR;
        fd_watch_set(w, w->events); /* libuv has stopped it; there may still be bytes before the error */
    }
    w->ready(w->ctx, w->fd, seen);
    turn(u);
}

struct fd_watch *fd_watch_start(struct loop_uv *u, int fd, unsigned events, fd_ready_fn *ready, void *ctx)
{
    struct fd_watch *w = NEW(struct fd_watch);
    w->fd = fd;
    w->ready = ready;
    w->ctx = ctx;
    w->poll.data = w;
    if (uv_poll_init(&u->uv, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    fd_watch_set(w, events);
    return w;
}

void fd_watch_set(struct fd_watch *w, unsigned events)
{
    w->events = events;
    int wanted = (events & FD_READ ? UV_READABLE : 0) | (events & FD_WRITE ? UV_WRITABLE : 0);
    CHECK(uv_poll_start(&w->poll, wanted, on_fd) == 0);
}

void fd_watch_stop(struct fd_watch *w)
{
    if (!w)
        return;
    uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, free_watch);
}
