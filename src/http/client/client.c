/* The pool: libcurl's multi interface on the core loop.
 *
 * Happy path: a call becomes a transfer on an easy handle in one of two multi handles; libcurl says which
 * sockets and which timer to watch; when they fire it works on, and what has ended is settled. Failure modes:
 * the limits of time are timers of ours, because libcurl's own do not run while a call waits for a
 * connection; cancelling takes the easy handle away, which closes an HTTP/1 connection and resets an HTTP/2
 * stream.
 * Invariants: guarded calls and the others share no connection, so a stranger's URL never travels on a
 * connection that was opened to a private address; nothing calls libcurl from inside one of its callbacks
 * (those only note things; watching a socket and arming a timer call nothing back); a transfer is settled
 * exactly once, by its end, its timer or its cancellation. */
#include "http/client/client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/client/transfer.h"

enum {
    SPARE_MAX = 64,         /* easy handles kept for the next call */
    CONNECTIONS_KEPT = 128, /* idle ones, each side */
    CONNECTIONS_MAX = 512,  /* each side */
    STALL_LOOKS = 4         /* a stall is noticed at most one part of this late */
};

struct side {
    struct http_client_pool *pool;
    CURLM *multi;
    CURLSH *share;      /* of TLS sessions */
    struct timer timer; /* libcurl's */
};

enum { SIDE_TRUSTED, SIDE_GUARDED, SIDE_COUNT };

struct http_client_pool {
    struct loop_uv *uv;
    struct loop *loop;
    struct transfer_config config;
    struct side side[SIDE_COUNT];
    struct list running; /* of struct transfer */
    CURL *spare[SPARE_MAX];
    unsigned spare_count;
};

/* ---- a transfer's way through the pool ---- */

static void attach(struct transfer *t)
{
    struct http_client_pool *p = t->side->pool;
    CURL *easy = p->spare_count > 0 ? p->spare[--p->spare_count] : curl_easy_init();
    CHECK(easy);
    transfer_prepare(t, easy, t->side->share);
    CHECK(curl_multi_add_handle(t->side->multi, easy) == CURLM_OK);
}

