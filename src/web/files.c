#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/clock.h"
#include "web/pages.h"

#define PREFIX "/files/"

static void refuse(struct exchange *x, enum err code, const char *reason)
{
    struct error e;
    error_set(&e, code, "%s", reason);
    exchange_answer(x, reply_error(x, NULL, &e));
}

/* Digits only; the whole of [from, to). */
static int parse_number(const char *from, const char *to, uint64_t *ret)
{
    uint64_t n = 0;
    if (from == to)
        return -EINVAL;
    for (const char *p = from; p < to; p++) {
        if (*p < '0' || *p > '9' || n > UINT64_MAX / 10 - 1)
            return -EINVAL;
        n = n * 10 + (uint64_t)(*p - '0');
    }
    *ret = n;
    return 0;
}

int range_parse(const char *header, uint64_t size, uint64_t *ret_offset, uint64_t *ret_length)
{
    if (!header || strncmp(header, "bytes=", 6) != 0 || strchr(header, ','))
        return 1;
    const char *from = header + 6;
    const char *dash = strchr(from, '-');
    if (!dash)
        return 1;
    const char *end = dash + 1 + strlen(dash + 1);
    uint64_t first, last;
    if (from == dash) { /* the last n bytes */
        if (parse_number(dash + 1, end, &last) < 0)
            return 1;
        if (last == 0 || size == 0)
            return -ERR_RANGE_NOT_SATISFIABLE;
        *ret_length = MIN(last, size);
        *ret_offset = size - *ret_length;
        return 0;
    }
    if (parse_number(from, dash, &first) < 0)
        return 1;
    if (dash + 1 == end)
        last = UINT64_MAX;
    else if (parse_number(dash + 1, end, &last) < 0 || last < first)
        return 1;
    if (first >= size)
        return -ERR_RANGE_NOT_SATISFIABLE;
    *ret_offset = first;
    *ret_length = MIN(last, size - 1) - first + 1;
    return 0;
}

/* Of a result, which never changes: "" if it is not known. A file that its owner may change goes by its time
 * and size, whatever its attributes say. */
static const char *known_digest(const char *key, const struct store_info *info)
{
    return store_name_day(key) ? info->sha256 : "";
}

static void set_digest(struct reply *r, const char *sha256)
{
    uint8_t sum[DIGEST_BYTES];
    BUF_ON_EXIT struct buf text;
    buf_init(&text, DIGEST_HEX);
    if (hex_decode(sha256, sum, sizeof(sum)) < 0 || base64_append(&text, sum, sizeof(sum)) < 0)
        return;
    reply_header(r, "Repr-Digest", "sha-256=:%s:", buf_text(&text));
}

/* A result never changes; what else lies in the store is its owner's to change. */
static void set_validators(struct reply *r, const struct web *w, const char *key, const char *etag,
                           const struct store_info *info)
{
    struct tm tm;
    time_t when = (time_t)info->modified_s;
    char date[64];
    gmtime_r(&when, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    reply_header(r, "ETag", "%s", etag);
    reply_header(r, "Last-Modified", "%s", date);
    reply_header(r, "Accept-Ranges", "bytes");
    set_digest(r, known_digest(key, info));
    if (store_name_day(key))
        reply_header(r, "Cache-Control", "private, max-age=%" PRId64 ", immutable",
                     w->opt->presign_expires_s);
    else
        reply_header(r, "Cache-Control", "private, no-cache");
}

bool page_unchanged(const struct exchange *x, const char *etag)
{
    const char *match = exchange_header(x, "If-None-Match");
    return match && (strcmp(match, "*") == 0 || strstr(match, etag));
}

static void send_file(struct web *w, struct exchange *x, const char *key, int fd,
                      const struct store_info *info)
{
    char etag[STORE_ETAG_MAX + 3];
    const char *digest = known_digest(key, info);
    snprintf(etag, sizeof(etag), "\"%s\"", *digest ? digest : info->etag);
    struct reply *r;
    uint64_t size = info->size, offset = 0, length = size;
    const char *range = exchange_header(x, "Range");
    const char *if_range = exchange_header(x, "If-Range");
    if (if_range && strcmp(if_range, etag) != 0)
        range = NULL;
    int kind = range_parse(range, size, &offset, &length);
    if (page_unchanged(x, etag)) {
        close(fd);
        r = reply_new(304);
    } else if (kind < 0) {
        close(fd);
        struct error e;
        error_set(&e, ERR_RANGE_NOT_SATISFIABLE, "The file has %" PRIu64 " bytes", size);
        r = reply_error(x, NULL, &e);
        reply_header(r, "Content-Range", "bytes */%" PRIu64, size);
        exchange_answer(x, r);
        return;
    } else {
        r = reply_new(kind == 0 ? 206 : 200);
        if (kind == 0)
            reply_header(r, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset,
                         offset + length - 1, size);
        reply_file(r, fd, offset, length, info->content_type);
    }
    set_validators(r, w, key, etag, info);
    exchange_answer(x, r);
}

void page_file(struct web *w, struct exchange *x)
{
    const char *key = exchange_path(x) + strlen(PREFIX);
    const char *expires = exchange_query(x, "expires");
    const char *signature = exchange_query(x, "signature");
    if (!store_name_valid(key) || !expires || !signature) {
        refuse(x, ERR_NOT_FOUND, "There is no such file, or the link is not complete");
        return;
    }
    int r = signer_check(w->signer, key, expires, signature, clock_wall_s());
    int fd = -1;
    struct store_info info = {0};
    if (r == 0)
        r = w->store->ops->open ? w->store->ops->open(w->store, key, &fd, &info) : -ERR_NOT_FOUND;
    if (r == -ERR_GONE)
        refuse(x, ERR_GONE, "This link has expired; ask for the result again to get a new one");
    else if (r < 0)
        refuse(x, ERR_NOT_FOUND, "There is no such file, or the link was changed");
    else
        send_file(w, x, key, fd, &info);
}
