#include "http/server/handshake.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/check.h"
#include "http/server/reply.h"
#include "http/server/websocket.h"

enum { KEY_LENGTH = 24, KEY_BYTES = 16, SHA1_BYTES = 20 };

static const char key_header[] = "Sec-WebSocket-Key";
static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

struct token_search {
    const char *header, *token;
    bool found;
};

static bool lists(const char *list, const char *token)
{
    for (const char *p = list; *p;) {
        p += strspn(p, ", \t");
        size_t n = strcspn(p, ", \t");
        if (n == strlen(token) && strncasecmp(p, token, n) == 0)
            return true;
        p += n;
    }
    return false;
}

static void look_for_token(void *ctx, const char *name, const char *value)
{
    struct token_search *s = ctx;
    if (strcasecmp(name, s->header) == 0 && lists(value, s->token))
        s->found = true;
}

static bool has_token(const struct exchange *x, const char *header, const char *token)
{
    struct token_search s = {header, token, false};
    exchange_each_header(x, look_for_token, &s);
    return s.found;
}

bool websocket_wanted(const struct exchange *x)
{
    return has_token(x, "Upgrade", "websocket");
}

static bool key_ok(const char *key)
{
    char bytes[KEY_LENGTH];
    return key && strlen(key) == KEY_LENGTH && key[KEY_LENGTH - 1] == '=' &&
           base64_decode(key, KEY_LENGTH, bytes) == KEY_BYTES;
}

/* The page came from this very server. */
static bool same_host(const struct exchange *x, const char *origin)
{
    const char *host = exchange_header(x, "Host"), *at = strstr(origin, "://");
    return host && at && strcasecmp(at + 3, host) == 0;
}

static int check_origin(const struct exchange *x, const char *origins, struct error *e)
{
    const char *origin = exchange_header(x, "Origin");
    if (!origin || cors_allows(origins, origin) || same_host(x, origin))
        return 0;
    return error_set(e, ERR_FORBIDDEN, "Pages of %s may not connect to this server", origin);
}

int handshake_check(const struct exchange *x, const char *origins, struct error *e)
{
    const char *version = exchange_header(x, "Sec-WebSocket-Version");
    if (strcmp(exchange_method(x), "GET") != 0)
        return error_set(e, ERR_METHOD_NOT_ALLOWED, "A WebSocket begins with GET");
    if (!exchange_http11(x) || !websocket_wanted(x) || !has_token(x, "Connection", "upgrade"))
        return error_set(e, ERR_VALIDATION,
                         "This address speaks WebSocket: the request must ask for an upgrade");
    if (exchange_content_length(x) != 0)
        return error_set(e, ERR_VALIDATION, "A WebSocket's request has no body");
    if (!version || strcmp(version, "13") != 0)
        return error_set(e, ERR_VALIDATION, "Sec-WebSocket-Version must be 13");
    if (!key_ok(exchange_header(x, key_header)))
        return error_set(e, ERR_VALIDATION, "Sec-WebSocket-Key must be 16 bytes in Base64");
    return check_origin(x, origins, e);
}

void handshake_proof(const struct exchange *x, char ret[static HANDSHAKE_PROOF])
{
    char text[KEY_LENGTH + sizeof(guid)];
    unsigned char sum[SHA1_BYTES];
    int n = snprintf(text, sizeof(text), "%s%s", exchange_header(x, key_header), guid);
    CHECK(EVP_Digest(text, (size_t)n, sum, NULL, EVP_sha1(), NULL) == 1);
    BUF_ON_EXIT struct buf b;
    buf_init(&b, HANDSHAKE_PROOF);
    base64_append(&b, sum, sizeof(sum));
    snprintf(ret, HANDSHAKE_PROOF, "%s", buf_text(&b));
}
