/* api_script.h: an API on loopback that answers as a script says, request by request, and remembers what it
 * was asked. In bodies and headers "$" stands for the base URL. What comes after the script's end is answered
 * with 418. Order: api_script_start, use, api_script_stop. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "tiny_server.h"

enum api_act {
    API_ANSWER,
    API_RESET, /* the request is read, and the connection breaks */
    API_HOLD   /* answered once api_script_let_go has been called so often */
};

struct api_step {
    int status;
    const char *body;
    const char *headers; /* each ends in \r\n; NULL: none */
    enum api_act act;
};

enum { API_LOG_MAX = 1 << 16, API_BODIES_MAX = 32 };

struct api_script {
    struct tiny_server server;
    const struct api_step *step;
    unsigned step_count;
    char base_url[64];          /* http://127.0.0.1:port/v1 */
    atomic_uint asked;          /* requests so far */
    atomic_uint let_go;         /* held answers that may go */
    atomic_uint held;           /* answers held so far */
    char log[API_LOG_MAX];      /* "POST /v1/predictions\n"…; read it when the server is quiet */
    char *body[API_BODIES_MAX]; /* of each request */
    char *head[API_BODIES_MAX];
};

void api_script_start(struct api_script *s, const struct api_step *step, unsigned step_count);
void api_script_let_go(struct api_script *s);
void api_script_stop(struct api_script *s);
