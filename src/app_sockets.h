/* app_sockets.h: where the listening sockets come from: systemd has them (LISTEN_FDS), the process before us
 * has them and serves HANDOVER_SOCKET, or they are made. Part of app.c's start.
 *
 * Order: open, before anything is listened on; close. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "tables/error.h"
#include "tables/options.h"

struct app_sockets {
    int listen_fd;  /* of PORT */
    int metrics_fd; /* of METRICS_ADDR, from the process before us; -1: it has none */
    int before_fd;  /* to the process that serves until we are ready; -1: there is none */
    bool kept; /* systemd keeps listen_fd open when we go: who connects then waits for the next process */
};

#define APP_SOCKETS_NONE ((struct app_sockets){-1, -1, -1, false})

/* Blocks while another process takes over, for some seconds at most. VALIDATION: HANDOVER_SOCKET, LISTEN_FDS,
 * HOST or PORT. *ret is APP_SOCKETS_NONE or better, and to be closed, whatever is returned. */
int app_sockets_open(const struct options *opt, struct app_sockets *ret, struct error *e) MUST_CHECK;
void app_sockets_close(struct app_sockets *s);

/* What systemd started us with: fd 3 if LISTEN_PID is ours; *ret stays -1 if nothing is passed. VALIDATION:
 * it is no TCP socket that listens, or not the only one. */
int app_sockets_passed(int *ret, struct error *e) MUST_CHECK;
bool app_socket_listens(int fd); /* TCP, and listening */

/* "READY=1" to NOTIFY_SOCKET, if systemd (Type=notify) waits for it. */
void app_sockets_notify(const char *state);
