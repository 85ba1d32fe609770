/* guard.h: which addresses a stranger's URL may make this machine connect to.
 *
 * Only globally reachable unicast addresses pass. Refused: this host, loopback, private, carrier-grade NAT,
 * link-local (cloud metadata services live there), documentation, benchmarking, multicast, reserved, and IPv6
 * forms that carry another address (mapped, compatible, 6to4, Teredo, local NAT64). One carrier passes when
 * what it carries passes: 64:ff9b::/96, which DNS64 makes for ordinary hosts in IPv6-only networks.
 * Pure functions; any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

bool guard_allows_ipv4(uint32_t addr); /* host byte order */
bool guard_allows_ipv6(const uint8_t addr[static 16]);
bool guard_allows(const struct sockaddr *sa); /* any other family is refused */
bool guard_allows_text(const char *ip);       /* a numeric address; anything else is refused */
