/* caller.h: who asks, for limits. */
#pragma once

#include <stdint.h>

#include "http/server/http.h"

/* Who has an API key counts by that; anybody else by the address of the request: the peer's, or, behind
 * trusted proxies, the entry of X-Forwarded-For that the outermost of them wrote. IPv6 counts by /64,
 * IPv4-mapped as IPv4. A hash of it and the route. tenant: NULL: none. */
uint64_t caller_hash(const struct exchange *x, unsigned trusted_hops, const char *tenant, const char *route);

/* Of an API key's name, with route "". */
uint64_t caller_of_tenant(const char *tenant);

/* The hops-th entry from the right of an X-Forwarded-For list, without blanks; false: it has fewer. */
bool caller_forwarded(const char *header, unsigned hops, char *ret, size_t size);
/* The same, of several such headers in the order they came: together they are one list. */
bool caller_forwarded_lines(const char *const *line, unsigned count, unsigned hops, char *ret, size_t size);
