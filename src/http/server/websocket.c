/* WebSockets, from the request to the hand-over, and all of a server's.
 *
 * Happy path: websocket_accept answers 101; libmicrohttpd hands socket and early bytes to `upgraded`, which
 * posts them to the core (websocket_core.c). Failure modes: the connection dies before the upgrade: the
 * guest's `over`; the server stops between 101 and the hand-over: the front gives the socket back at once.
 *
 * Invariants: `taken` counts each from websocket_accept to its release; nothing is posted to the core once
 * `stopping` is set, which is why that is done under the lock. */
#include "http/server/websocket.h"

#include <string.h>
#include <wslay/wslay.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/server/exchange.h"
#include "http/server/handshake.h"
#include "http/server/reply.h"
#include "http/server/websocket_core.h"

enum { BUSY_RETRY_S = 2 };

void websocket_release(struct websocket *w)
{
    atomic_fetch_sub(&w->all->taken, 1);
    free(w->who);
    free(w->early);
    free(w);
}

/* ---- the hand-over; front thread ---- */

static void upgraded(void *ctx, struct MHD_Connection *c, void *exchange, const char *early,
                     size_t early_size, MHD_socket fd, struct MHD_UpgradeResponseHandle *urh)
{
    struct websocket *w = ctx;
    struct websockets *all = w->all;
    bool ours = conn_enter(w->conn, CONN_UPGRADED);
    conn_invite(w->conn, NULL);
    exchange_upgraded(exchange);
    w->urh = urh;
    w->fd = fd;
    w->early_size = early_size;
    w->early = mem_alloc(early_size + 1);
    memcpy(w->early, early ? early : "", early_size);
    pthread_mutex_lock(&all->lock);
    ours = ours && !atomic_load(&all->stopping);
    if (ours)
        loop_post(all->loop, &w->mail, websocket_adopt);
    pthread_mutex_unlock(&all->lock);
    if (ours)
        return;
    MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
    websocket_release(w);
}

static void drop(void *ctx)
{
    websocket_release(ctx);
}

static void on_over(struct conn_guest *g)
{
    websocket_release(CONTAINER_OF(g, struct websocket, guest));
}

static struct MHD_Response *make_response(void *ctx, const struct reply_about *about)
{
    struct websocket *w = ctx;
    struct MHD_Response *m = MHD_create_response_for_upgrade(upgraded, w);
    if (!m) {
        websocket_release(w);
        return NULL;
    }
    w->conn = about->conn;
    w->guest = (struct conn_guest){.over = on_over};
    conn_invite(w->conn, &w->guest);
    return m;
}

static const struct reply_source websocket_source = {make_response, drop};

static int take_place(struct websockets *all, struct error *e)
{
    if (atomic_load(&all->stopping))
        return error_set(e, ERR_DRAINING, "%s", "");
    if (atomic_fetch_add(&all->taken, 1) < all->config.connections_max)
        return 0;
    atomic_fetch_sub(&all->taken, 1);
    e->retry_after_s = BUSY_RETRY_S;
    return error_set(e, ERR_OVERLOADED, "All %u WebSockets are taken", all->config.connections_max);
}

static void refuse(struct exchange *x, const struct error *e)
{
    struct reply *r = reply_error(x, NULL, e);
    reply_header(r, "Sec-WebSocket-Version", "13");
    if (e->code == ERR_METHOD_NOT_ALLOWED)
        reply_header(r, "Allow", "GET");
    exchange_answer(x, r);
}

void websocket_accept(struct websockets *all, struct exchange *x, const char *who)
{
    struct error e = {0};
    if (handshake_check(x, all->config.origins, &e) < 0 || take_place(all, &e) < 0) {
        refuse(x, &e);
        return;
    }
    struct websocket *w = NEW(struct websocket);
    w->all = all;
    w->who = who ? mem_strdup(who) : NULL;
    char proof[HANDSHAKE_PROOF];
    handshake_proof(x, proof);
    struct reply *r = reply_new(MHD_HTTP_SWITCHING_PROTOCOLS);
    reply_header(r, "Upgrade", "websocket");
    reply_header(r, "Sec-WebSocket-Accept", "%s", proof);
    r->source = &websocket_source;
    r->source_ctx = w;
    exchange_answer(x, r);
}

/* ---- all of them ---- */

struct websockets *websockets_new(const struct websockets_config *config)
{
    struct websockets *all = NEW(struct websockets);
    all->config = *config;
    all->loop = loop_uv_loop(config->uv);
    all->text = mem_alloc(config->message_max + 1);
    pthread_mutex_init(&all->lock, NULL);
    list_init(&all->open);
    return all;
}

void websockets_stop(struct websockets *all)
{
    pthread_mutex_lock(&all->lock);
    atomic_store(&all->stopping, true);
    pthread_mutex_unlock(&all->lock);
    LIST_FOREACH (node, &all->open)
        websocket_close(CONTAINER_OF(node, struct websocket, node), WSLAY_CODE_GOING_AWAY,
                        "the server goes away");
}

size_t websockets_open(const struct websockets *all)
{
    return atomic_load(&all->taken);
}

void websockets_cut(struct websockets *all)
{
    struct list *node;
    while ((node = list_pop_front(&all->open)))
        websocket_end(CONTAINER_OF(node, struct websocket, node));
}

void websockets_free(struct websockets *all)
{
    if (!all)
        return;
    CHECK(websockets_open(all) == 0);
    pthread_mutex_destroy(&all->lock);
    free(all->text);
    free(all);
}

const char *websocket_who(const struct websocket *w)
{
    return w->who;
}

void websocket_set_state(struct websocket *w, void *state)
{
    w->state = state;
}

void *websocket_state(const struct websocket *w)
{
    return w->state;
}
