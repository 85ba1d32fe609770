/* budget_hook.h: tells BUDGET_WEBHOOK_URL, as Standard Webhooks have it. Private to this folder; core thread.
 *
 * A notice is posted until the receiver answers 2xx, a few times with growing pauses, with the same
 * webhook-id; after that it is lost, and the operator is told. */
#pragma once

#include <stdbool.h>

#include "base/blob.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "tables/error.h"

struct budget_hook;
struct http_client_pool;

struct budget_hook_config {
    const char *url;
    const char *secret; /* whsec_ and base64; "": notices are not signed */
    struct loop *loop;
    struct http_client_pool *pool;
    void (*tell)(void *ctx, bool bad, const char *what); /* NULL: nobody */
    void *ctx;
};

/* VALIDATION, field BUDGET_WEBHOOK_SECRET: it is none. */
int budget_hook_new(const struct budget_hook_config *config, struct budget_hook **ret,
                    struct error *e) MUST_CHECK;
void budget_hook_send(struct budget_hook *h, struct blob *body); /* takes a reference of its own */
void budget_hook_stop(struct budget_hook *h); /* pauses are cut short: what fails now is lost */
bool budget_hook_busy(const struct budget_hook *h);
void budget_hook_free(struct budget_hook *h); /* accepts NULL */
