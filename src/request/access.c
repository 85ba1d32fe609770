#include "request/access.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/mem.h"

enum { KEYS_MAX = 256, KEY_LEAST = 16, NAME_MAX_CHARS = 64 };

struct access_key {
    char name[NAME_MAX_CHARS + 1];
    uint8_t digest[DIGEST_BYTES];
};

struct access {
    unsigned count;
    struct access_key key[KEYS_MAX];
};

static void key_digest(const char *text, size_t len, uint8_t ret[static DIGEST_BYTES])
{
    struct digest d;
    digest_init(&d);
    digest_update(&d, text, len);
    digest_final(&d, ret);
}

static bool known(const struct access *a, const struct access_key *key)
{
    for (unsigned i = 0; i < a->count; i++)
        if (strcmp(a->key[i].name, key->name) == 0 ||
            memcmp(a->key[i].digest, key->digest, DIGEST_BYTES) == 0)
            return true;
    return false;
}

static int add_key(struct access *a, const char *item, size_t len, struct error *e)
{
    struct access_key key;
    const char *colon = memchr(item, ':', len);
    size_t name = colon ? (size_t)(colon - item) : 0;
    const char *secret = colon ? colon + 1 : item;
    size_t secret_len = len - (size_t)(secret - item);
    if (a->count == KEYS_MAX)
        return error_set_field(e, ERR_VALIDATION, "API_KEYS", "API_KEYS holds more than %d keys", KEYS_MAX);
    if (secret_len < KEY_LEAST || name > NAME_MAX_CHARS || (colon && name == 0))
        return error_set_field(e, ERR_VALIDATION, "API_KEYS",
                               "API_KEYS: key %u needs at least %d characters, and a name at most %d",
                               a->count + 1, KEY_LEAST, NAME_MAX_CHARS);
    if (colon)
        snprintf(key.name, sizeof(key.name), "%.*s", (int)name, item);
    else
        snprintf(key.name, sizeof(key.name), "key-%u", a->count + 1);
    key_digest(secret, secret_len, key.digest);
    if (known(a, &key))
        return error_set_field(e, ERR_VALIDATION, "API_KEYS",
                               "API_KEYS: key %u, or its name, is there already", a->count + 1);
    a->key[a->count++] = key;
    return 0;
}

int access_new(const char *keys, struct access **ret, struct error *e)
{
    struct access *a = NEW(struct access);
    for (const char *at = keys; *at;) {
        at += strspn(at, ", \t");
        size_t len = strcspn(at, ", \t");
        int r = len > 0 ? add_key(a, at, len, e) : 0;
        if (r < 0) {
            free(a);
            return r;
        }
        at += len;
    }
    *ret = a;
    return 0;
}

void access_free(struct access *a)
{
    free(a);
}

const char *access_name(const struct access *a, unsigned i)
{
    return i < a->count ? a->key[i].name : NULL;
}

int access_check_key(const struct access *a, const char *api_key, const char *authorization,
                     const char **ret_tenant, struct error *e)
{
    if (!a || a->count == 0) {
        *ret_tenant = NULL;
        return 0;
    }
    const char *given = api_key ? api_key : http_bearer(authorization);
    if (!given)
        return error_set(e, ERR_UNAUTHORIZED, "Send an API key in x-api-key, or as Authorization: Bearer");
    uint8_t digest[DIGEST_BYTES];
    key_digest(given, strlen(given), digest);
    const char *found = NULL;
    for (unsigned i = 0; i < a->count; i++)
        if (CRYPTO_memcmp(a->key[i].digest, digest, DIGEST_BYTES) == 0)
            found = a->key[i].name;
    if (!found)
        return error_set(e, ERR_UNAUTHORIZED, "This API key is not known here");
    *ret_tenant = found;
    return 0;
}

int access_check(const struct access *a, const struct exchange *x, const char **ret_tenant, struct error *e)
{
    return access_check_key(a, exchange_header(x, "x-api-key"), exchange_header(x, "Authorization"),
                            ret_tenant, e);
}
