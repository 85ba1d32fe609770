/* receive.h: where HTTP meets the pipeline. Stage 010 in its file, and what it needs from app.c. */
#pragma once

#include "http/server/http.h"
#include "request/request.h"
#include "web/web.h"

struct access;

struct gate {
    struct services *svc;
    struct web *web;
    struct access *access; /* NULL: everybody may ask */
};

extern const struct http_handler receive_handler; /* ctx: struct gate */

/* The client of an HTTP request (http_client.c). */
extern const struct client_ops http_client_ops;
struct http_client;
struct http_client *http_client_new(struct arena *a, struct exchange *x) MUST_CHECK;
struct exchange *http_client_exchange(struct http_client *c);
