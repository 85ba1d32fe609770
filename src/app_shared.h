/* app_shared.h: what gateways have in common through Redis. Part of app.c's start and tear-down.
 *
 * Order: new, start when the loop is about to run, stop when no request is open and it is not busy, free. All
 * but new accept NULL: no REDIS_URL and no REDIS_LIMITS_URL. */
#pragma once

#include "base/macros.h"
#include "request/request.h"

struct app_shared;

/* *ret stays NULL without them. svc: options, loop, uv, limiters and metrics are there; shared is filled.
 * VALIDATION: one of the URLs cannot be used; a server that does not answer is no error. */
int app_shared_new(struct services *svc, struct app_shared **ret, struct error *e) MUST_CHECK;
void app_shared_start(struct app_shared *a);
bool app_shared_busy(const struct app_shared *a); /* writes that nobody waits for are under way */
void app_shared_free(struct app_shared *a);       /* before the loop */
/* Where limits live; NULL: nowhere. Others may listen there, too, before the start. */
struct redis *app_shared_limits(const struct app_shared *a);
/* Appends ,"redis":"ok" or "unavailable", and ,"limits":"shared" or "alone", to a JSON object; true: all is
 * well. Any thread. */
bool app_shared_describe(const struct app_shared *a, struct buf *out);
