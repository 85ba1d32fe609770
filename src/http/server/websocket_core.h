/* websocket_core.h: what the two sides of a WebSocket share: websocket.c, which hands it over and keeps all
 * of them, and websocket_core.c, which speaks the protocol on the core loop. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "http/server/conn.h"
#include "http/server/websocket.h"
#include "loop/loop_uv.h"

enum { WEBSOCKET_REASON_MAX = 123 };

struct wslay_event_context;
struct fd_watch;

struct websockets {
    struct websockets_config config;
    struct loop *loop;
    atomic_uint taken;
    pthread_mutex_t lock; /* between the last hand-over and the stop */
    atomic_bool stopping; /* set under lock */
    struct list open;     /* core */
    char *text;           /* a message and its NUL; core */
};

enum websocket_phase {
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING,  /* a close was said by one side, or is about to be */
    WEBSOCKET_LINGERING /* both are done; waits for the peer's end */
};

struct websocket {
    struct conn_guest guest; /* until the upgrade */
    struct websockets *all;
    struct conn *conn; /* front thread */
    char *who;
    void *state;
    struct message mail; /* carries it to the core, whose all that follows is */
    struct list node;    /* in all->open */
    struct MHD_UpgradeResponseHandle *urh;
    int fd;
    char *early; /* bytes that came with the request */
    size_t early_size, early_at;
    struct wslay_event_context *frames;
    struct fd_watch *watch;
    unsigned watched; /* what for */
    struct timer timer;
    enum websocket_phase phase;
    uint64_t heard_ns, pinged_ns, deadline_ns; /* the last: of closing */
    uint64_t second_ns;                        /* when the second began in which these came: */
    unsigned frame_count;
    size_t budget;       /* bytes that this round may still read */
    unsigned close_code; /* to be said once the queue is empty; 0: none */
    char close_reason[WEBSOCKET_REASON_MAX + 1];
    bool told;   /* `opened` was called */
    bool broken; /* the socket is of no use any more */
};

void websocket_release(struct websocket *w); /* any thread; the socket is given back, or was never had */

/* Core thread: takes it over from the front's message; gives it back. */
void websocket_adopt(struct message *m);
void websocket_end(struct websocket *w);
