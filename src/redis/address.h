/* address.h: where a Redis server is: REDIS_URL, taken apart.
 *
 *     redis://[user:password@]host[:port][/database]      port 6379, database 0
 *     unix://[user:password@]/path/to/socket[?db=database]
 *
 * User and password may be percent-encoded, a host may be [::1]. Order: parse, release. Any thread. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"

struct redis_address {
    char *user;     /* NULL: none */
    char *password; /* NULL: none */
    char *host;     /* NULL for a unix socket */
    char *path;     /* of the unix socket; else NULL */
    uint16_t port;
    unsigned database;
};

/* 0, or VALIDATION with the option's name as field. No message holds the password. */
int redis_address_parse(const char *option, const char *url, struct redis_address *ret,
                        struct error *e) MUST_CHECK;
void redis_address_release(struct redis_address *a); /* accepts a zeroed one */
/* "host:port" or the socket's path, for people; free() it. */
char *redis_address_text(const struct redis_address *a) MUST_CHECK;
