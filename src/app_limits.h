/* app_limits.h: the limits that gateways have in common, in the Redis of REDIS_LIMITS_URL. Part of
 * app_shared.c.
 *
 * Order: new before that redis is started, its stop, free. The limiters of the classes are there. All but new
 * accept NULL: no Redis. */
#pragma once

#include "base/buf.h"
#include "base/macros.h"
#include "redis/redis.h"
#include "request/request.h"

struct app_limits;

struct app_limits *app_limits_new(struct services *svc, struct redis *redis) MUST_CHECK;
void app_limits_free(struct app_limits *a);
bool app_limits_busy(const struct app_limits *a); /* Redis has not heard of everything yet */
/* Appends ,"limits":"shared" or "alone" to a JSON object, and returns which. Any thread. */
bool app_limits_describe(const struct app_limits *a, struct buf *out);
