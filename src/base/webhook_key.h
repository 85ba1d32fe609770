/* webhook_key.h: the secret and the signature of Standard Webhooks, for those that come and those that go
 * out. Pure functions; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/macros.h"

/* "whsec_…": its key, of at most `most` characters of base64; how many bytes, -1: it is none. ret: room for
 * `most`. */
ssize_t webhook_key_read(const char *secret, size_t most, uint8_t *ret) MUST_CHECK;
/* What a signature "v1,<base64>" holds. */
void webhook_key_sign(const uint8_t *key, size_t key_size, const char *id, const char *timestamp,
                      const void *body, size_t size, uint8_t ret[static DIGEST_BYTES]);
