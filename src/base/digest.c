#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

/* Looked up once: OpenSSL 3 otherwise does it, under a lock, for each digest. */
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac; /* without a key; copied for each use */

static void fetch_once(void)
{
    char name[] = "SHA256";
    const OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                 OSSL_PARAM_construct_end()};
    sha256 = EVP_MD_fetch(NULL, name, NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    CHECK(sha256 && mac);
    hmac = EVP_MAC_CTX_new(mac);
    CHECK(hmac && EVP_MAC_CTX_set_params(hmac, digest) == 1);
    EVP_MAC_free(mac);
}

static void fetch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch_once);
}

void digest_init(struct digest *d)
{
    fetch();
    d->ctx = EVP_MD_CTX_new();
    CHECK(d->ctx);
    CHECK(EVP_DigestInit_ex(d->ctx, sha256, NULL) == 1);
}

void digest_update(struct digest *d, const void *data, size_t size)
{
    CHECK(EVP_DigestUpdate(d->ctx, data, size) == 1);
}

void digest_final(struct digest *d, uint8_t ret[static DIGEST_BYTES])
{
    unsigned len = 0;
    CHECK(EVP_DigestFinal_ex(d->ctx, ret, &len) == 1 && len == DIGEST_BYTES);
    digest_release(d);
}

void digest_release(struct digest *d)
{
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}

void digest_of(const void *data, size_t size, uint8_t ret[static DIGEST_BYTES])
{
    struct digest d;
    digest_init(&d);
    digest_update(&d, data, size);
    digest_final(&d, ret);
}

int digest_of_file(const char *path, uint8_t ret[static DIGEST_BYTES])
{
    CLOSE_ON_EXIT int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct digest d;
    digest_init(&d);
    char block[65536];
    ssize_t n;
    while ((n = read(fd, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0)
            digest_update(&d, block, (size_t)n);
    }
    if (n < 0) {
        int e = -errno;
        digest_release(&d);
        return e;
    }
    digest_final(&d, ret);
    return 0;
}

void digest_hmac(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t ret[static DIGEST_BYTES])
{
    size_t len = 0;
    fetch();
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(hmac);
    CHECK(ctx && EVP_MAC_init(ctx, key, key_size, NULL) == 1);
    CHECK(EVP_MAC_update(ctx, data, size) == 1);
    CHECK(EVP_MAC_final(ctx, ret, &len, DIGEST_BYTES) == 1 && len == DIGEST_BYTES);
    EVP_MAC_CTX_free(ctx);
}

void hex_encode(const uint8_t *data, size_t size, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        ret[2 * i] = digits[data[i] >> 4];
        ret[2 * i + 1] = digits[data[i] & 15];
    }
    ret[2 * size] = '\0';
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One text for one value: lower case only. */
static int nibble(char c)
{
    return c >= 'A' && c <= 'F' ? -1 : hex_digit(c);
}

int hex_decode(const char *hex, uint8_t *ret, size_t size)
{
    if (strnlen(hex, 2 * size + 1) != 2 * size)
        return -EINVAL;
    for (size_t i = 0; i < size; i++) {
        int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -EINVAL;
        ret[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}
