#include "request/content_digest.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"

enum { VALUE_MAX = 64 }; /* bytes of the base64 that can be a SHA-256 */
#define ALGORITHM "sha-256"
#define FIELD     "Content-Digest"

/* `:base64:` with nothing but parameters behind it. */
static int read_bytes(const char *value, size_t len, uint8_t ret[static DIGEST_BYTES])
{
    uint8_t bytes[VALUE_MAX];
    const char *end = len > 1 && *value == ':' ? memchr(value + 1, ':', len - 1) : NULL;
    if (!end || end - value - 1 > VALUE_MAX)
        return -EINVAL;
    size_t behind = (size_t)(end + 1 - value);
    behind += strspn(value + behind, " \t");
    if (behind < len && value[behind] != ';')
        return -EINVAL;
    if (base64_decode(value + 1, (size_t)(end - value - 1), bytes) != DIGEST_BYTES)
        return -EINVAL;
    memcpy(ret, bytes, DIGEST_BYTES);
    return 0;
}

/* A structured field's dictionary: name=value, name=value … (RFC 8941); of a name that comes twice the last
 * one counts. */
int content_digest_parse(const char *header, uint8_t ret[static DIGEST_BYTES])
{
    int found = 1;
    for (const char *at = header + strspn(header, " \t,"); *at; at += strspn(at, " \t,")) {
        size_t item = strcspn(at, ",");
        size_t name = strcspn(at, "=,; \t");
        bool ours = name == strlen(ALGORITHM) && strncmp(at, ALGORITHM, name) == 0;
        if (ours)
            found = at[name] == '=' ? read_bytes(at + name + 1, item - name - 1, ret) : -EINVAL;
        at += item;
    }
    return found;
}

int content_check_begin(struct content_check *c, const char *header, struct error *e)
{
    int r = header ? content_digest_parse(header, c->told) : 1;
    if (r < 0)
        return error_set_field(e, ERR_VALIDATION, FIELD,
                               "The sha-256 of Content-Digest is no SHA-256 in base64 between colons");
    c->wanted = r == 0;
    if (c->wanted)
        digest_init(&c->sum);
    return 0;
}

void content_check_feed(struct content_check *c, const void *data, size_t size)
{
    if (c->wanted)
        digest_update(&c->sum, data, size);
}

static void as_text(const uint8_t sum[static DIGEST_BYTES], struct buf *ret)
{
    buf_init(ret, VALUE_MAX);
    base64_append(ret, sum, DIGEST_BYTES);
}

int content_check_end(struct content_check *c, struct error *e)
{
    uint8_t sum[DIGEST_BYTES];
    if (!c->wanted)
        return 0;
    c->wanted = false;
    digest_final(&c->sum, sum);
    if (memcmp(sum, c->told, DIGEST_BYTES) == 0)
        return 0;
    BUF_ON_EXIT struct buf told, came;
    as_text(c->told, &told);
    as_text(sum, &came);
    return error_set_field(e, ERR_VALIDATION, FIELD,
                           "The body is not what was sent: Content-Digest says sha-256=:%s:, what came has "
                           "sha-256=:%s:",
                           buf_text(&told), buf_text(&came));
}

void content_check_release(struct content_check *c)
{
    if (c->wanted)
        digest_release(&c->sum);
    c->wanted = false;
}
