/* Signed links.
 *
 * What is signed is "limner-link-1\n<expires>\n<key>": the number tells this form from later ones, and as the
 * key comes last and expires is digits only, no two links have the same text.
 * There may be several keys: all of them check, the first one signs. Today there is one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/file.h"
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
    char text[STORE_KEY_MAX + 64];
    int n = snprintf(text, sizeof(text), "limner-link-1\n%" PRId64 "\n%s", expires_s, key);
    CHECK(n > 0 && (size_t)n < sizeof(text));
    digest_hmac(k->bytes, sizeof(k->bytes), text, (size_t)n, ret);
}

void signer_sign(const struct signer *s, const char *key, int64_t expires_s, char ret[static SIGNATURE_QUERY])
{
    uint8_t mac[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    CHECK(store_key_valid(key) && expires_s > 0);
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
    if (!expires || !signature || !store_key_valid(key) || hex_decode(signature, given, sizeof(given)) < 0)
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

/* ---- the key's file: 64 hex characters and a line end ---- */

enum { KEY_TEXT = DIGEST_HEX + 1 };

/* 0; -errno; -EBADMSG for a file that is not such a key, -EACCES for one that anybody may read. */
static int read_key(const char *path, struct sign_key *ret)
{
    CLOSE_ON_EXIT int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    if (st.st_mode & S_IRWXO)
        return -EACCES;
    char text[KEY_TEXT + 2];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    struct sign_key k;
    if (hex_decode(text, k.bytes, sizeof(k.bytes)) < 0)
        return -EBADMSG;
    *ret = k;
    return 0;
}

static int write_key(const char *path)
{
    uint8_t bytes[DIGEST_BYTES];
    char text[KEY_TEXT + 1];
    rng_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), text);
    text[DIGEST_HEX] = '\n';
    CLOSE_ON_EXIT int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = file_write(fd, text, KEY_TEXT, 0);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

/* Makes the key's file whole or not at all. Of several processes that start at once one wins; the others find
 * its file there, which is as good. 0 or -errno. */
static int make_key(const char *path)
{
    char id[UUID_TEXT];
    uuid_make(id);
    FREE_ON_EXIT char *temp = mem_printf("%s.%s", path, id);
    int r = write_key(temp);
    if (r == 0 && link(temp, path) < 0 && errno != EEXIST)
        r = -errno;
    unlink(temp);
    return r;
}

static int load_key(const char *data_dir, struct sign_key *ret, struct error *e)
{
    FREE_ON_EXIT char *path = mem_printf("%s/signing-key", data_dir);
    int r = read_key(path, ret);
    if (r == -ENOENT) {
        r = file_make_folders(data_dir);
        if (r == 0)
            r = make_key(path);
        if (r == 0)
            r = read_key(path, ret);
    }
    if (r == -EBADMSG)
        return error_set(e, ERR_INTERNAL,
                         "%s is damaged; remove it to have a new one made (links already given out then end)",
                         path);
    if (r == -EACCES)
        return error_set(e, ERR_INTERNAL, "%s can be read by other users or not by this one; chmod 600 it",
                         path);
    if (r < 0) {
        FREE_ON_EXIT char *what = mem_printf("read or make %s", path);
        return file_error(e, r, what);
    }
    return 0;
}

int signer_new(const char *secret, const char *data_dir, struct signer **ret, struct error *e)
{
    struct sign_key k;
    if (secret && *secret) {
        digest_of(secret, strlen(secret), k.bytes);
    } else {
        int r = load_key(data_dir, &k, e);
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
