/* client_rig.h: a pool of the HTTP client on a loop of its own, for tests; the test's thread is the core. */
#pragma once

#include "http/client/client.h"

struct client_rig {
    struct loop_uv *uv;
    struct http_client_pool *pool;
    struct timer too_late;
    unsigned done, target;
};

void client_rig_init(struct client_rig *r, struct http_client_config config); /* uv is filled in here */
void client_rig_release(struct client_rig *r);

void client_rig_start(struct client_rig *r, struct http_call *call);
void client_rig_run(struct client_rig *r,
                    unsigned count); /* until so many more calls are done; at most 30 s */
void client_rig_call(struct client_rig *r, struct http_call *call); /* both */
struct loop *client_rig_loop(struct client_rig *r);
