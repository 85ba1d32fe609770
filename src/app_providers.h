/* app_providers.h: the providers that the options name, in their order. Part of app.c's start. */
#pragma once

#include "base/macros.h"
#include "request/request.h"
#include "web/web.h"

struct local;
struct lane;
struct redis;

struct app_parts {
    const struct options *opt;
    struct services *svc; /* loop and store are there; provider[] is filled */
    struct http_client_pool *api;
    struct local *local;
    struct lane *inference;
    struct redis *limits; /* of accounts; NULL: this gateway is alone */
};

/* VALIDATION: PROVIDERS names what is not there, or what is not set up. What was made is in svc all the same.
 */
int app_make_providers(const struct app_parts *parts, struct error *e) MUST_CHECK;
/* Replicate's webhooks reach their provider. */
void app_expect_hooks(const struct services *svc, struct web *web);