static void detach(struct transfer *t)
{
    struct http_client_pool *p = t->side->pool;
    CURL *easy = TAKE(t->easy);
    CHECK(curl_multi_remove_handle(t->side->multi, easy) == CURLM_OK);
    if (p->spare_count < SPARE_MAX) {
        curl_easy_reset(easy); /* it must not keep pointers into the transfer */
        p->spare[p->spare_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

static void settle(struct transfer *t, int result)
{
    struct loop *loop = t->side->pool->loop;
    struct http_call *call = t->call;
    timer_disarm(loop, &t->tick);
    detach(t);
    call->duration_ns = loop_now_ns(loop) - t->begun_ns;
    call->driver = NULL;
    if (result < 0)
        http_call_release(call);
    list_remove(&t->node);
    transfer_free(t);
    op_complete(&call->op, result);
}

static void settle_ended(struct side *side)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(side->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        struct transfer *t = (struct transfer *)(void *)private;
        int r = transfer_conclude(t, code);
        if (r == TRANSFER_AGAIN) {
            detach(t);
            attach(t);
        } else {
            settle(t, r);
        }
    }
}

static void cancel_call(struct op *op)
{
    struct http_call *call = CONTAINER_OF(op, struct http_call, op);
    struct transfer *t = call->driver;
    settle(t, transfer_give_up(t, ERR_CLIENT_GONE, "the call was cancelled"));
}

/* ---- limits of time ---- */

static uint64_t deadline_ns(const struct transfer *t)
{
    return t->call->timeout_ms ? t->begun_ns + t->call->timeout_ms * NS_PER_MS : UINT64_MAX;
}

/* When to look again, or 0: the call has stalled. Waiting for a connection has a limit of its own. */
static uint64_t look_at_stall(struct transfer *t, uint64_t now)
{
    uint64_t stall_ns = t->call->stall_timeout_ms * NS_PER_MS;
    if (stall_ns == 0)
        return UINT64_MAX;
    uint64_t moved = transfer_moved_bytes(t);
    if (moved != t->moved_bytes || !t->asked) {
        t->moved_bytes = moved;
        t->moved_ns = now;
    }
    return now - t->moved_ns >= stall_ns ? 0 : now + MAX(stall_ns / STALL_LOOKS, NS_PER_MS);
}

static void on_tick(struct timer *timer)
{
    struct transfer *t = CONTAINER_OF(timer, struct transfer, tick);
    struct loop *loop = t->side->pool->loop;
    const char *host = t->target.host;
    uint64_t now = loop_now_ns(loop);
    uint64_t look = look_at_stall(t, now);
    if (now >= deadline_ns(t))
        settle(t, transfer_give_up(t, ERR_DEADLINE, "%s gave no whole answer within %u ms", host,
                                   t->call->timeout_ms));
    else if (look == 0)
        settle(t, transfer_give_up(t, ERR_DEADLINE, "%s: no byte moved for %u ms", host,
                                   t->call->stall_timeout_ms));
    else
        timer_arm(loop, timer, MIN(look, deadline_ns(t)), on_tick);
}

static void start_clock(struct transfer *t)
{
    struct loop *loop = t->side->pool->loop;
    t->begun_ns = t->moved_ns = loop_now_ns(loop);
    uint64_t first = MIN(look_at_stall(t, t->begun_ns), deadline_ns(t));
    if (first != UINT64_MAX)
        timer_arm(loop, &t->tick, first, on_tick);
}

/* ---- sockets and the timer of libcurl ---- */

static void act(struct side *side, curl_socket_t fd, int what)
{
    int running;
    CURLMcode code = curl_multi_socket_action(side->multi, fd, what, &running);
    CHECK(code != CURLM_RECURSIVE_API_CALL);
    settle_ended(side);
}

static void on_fd(void *ctx, int fd, unsigned events)
{
    act(ctx, fd,
        (events & FD_READ ? CURL_CSELECT_IN : 0) | (events & FD_WRITE ? CURL_CSELECT_OUT : 0) |
            (events & FD_ERROR ? CURL_CSELECT_ERR : 0));
}

/* A socket that cannot be watched stays silent, and the call's own limits end it. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *fd_watch)
{
    struct side *side = ctx;
    struct fd_watch *w = fd_watch;
    (void)easy;
    unsigned events = (what & CURL_POLL_IN ? FD_READ : 0u) | (what & CURL_POLL_OUT ? FD_WRITE : 0u);
    if (what == CURL_POLL_REMOVE) {
        fd_watch_stop(w);
        curl_multi_assign(side->multi, fd, NULL);
    } else if (w) {
        fd_watch_set(w, events);
    } else {
        curl_multi_assign(side->multi, fd, fd_watch_start(side->pool->uv, fd, events, on_fd, side));
    }
    return 0;
}

static void on_timer(struct timer *timer)
{
    act(CONTAINER_OF(timer, struct side, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct side *side = ctx;
    struct loop *loop = side->pool->loop;
    (void)multi;
    if (timeout_ms < 0)
        timer_disarm(loop, &side->timer);
    else
        timer_arm(loop, &side->timer, loop_now_ns(loop) + (uint64_t)timeout_ms * NS_PER_MS, on_timer);
    return 0;
}

/* ---- the interface ---- */

static void side_init(struct side *side, struct http_client_pool *p, long connections_per_host)
{
    side->pool = p;
    side->multi = curl_multi_init();
    side->share = curl_share_init();
    CHECK(side->multi && side->share);
    curl_share_setopt(side->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_multi_setopt(side->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(side->multi, CURLMOPT_SOCKETDATA, side);
    curl_multi_setopt(side->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(side->multi, CURLMOPT_TIMERDATA, side);
    curl_multi_setopt(side->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(side->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections_per_host);
    curl_multi_setopt(side->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    curl_multi_setopt(side->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
}

int http_client_start(const struct http_client_config *config, struct http_client_pool **ret, struct error *e)
{
    bool own_ca = config->ca_file && *config->ca_file;
    if (own_ca && access(config->ca_file, R_OK) != 0)
        return error_set(e, ERR_INTERNAL, "cannot read the certificates in %s", config->ca_file);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(e, ERR_INTERNAL, "libcurl does not start");
    struct http_client_pool *p = NEW(struct http_client_pool);
    p->uv = config->uv;
    p->loop = loop_uv_loop(config->uv);
    p->config.user_agent = mem_strdup(config->user_agent);
    p->config.ca_file = own_ca ? mem_strdup(config->ca_file) : NULL;
    p->config.allow_private = config->allow_private;
    list_init(&p->running);
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        side_init(&p->side[i], p, config->connections_per_host);
    *ret = p;
    return 0;
}

void http_client_stop(struct http_client_pool *p)
{
    if (!p)
        return;
    CHECK(list_empty(&p->running));
    while (p->spare_count > 0)
        curl_easy_cleanup(p->spare[--p->spare_count]);
    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        curl_multi_cleanup(p->side[i].multi);
        curl_share_cleanup(p->side[i].share);
        timer_disarm(p->loop, &p->side[i].timer);
    }
    curl_global_cleanup();
    free(p->config.user_agent);
    free(p->config.ca_file);
    free(p);
}

/* A token out of a file easily ends in a newline, which would begin another header. */
static int check_headers(struct http_call *call)
{
    CHECK(call->header_count <= HTTP_CALL_HEADERS_MAX);
    for (unsigned i = 0; i < call->header_count; i++) {
        const struct http_header *h = &call->header[i];
        if (strpbrk(h->name, "\r\n:; ") || strpbrk(h->value, "\r\n"))
            return error_set(&call->err, ERR_INTERNAL, "the header %.64s cannot be sent: line break",
                             h->name);
    }
    return 0;
}

void http_call_start(struct http_client_pool *p, struct http_call *call, op_done_fn *on_done)
{
    call->status = 0;
    call->content_type[0] = call->location[0] = call->retry_after[0] = call->etag[0] = '\0';
    call->date[0] = '\0';
    call->err = (struct error){0};
    call->sent = SENT_NOTHING;
    call->duration_ns = 0;
    buf_init(&call->answer, (size_t)MIN(call->answer_max_bytes, (uint64_t)SIZE_MAX / 4));
    op_begin(&call->op, p->loop, on_done, cancel_call);

    struct transfer *t = transfer_new(call, &p->config);
    int r = check_headers(call);
    if (r == 0)
        r = transfer_aim(t, call->url);
    if (r < 0) {
        transfer_free(t);
        op_complete(&call->op, r);
        return;
    }
    t->side = &p->side[call->guard ? SIDE_GUARDED : SIDE_TRUSTED];
    call->driver = t;
    list_push_back(&p->running, &t->node);
    attach(t);
    start_clock(t);
}

void http_call_release(struct http_call *call)
{
    if (call->answers_left)
        *call->answers_left += call->answer.len;
    buf_release(&call->answer);
}
