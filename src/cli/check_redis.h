/* check_redis.h: the part of `limner check` that looks at Redis. */
#pragma once

#include "base/macros.h"
#include "loop/loop_uv.h"
#include "tables/options.h"

/* Runs the loop until the server has answered or not. True: it can be used; either way *ret says how, for
 * people, and is to be freed. */
bool check_redis(const struct options *opt, struct loop_uv *uv, char **ret) MUST_CHECK;
/* The same of REDIS_LIMITS_URL. */
bool check_redis_limits(const struct options *opt, struct loop_uv *uv, char **ret) MUST_CHECK;
