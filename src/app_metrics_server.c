#include "app_metrics_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app_sockets.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server/http.h"
#include "request/figures.h"
#include "web/pages.h"

enum { CONNECTIONS_MAX = 64, LEAVE_IDLE_MS = 1000, PORT_DIGITS = 5, PORT_MAX = 65535 };

struct app_metrics_server {
    struct options opt; /* the server's, but for its size */
    struct web *web;
    int listen_fd;
    struct http *http;
};

int app_metrics_address(const char *text, char host[static METRICS_HOST_MAX], int *ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (!colon || len >= METRICS_HOST_MAX)
        return -ERR_VALIDATION;
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > PORT_DIGITS || colon[1 + digits] || atoi(colon + 1) > PORT_MAX)
        return -ERR_VALIDATION;
    bool bracketed = len > 1 && text[0] == '[' && text[len - 1] == ']';
    if (!bracketed && memchr(text, ':', len))
        return -ERR_VALIDATION; /* where an IPv6 address ends is anybody's guess */
    snprintf(host, METRICS_HOST_MAX, "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
    *ret_port = atoi(colon + 1);
    return 0;
}

static bool asks_for(const struct exchange *x, enum route_id route)
{
    return strcmp(exchange_path(x), routes[route].path) == 0;
}

static void on_request(void *ctx, struct exchange *x)
{
    const struct app_metrics_server *s = ctx;
    bool history = asks_for(x, ROUTE_HISTORY), here = history || asks_for(x, ROUTE_METRICS);
    bool reads = strcmp(exchange_method(x), "GET") == 0 || strcmp(exchange_method(x), "HEAD") == 0;
    if (here && reads) {
        exchange_set_tag(x, METRIC_ROUTE_METRICS);
        if (!history)
            page_metrics(s->web, x);
        return; /* history is answered when the request is complete */
    }
    struct error e;
    error_set(&e, here ? ERR_METHOD_NOT_ALLOWED : ERR_NOT_FOUND, "%s",
              here ? "" : "Only /metrics and /metrics/history are served here");
    struct reply *r = reply_error(x, NULL, &e);
    if (here)
        reply_header(r, "Allow", "GET, HEAD");
    exchange_answer(x, r);
}

static void on_body(void *ctx, struct exchange *x, const void *data, size_t size)
{
    struct error e;
    error_set(&e, ERR_PAYLOAD_TOO_LARGE, "No body is taken here");
    exchange_answer(x, reply_error(x, NULL, &e));
}

static void on_complete(void *ctx, struct exchange *x)
{
    static const struct rate_state unlimited;
    const struct app_metrics_server *s = ctx;
    page_history(s->web, x, &unlimited);
}

static void on_close(void *ctx, struct exchange *x)
{
}

static void on_figures(void *ctx, const struct http_figures *f)
{
    const struct app_metrics_server *s = ctx;
    figures_of_exchange(s->web->metrics, f);
}

static const struct http_handler handler = {
    .on_request = on_request,
    .on_body = on_body,
    .on_complete = on_complete,
    .on_close = on_close,
    .on_figures = on_figures,
};

static int listen_and_serve(struct app_metrics_server *s, struct error *e)
{
    char host[METRICS_HOST_MAX];
    int port;
    if (app_metrics_address(s->opt.metrics_addr, host, &port) < 0)
        return error_set(e, ERR_VALIDATION, "it is no address with a port, like 127.0.0.1:9090");
    if (s->listen_fd >= 0 && (!app_socket_listens(s->listen_fd) || http_port_of(s->listen_fd) != port)) {
        close(s->listen_fd);
        s->listen_fd = -1;
    }
    bool given = s->listen_fd >= 0;
    int r = !given ? http_listen(host, port, &s->listen_fd, e) : 0;
    const struct http_config config = {s->listen_fd, &s->opt, &handler, s, given};
    if (r == 0)
        r = http_start(&config, &s->http, e);
    if (r == 0)
        LOG(LOG_INFO, "metrics listening", F_STR("host", *host ? host : "*"),
            F_INT("port", http_port_of(s->listen_fd)));
    return r;
}

int app_metrics_server_start(struct web *web, int socket, struct app_metrics_server **ret, struct error *e)
{
    struct error why = {0};
    struct app_metrics_server *s = NEW(struct app_metrics_server);
    *s = (struct app_metrics_server){.opt = *web->opt, .web = web, .listen_fd = socket};
    s->opt.front_threads = 1;
    s->opt.connections_max = CONNECTIONS_MAX;
    if (listen_and_serve(s, &why) < 0) {
        app_metrics_server_stop(s);
        return error_set_field(e, ERR_VALIDATION, "METRICS_ADDR", "METRICS_ADDR=%.60s: %.180s",
                               web->opt->metrics_addr, why.reason);
    }
    *ret = s;
    return 0;
}

int app_metrics_server_socket(const struct app_metrics_server *s)
{
    return s ? s->listen_fd : -1;
}

void app_metrics_server_accept(struct app_metrics_server *s)
{
    if (s)
        http_accept(s->http);
}

void app_metrics_server_leave(struct app_metrics_server *s)
{
    if (s)
        http_leave(s->http, LEAVE_IDLE_MS);
}

void app_metrics_server_let_go(struct app_metrics_server *s)
{
    if (!s || s->listen_fd < 0 || !http_has_left(s->http))
        return;
    close(s->listen_fd);
    s->listen_fd = -1;
}

void app_metrics_server_stop(struct app_metrics_server *s)
{
    if (!s)
        return;
    if (s->http)
        http_stop(s->http);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    free(s);
}
