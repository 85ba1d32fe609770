/* target.h: where a URL points, for comparing origins and for naming the host in an error. Any thread. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

enum { TARGET_URL_MAX = 8192, TARGET_HOST_MAX = 256 };

struct target {
    bool tls; /* https */
    unsigned port;
    char host[TARGET_HOST_MAX]; /* as libcurl reads it: lower case, IPv4 in dotted form */
};

/* 0, or -EINVAL: not a whole http or https URL, too long, or with a user name in it. */
int target_parse(const char *url, struct target *ret) MUST_CHECK;
bool target_same(const struct target *a, const struct target *b); /* scheme, host and port */
