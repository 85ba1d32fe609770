/* app_metrics_server.h: METRICS_ADDR: a listener of its own for /metrics, so that it can be kept from those
 * who may reach the rest, and answers however busy that is.
 *
 * Order: start once the web's parts are there; stop before they go. Its one front thread takes a few
 * connections; draining does not end it, so that the last numbers can be read. */
#pragma once

#include "base/macros.h"
#include "tables/error.h"
#include "web/web.h"

struct app_metrics_server;

/* VALIDATION on METRICS_ADDR: it is no address, or cannot be listened on. socket: what the process before us
 * listens on, which is used if its port is the same, from app_metrics_server_accept on; owned from now on,
 * whatever is returned; -1: there is none. */
int app_metrics_server_start(struct web *web, int socket, struct app_metrics_server **ret,
                             struct error *e) MUST_CHECK;
void app_metrics_server_accept(struct app_metrics_server *s);      /* accepts NULL */
int app_metrics_server_socket(const struct app_metrics_server *s); /* borrowed; -1 for NULL */
void app_metrics_server_leave(struct app_metrics_server *s); /* somebody else accepts there; accepts NULL */
/* After that: closes the socket once it is not used any more; accepts NULL. */
void app_metrics_server_let_go(struct app_metrics_server *s);
void app_metrics_server_stop(struct app_metrics_server *s); /* accepts NULL */

/* "127.0.0.1:9090", "[::1]:9090", ":9090" (host "": any address). For tests. */
enum { METRICS_HOST_MAX = 256 };
int app_metrics_address(const char *text, char host[static METRICS_HOST_MAX], int *ret_port) MUST_CHECK;
