/* The client of an HTTP request.
 *
 * Happy path: answered on the front thread (a hit, a refusal), or suspended when the request crosses to the
 * core, watched there, and answered from there. Failure modes: the peer leaves while suspended: the watch
 * tells the core, the exchange is answered (which frees the connection; nobody reads it) and the request
 * decides for itself what to finish. Invariants: the exchange is answered exactly once; the watch is stopped
 * before that, as the socket may be closed right after. */
#include "loop/loop_uv.h"
#include "request/answer.h"
#include "request/receive.h"
#include "web/links.h"

struct http_client {
    struct exchange *x;
    struct peer_watch *watch;
    bool suspended;
};

struct http_client *http_client_new(struct arena *a, struct exchange *x)
{
    struct http_client *c = arena_alloc(a, sizeof(*c));
    c->x = x;
    return c;
}

struct exchange *http_client_exchange(struct http_client *c)
{
    return c->x;
}

static void client_suspend(struct request *req)
{
    struct http_client *c = req->client_state;
    c->suspended = true;
    exchange_set_state(c->x, NULL); /* the core owns the request from now on */
    exchange_suspend(c->x);
}

static void peer_gone(void *ctx)
{
    request_client_left(ctx);
}

static void client_watch(struct request *req)
{
    struct http_client *c = req->client_state;
    if (req->svc->uv)
        c->watch = peer_watch_start(req->svc->uv, exchange_fd(c->x), peer_gone, req);
}

static void client_answer(struct request *req)
{
    struct http_client *c = req->client_state;
    peer_watch_stop(TAKE(c->watch));
    BUF_ON_EXIT struct buf base;
    buf_init(&base, LINK_MAX);
    link_base(c->x, req->svc->opt, &base);
    struct reply *r = answer_reply(req, c->x, buf_text(&base));
    if (c->suspended) {
        exchange_answer_suspended(c->x, r);
        return;
    }
    exchange_set_state(c->x, NULL);
    exchange_answer(c->x, r);
}

static const char *client_base_url(struct request *req)
{
    const struct http_client *c = req->client_state;
    BUF_ON_EXIT struct buf base;
    buf_init(&base, LINK_MAX);
    link_base(c->x, req->svc->opt, &base);
    return arena_strdup(&req->arena, buf_text(&base));
}

const struct client_ops http_client_ops = {
    .suspend = client_suspend,
    .watch = client_watch,
    .answer = client_answer,
    .base_url = client_base_url,
};
