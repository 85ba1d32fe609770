/* app_place.h: this process's place in front of the clients: its listening sockets, taking them from the
 * process before, and leaving them to the next. Part of app.c's start, run and end.
 *
 * Order: zeroed; app_place_open before anything is listened on; app_place_hold once http (and metrics) serve
 * and the loop is about to run; app_place_tick each tick; app_place_leave; app_stop when it is over;
 * app_place_free after both servers and before the loop. Core thread. */
#pragma once

#include "app_handover.h"
#include "app_jobs.h"
#include "app_metrics_server.h"
#include "app_sockets.h"
#include "http/server/http.h"
#include "request/request.h"

/* Who serves there. */
struct app_place_holder {
    struct services *svc;
    struct http *http;
    struct app_metrics_server *metrics; /* NULL: there is none */
    struct app_jobs *jobs;
    bool (*ready)(void *ctx, struct buf *out); /* new work is taken */
    void *ctx;
};

struct app_place {
    struct app_sockets sockets;
    struct handover *handover; /* NULL: it is not held yet */
    struct app_place_holder by;
    uint64_t until_ns; /* what is not over by then is cut */
    bool open;         /* sockets are there, to be closed */
    bool before;       /* there is a process before us; we do not end before it */
    bool before_quiet; /* it has no work any more */
    bool beside;       /* a newer one has the sockets, too */
    bool accepts, told, leaving, told_quiet;
};

int app_place_open(struct app_place *p, const struct options *opt, struct error *e) MUST_CHECK;
/* Another one accepts until we are ready (http_config.wait). */
bool app_place_waits(const struct app_place *p);
/* METRICS_ADDR's server, if there is one, with the socket of the process before us, if it had one. */
int app_place_start_metrics(struct app_place *p, struct web *web, struct app_metrics_server **ret,
                            struct error *e) MUST_CHECK;
void app_place_hold(struct app_place *p, const struct app_place_holder *by);
/* Takes up the jobs of an earlier process, now or when the one before us leaves them. */
void app_place_start(struct app_place *p);
void app_place_tick(struct app_place *p);
/* SIGTERM: systemd keeps the socket for the next process, so who connects from now on waits for that instead
 * of being refused. false: it does not. */
bool app_place_keep(struct app_place *p);
/* It was left, and nothing that somebody waits for is under way, or it took too long. */
bool app_place_left(const struct app_place *p);
void app_place_free(struct app_place *p);
