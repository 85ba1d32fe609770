/* Signed links.
 *
 * What is signed is "limner-link-1\n<expires>\n<key>": the number tells this form from later ones, and as the
 * key comes last and expires is digits only, no two links have the same text.
 * There may be several keys: all of them check, the first one signs. Today there is one. */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/mem.h"
#include "store/keyfile.h"
#include "store/store.h"

enum { SIGN_KEYS_MAX = 4, EXPIRES_MAX_DIGITS = 18 };

struct sign_key {
    uint8_t bytes[DIGEST_BYTES];
};

struct signer {
    unsigned count;
    struct sign_key key[SIGN_KEYS_MAX]; /* [0] signs */
};

static void make_signature(const struct sign_key *k, const char *key, int64_t expires_s,
                           uint8_t ret[static DIGEST_BYTES])
{
    char text[STORE_NAME_MAX + 64];
    int n = snprintf(text, sizeof(text), "limner-link-1\n%" PRId64 "\n%s", expires_s, key);
    CHECK(n > 0 && (size_t)n < sizeof(text));
    digest_hmac(k->bytes, sizeof(k->bytes), text, (size_t)n, ret);
}

void signer_sign(const struct signer *s, const char *key, int64_t expires_s, char ret[static SIGNATURE_QUERY])
{
    uint8_t mac[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    CHECK(store_name_valid(key) && expires_s > 0);
    make_signature(&s->key[0], key, expires_s, mac);
    hex_encode(mac, sizeof(mac), hex);
    int n = snprintf(ret, SIGNATURE_QUERY, "expires=%" PRId64 "&signature=%s", expires_s, hex);
    CHECK(n > 0 && n < SIGNATURE_QUERY);
}

/* Digits without a sign or leading zeros; 0 if it is not that. */
static int64_t parse_expires(const char *text)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > EXPIRES_MAX_DIGITS || text[len] || text[0] == '0')
        return 0;
    return strtoll(text, NULL, 10);
}

int signer_check(const struct signer *s, const char *key, const char *expires, const char *signature,
                 int64_t now_s)
{
    uint8_t given[DIGEST_BYTES], right[DIGEST_BYTES];
    if (!expires || !signature || !store_name_valid(key) || hex_decode(signature, given, sizeof(given)) < 0)
        return -ERR_NOT_FOUND;
    int64_t expires_s = parse_expires(expires);
    if (expires_s == 0)
        return -ERR_NOT_FOUND;
    bool match = false;
    for (unsigned i = 0; i < s->count; i++) {
        make_signature(&s->key[i], key, expires_s, right);
        match |= CRYPTO_memcmp(given, right, sizeof(right)) == 0;
    }
    if (!match)
        return -ERR_NOT_FOUND;
    return now_s < expires_s ? 0 : -ERR_GONE;
}

int signer_new(const char *secret, const char *data_dir, struct signer **ret, struct error *e)
{
    struct sign_key k;
    if (secret && *secret) {
        digest_of(secret, strlen(secret), k.bytes);
    } else {
        int r = keyfile_load(data_dir, "signing-key", "links already given out then end", k.bytes, e);
        if (r < 0)
            return r;
    }
    struct signer *s = NEW(struct signer);
    s->key[0] = k;
    s->count = 1;
    OPENSSL_cleanse(&k, sizeof(k));
    *ret = s;
    return 0;
}

void signer_free(struct signer *s)
{
    if (!s)
        return;
    OPENSSL_cleanse(s, sizeof(*s));
    free(s);
}
