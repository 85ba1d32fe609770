#include "predict/webhook.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/webhook_key.h"
#include "tables/error.h"

/* WEBHOOK_SECRET_MAX counts "whsec_" too. */
enum { HEADER_MAX = 1024, ENTRY_MAX = 64, SECRET_BASE64_MAX = WEBHOOK_SECRET_MAX - 6 };

static bool in_time(const char *timestamp, int64_t now_s)
{
    size_t len = strlen(timestamp);
    if (len == 0 || len > 12 || strspn(timestamp, "0123456789") != len)
        return false;
    int64_t off = strtoll(timestamp, NULL, 10) - now_s;
    return off >= -WEBHOOK_TOLERANCE_S && off <= WEBHOOK_TOLERANCE_S;
}

static bool fits(const char *header)
{
    return header && strnlen(header, HEADER_MAX + 1) <= HEADER_MAX;
}

/* Looks at all of them, whichever is right. */
static bool any_matches(const char *signatures, const uint8_t expected[static DIGEST_BYTES])
{
    bool found = false;
    for (const char *at = signatures; *at;) {
        size_t len = strcspn(at, " ");
        uint8_t given[ENTRY_MAX] = {0};
        if (len > 3 && len - 3 <= ENTRY_MAX && strncmp(at, "v1,", 3) == 0) {
            bool whole = base64_decode(at + 3, len - 3, given) == DIGEST_BYTES;
            found |= (CRYPTO_memcmp(given, expected, DIGEST_BYTES) == 0) & whole;
        }
        at += len;
        at += strspn(at, " ");
    }
    return found;
}

int webhook_check(const char *secret, const struct webhook_headers *h, const void *body, size_t size,
                  int64_t now_s)
{
    uint8_t key[WEBHOOK_SECRET_MAX], expected[DIGEST_BYTES];
    ssize_t key_len = webhook_key_read(secret, SECRET_BASE64_MAX, key);
    if (key_len <= 0 || !fits(h->id) || !fits(h->timestamp) || !fits(h->signature) || !*h->id)
        return -ERR_UNAUTHORIZED;
    if (!in_time(h->timestamp, now_s))
        return -ERR_UNAUTHORIZED;
    webhook_key_sign(key, (size_t)key_len, h->id, h->timestamp, body, size, expected);
    return any_matches(h->signature, expected) ? 0 : -ERR_UNAUTHORIZED;
}
