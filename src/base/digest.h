/* digest.h: SHA-256 and HMAC-SHA256 over OpenSSL, which uses the CPU's own instructions.
 *
 * Streaming: digest_init, digest_update any number of times, digest_final (also releases). digest_release for
 * one that is given up. Not shared between threads. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum { DIGEST_BYTES = 32, DIGEST_HEX = 64 };

struct digest {
    void *ctx; /* EVP_MD_CTX; NULL when released */
};

void digest_init(struct digest *d);
void digest_update(struct digest *d, const void *data, size_t size);
void digest_final(struct digest *d, uint8_t ret[static DIGEST_BYTES]);
void digest_release(struct digest *d);

void digest_of(const void *data, size_t size, uint8_t ret[static DIGEST_BYTES]);
int digest_of_file(const char *path, uint8_t ret[static DIGEST_BYTES]) MUST_CHECK; /* 0 or -errno */
void digest_hmac(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t ret[static DIGEST_BYTES]);

int hex_digit(char c);                                        /* 0–15, both cases; -1: it is none */
void hex_encode(const uint8_t *data, size_t size, char *ret); /* 2 * size characters and a NUL */
int hex_decode(const char *hex, uint8_t *ret, size_t size) MUST_CHECK; /* exactly size bytes; 0 or -EINVAL */
