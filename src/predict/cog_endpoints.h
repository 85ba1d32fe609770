/* cog_endpoints.h: reads COG_ENDPOINTS, "feature=url[,url…][;feature=url…]".
 *
 * Features are named as on the command line; one that is composed of another's result ("replace-bg") stands
 * for that other. A server may be named for several features and is then one server. Blanks around words are
 * passed over. Start-up; no I/O. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"
#include "tables/features.h"

enum { COG_SERVERS_MAX = 64, COG_URL_MAX = 512 };

struct cog_endpoints {
    char *url[COG_SERVERS_MAX]; /* without a slash at the end */
    unsigned count;
    uint64_t serves[FEATURE_COUNT]; /* bit n: url[n] runs this feature */
};

/* 0: *ret is to be released. VALIDATION, field COG_ENDPOINTS: says which word cannot be used, and why. */
int cog_endpoints_parse(const char *text, struct cog_endpoints *ret, struct error *e) MUST_CHECK;
void cog_endpoints_release(struct cog_endpoints *c); /* accepts a zeroed or released one */

const char *cog_endpoint_name(const char *url); /* what of it may be shown: host, port and path */
