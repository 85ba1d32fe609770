#include "base/webhook_key.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/check.h"

static const char prefix[] = "whsec_";

ssize_t webhook_key_read(const char *secret, size_t most, uint8_t *ret)
{
    size_t skip = strlen(prefix), len = strnlen(secret, skip + most + 1);
    if (len <= skip || len - skip > most || strncmp(secret, prefix, skip) != 0)
        return -1;
    return base64_decode(secret + skip, len - skip, ret);
}

void webhook_key_sign(const uint8_t *key, size_t key_size, const char *id, const char *timestamp,
                      const void *body, size_t size, uint8_t ret[static DIGEST_BYTES])
{
    BUF_ON_EXIT struct buf bytes;
    buf_init(&bytes, strlen(id) + strlen(timestamp) + 2 + size);
    buf_printf(&bytes, "%s.%s.", id, timestamp);
    buf_append(&bytes, body, size);
    CHECK(!bytes.failed);
    digest_hmac(key, key_size, bytes.data, bytes.len, ret);
}
