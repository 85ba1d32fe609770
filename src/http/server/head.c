/* Reading a request's head. */
#include "http/server/head.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "http/server/conn.h"

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *s))
            return false;
    return true;
}

struct wanted {
    const char *name;
    size_t slot;       /* in struct head */
    const char *twice; /* the fault of a second one that differs; NULL: none */
};

static const struct wanted wanted[] = {
    {"Content-Length", offsetof(struct head, content_length),
     "There are two different Content-Length headers"},
    {"Transfer-Encoding", offsetof(struct head, transfer_encoding),
     "There are two different Transfer-Encoding headers"},
    {"Host", offsetof(struct head, host), "There are two different Host headers"},
    {"Expect", offsetof(struct head, expect), NULL},
    {"Origin", offsetof(struct head, origin), NULL},
    {"Access-Control-Request-Method", offsetof(struct head, asked_method), NULL},
    {"x-request-id", offsetof(struct head, request_id), NULL},
};

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *h = cls;
    if (!is_token(name))
        h->fault = "A header's name has a character that names cannot have";
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        const struct wanted *w = &wanted[i];
        if ((*name | 0x20) != (*w->name | 0x20) || strcasecmp(name, w->name) != 0)
            continue;
        const char **slot = (const char **)(void *)((char *)h + w->slot);
        if (*slot && w->twice && strcmp(*slot, value ? value : "") != 0)
            h->fault = w->twice;
        if (!*slot)
            *slot = value ? value : "";
    }
    return MHD_YES;
}

void head_read(struct MHD_Connection *c, struct head *ret)
{
    *ret = (struct head){0};
    MHD_get_connection_values(c, MHD_HEADER_KIND, see_header, ret);
}

const char *head_fault(const struct head *h, const struct conn *c, bool http11)
{
    if (h->fault)
        return h->fault;
    if (c->bad_target)
        return "The request target has a space or a control character";
    if (h->content_length && h->transfer_encoding)
        return "Content-Length and Transfer-Encoding exclude each other";
    if (h->transfer_encoding && strcasecmp(h->transfer_encoding, "chunked") != 0)
        return "The only Transfer-Encoding that is taken is chunked";
    if (http11 && !h->host)
        return "A Host header is required";
    return NULL;
}

bool head_id_ok(const char *id, size_t most)
{
    size_t n = 0;
    if (!id || !*id)
        return false;
    for (; id[n]; n++)
        if (n == most || id[n] <= 0x20 || id[n] >= 0x7f)
            return false;
    return true;
}

const char *head_path(const char *url)
{
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return url;
    const char *path = strchr(strstr(url, "//") + 2, '/');
    return path ? path : "/";
}

int64_t head_length(const struct head *h)
{
    if (h->transfer_encoding)
        return -1;
    /* libmicrohttpd has refused what is no number. */
    return h->content_length
               ? (int64_t)MIN(strtoull(h->content_length, NULL, 10), (unsigned long long)INT64_MAX)
               : 0;
}
