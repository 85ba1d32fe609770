/* loop_uv.h: drives a struct loop with libuv: sleeping, waking, timers, signals and watched sockets.
 *
 * Order: loop_uv_new (any thread), loop_uv_run on the core thread until loop_uv_stop, loop_uv_free. */
#pragma once

#include "base/macros.h"
#include "loop/loop.h"

struct loop_uv;

struct loop_uv *loop_uv_new(void) MUST_CHECK;
void loop_uv_free(struct loop_uv *u);
struct loop *loop_uv_loop(struct loop_uv *u);
void loop_uv_run(struct loop_uv *u);  /* takes ownership of the loop; returns after loop_uv_stop */
void loop_uv_stop(struct loop_uv *u); /* core thread */

/* Calls fn on the core thread for each arrival of the signal. Before loop_uv_run. */
void loop_uv_on_signal(struct loop_uv *u, int signum, void (*fn)(void *ctx, int signum), void *ctx);

/* Tells once when the peer of a socket has left. The watch must be stopped before the socket is closed or
 * resumed; a stopped watch never fires. Core thread. */
struct peer_watch;
struct peer_watch *peer_watch_start(struct loop_uv *u, int fd, void (*gone)(void *ctx), void *ctx);
void peer_watch_stop(struct peer_watch *w); /* accepts NULL */

/* Tells each time a socket can be read or written, until it is stopped. `ready` may change or stop its watch.
 * The watch must be stopped before the socket is closed. Core thread. */
enum { FD_READ = 1, FD_WRITE = 2, FD_ERROR = 4 };
struct fd_watch;
typedef void fd_ready_fn(void *ctx, int fd, unsigned events);
/* NULL: the socket cannot be watched. */
struct fd_watch *fd_watch_start(struct loop_uv *u, int fd, unsigned events, fd_ready_fn *ready, void *ctx);
void fd_watch_set(struct fd_watch *w, unsigned events); /* FD_READ, FD_WRITE or both; told of errors anyhow */
void fd_watch_stop(struct fd_watch *w);                 /* accepts NULL */
