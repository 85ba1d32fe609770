#include "http/client/target.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void cleanup_url(CURLU **u)
{
    curl_url_cleanup(*u);
}

static void cleanup_part(char **part)
{
    curl_free(*part);
}

static int parse(CURLU *u, struct target *ret)
{
    CLEANUP(cleanup_part) char *scheme = NULL, *host = NULL, *port = NULL;
    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return -EINVAL;
    struct target t = {.tls = strcasecmp(scheme, "https") == 0, .port = (unsigned)strtoul(port, NULL, 10)};
    if (!t.tls && strcasecmp(scheme, "http") != 0)
        return -EINVAL;
    if ((size_t)snprintf(t.host, sizeof(t.host), "%s", host) >= sizeof(t.host))
        return -EINVAL;
    for (char *c = t.host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    *ret = t;
    return 0;
}

int target_parse(const char *url, struct target *ret)
{
    if (strlen(url) > TARGET_URL_MAX)
        return -EINVAL;
    CLEANUP(cleanup_url) CURLU *u = curl_url();
    CHECK(u);
    if (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK)
        return -EINVAL;
    return parse(u, ret);
}

bool target_same(const struct target *a, const struct target *b)
{
    return a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0;
}
