/* app_handover.h: a newer process takes the listening sockets over from the one that has them: no connection
 * is refused, and no request is lost.
 *
 * Both talk over HANDOVER_SOCKET, a Unix socket that only its owner may use. The newer one, in its start:
 * handover_take gives it the sockets, while the older one goes on accepting. Then, like one that found
 * nobody: handover_new; handover_ready when it accepts, which tells the older one, whose `leave` is then
 * called, and serves HANDOVER_SOCKET from then on; handover_free.
 *
 * One that never becomes ready, or dies, changes nothing: the older one goes on, and gives the sockets to the
 * next that asks. An older one that dies leaves its sockets with the newer one, if it has them already. Two
 * that ask at once take turns. Core thread, but for handover_take, which blocks. */
#pragma once

#include "base/macros.h"
#include "loop/loop_uv.h"
#include "tables/error.h"

struct handover;

struct handover_given {
    int conn_fd; /* to the older process, until it has ended; -1: there is none, and nothing was given */
    int listen_fd;
    int metrics_fd; /* -1: it has none */
};

/* VALIDATION: the older one belongs to another user, does not answer, or is busy with another newer one. All
 * of *ret is the caller's, whatever is returned; it begins as -1. */
int handover_take(const char *path, struct handover_given *ret, struct error *e) MUST_CHECK;

struct handover_config {
    const char *path; /* "": nothing is served */
    struct loop_uv *uv;
    int listen_fd, metrics_fd; /* what is given; metrics_fd -1: there is none. Borrowed until `leave` */
    int before_fd;             /* handover_take's conn_fd; its owner is the handover from now on */
    /* A newer one has the sockets and may accept; or it has gone before it was ready. */
    void (*beside)(void *ctx, bool there);
    void (*leave)(void *ctx); /* once; the newer one accepts */
    void (*quiet)(void *ctx); /* the older one has left, and what it leaves undone is ours */
    void (*gone)(void *ctx);  /* the older one has ended; not called if there was none */
    void *ctx;
};

struct handover *handover_new(const struct handover_config *config) MUST_CHECK;
void handover_ready(struct handover *h); /* once */
void handover_quiet(struct handover *h); /* once, after `leave`: tells the newer one; else does nothing */
void handover_free(struct handover *h);  /* removes HANDOVER_SOCKET if it is still ours; accepts NULL */
