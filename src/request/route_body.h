/* route_body.h: the body of an address that is no feature, collected up to the route's cap: in memory, or, an
 * archive, in the spool.
 *
 * Order, all on the exchange's front thread: route_body_new (NULL: refused and answered); route_body_feed;
 * route_body_complete, which answers or suspends; route_body_free at any time, also after a refusal. */
#pragma once

#include <stdbool.h>

#include "http/server/http.h"
#include "request/receive.h"

struct route_body;

struct route_body *route_body_new(struct gate *gate, enum route_id route, struct exchange *x,
                                  const struct web_caller *caller) MUST_CHECK;
/* false: too long, or there is no room for it; it has been answered. */
bool route_body_feed(struct route_body *b, struct exchange *x, const void *data, size_t size) MUST_CHECK;
void route_body_complete(struct route_body *b, struct exchange *x);
void route_body_free(struct route_body *b); /* accepts NULL */
