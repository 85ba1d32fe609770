/* websocket.h: RFC 6455 on connections that were HTTP before, over wslay; frames are read and written on the
 * core loop.
 *
 * Order: websockets_new before http_start. An exchange asks (websocket_wanted); on the front thread the
 * handler answers it, in on_request, with websocket_accept, which checks the handshake and the Origin and
 * answers 101, or 4xx by itself; with the 101 the exchange is over (on_close). Then on the core thread
 * `opened` is called, `text` for each message, and `closed` exactly once, last. websocket_send and
 * websocket_close on the core thread, between opened and closed; neither calls anything back. To end:
 * websockets_stop, then the loop runs until none is open; websockets_cut, http_stop, websockets_free.
 *
 * Bounds: a message of more than message_max bytes closes with 1009, more than rate frames in a second (a
 * message is mostly one; pings count) with 1008; more than queue_max bytes that wait to be sent close with
 * 1013 and "too slow"; binary messages 1003; what breaks the protocol 1002 or no code; text that is not UTF-8
 * 1007. A ping each ping_s, and nothing heard for 2 × ping_s ends the connection. The closing handshake has 5
 * s. No compression and no subprotocol is negotiated. websockets_stop closes all with 1001 (the server goes
 * away). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "http/server/http.h"

struct loop_uv;
struct websocket;
struct websockets; /* all of a server's */

struct websockets_config {
    struct loop_uv *uv;
    /* CORS_ORIGINS: allowed ones; pages of this very host are, too. A request without an Origin is no
     * browser's. Outlives it all. */
    const char *origins;
    size_t message_max, queue_max;
    unsigned rate, ping_s, connections_max;
    void (*opened)(void *ctx, struct websocket *w);                              /* set its state here */
    void (*text)(void *ctx, struct websocket *w, const char *text, size_t size); /* UTF-8, ends in NUL too */
    void (*closed)(void *ctx, struct websocket *w);
    void *ctx;
};

struct websockets *websockets_new(const struct websockets_config *config) MUST_CHECK;
void websockets_stop(struct websockets *all);         /* core thread; none is accepted from now on */
size_t websockets_open(const struct websockets *all); /* how many, with those that are about to; any thread */
/* Ends those that are left without a word, so that the server can be stopped. At least one turn of the loop
 * after websockets_stop. Core thread, or after the loop. */
void websockets_cut(struct websockets *all);
void websockets_free(struct websockets *all); /* accepts NULL; none is open */

bool websocket_wanted(const struct exchange *x);
/* who: whose key was shown; copied; NULL: nobody's. Answers x, in any case. Front thread. */
void websocket_accept(struct websockets *all, struct exchange *x, const char *who);

const char *websocket_who(const struct websocket *w); /* NULL: nobody */
void websocket_set_state(struct websocket *w, void *state);
void *websocket_state(const struct websocket *w);
void websocket_send(struct websocket *w, const char *text, size_t size); /* copies */
/* What was sent before goes out first. code: RFC 6455, 7.4; reason: UTF-8, at most 123 bytes. */
void websocket_close(struct websocket *w, unsigned code, const char *reason);
