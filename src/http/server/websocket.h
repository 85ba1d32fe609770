/* websocket.h: RFC 6455 on connections that were HTTP before, over wslay; frames are read and written on the
 * core loop.
 *
 * Order: an exchange asks (websocket_wanted); on the front thread the handler answers it with websocket_accept,
 * which checks the handshake and the Origin and answers 101, or 4xx by itself; then on the core thread `opened`
 * is called, `text` for each message, and `closed` exactly once, last. websocket_send and websocket_close on
 * the core thread, between opened and closed.
 *
 * Bounds: a message of more than message_max bytes closes with 1009, more than rate messages in a second with
 * 1008; more than queue_max bytes that wait to be sent close with 1013 and "too slow"; binary messages 1003; a
 * ping each ping_s, and no pong or other frame for 2 × ping_s closes. The closing handshake has 5 s. No
 * compression is negotiated. websockets_stop closes all with 1001 (the server goes away). */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "http/server/http.h"

struct loop_uv;
struct websocket;
struct websockets; /* all of a server's */

struct websockets_config {
    struct loop_uv *uv;
    const char *origins; /* CORS_ORIGINS: allowed ones; a request without an Origin is no browser's */
    size_t message_max, queue_max;
    unsigned rate, ping_s, connections_max;
    void (*opened)(void *ctx, struct websocket *w); /* set its state here */
    void (*text)(void *ctx, struct websocket *w, const char *text, size_t size); /* UTF-8, ends in NUL too */
    void (*closed)(void *ctx, struct websocket *w);
    void *ctx;
};

struct websockets *websockets_new(const struct websockets_config *config) MUST_CHECK;
void websockets_stop(struct websockets *all);       /* core thread */
size_t websockets_open(const struct websockets *all); /* how many; core thread */
void websockets_free(struct websockets *all);       /* accepts NULL; none is open */

/* who: whose key was shown; copied; NULL: nobody's. Answers x, in any case. Front thread. */
void websocket_accept(struct websockets *all, struct exchange *x, const char *who);

const char *websocket_who(const struct websocket *w); /* NULL: nobody */
void websocket_set_state(struct websocket *w, void *state);
void *websocket_state(const struct websocket *w);
void websocket_send(struct websocket *w, const char *text, size_t size); /* copies */
void websocket_close(struct websocket *w, unsigned code, const char *reason);
