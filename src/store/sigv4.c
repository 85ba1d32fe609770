/* The steps of the signature: pairs are encoded and sorted (prepare), laid out as the canonical request,
 * whose digest goes into the string to sign, whose HMAC under a key derived from the secret, day, region and
 * service is the signature. check() bounds everything first, so that the rest cannot fail but for room in
 * ret. */
#include "store/sigv4.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/digest.h"
#include "tables/error.h"

static const char algorithm[] = "AWS4-HMAC-SHA256";

enum {
    ADDED_MAX = 5, /* pairs that the signer adds: query pairs of a presigned request */
    TEXT_MAX = 4 * SIGV4_INPUT_MAX + 4096
};

struct signing {
    const struct sigv4_request *r;
    unsigned expires_s; /* 0: signed in the headers */
    struct arena arena; /* all texts below */
    char date[SIGV4_DATE];
    const char *scope; /* day/region/service/aws4_request */
    const char *signed_headers;
    struct sigv4_pair query[SIGV4_PAIRS_MAX + ADDED_MAX];  /* encoded, sorted */
    struct sigv4_pair header[SIGV4_PAIRS_MAX + ADDED_MAX]; /* lower case, folded, sorted */
    size_t query_count;
    size_t header_count;
};

static void release_signing(struct signing *s)
{
    arena_release(&s->arena);
}

/* ---- what may be signed ---- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Not empty, printable ASCII without spaces and without those of except. */
static bool is_word(const char *s, const char *except)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s <= ' ' || *s > '~' || strchr(except, *s))
            return false;
    }
    return true;
}

static bool is_method(const char *s)
{
    return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static bool is_payload(const char *s)
{
    return strcmp(s, SIGV4_UNSIGNED_PAYLOAD) == 0 ||
           (strspn(s, "0123456789abcdef") == DIGEST_HEX && s[DIGEST_HEX] == '\0');
}

static bool is_s3(const struct sigv4_request *r)
{
    return strcmp(r->service, "s3") == 0;
}

static bool name_in(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

/* A name of a header's own characters that the signer does not add itself; a value without control characters
 * (a tab is none: it folds). */
static bool is_header(const struct sigv4_request *r, const struct sigv4_pair *h)
{
    static const char *const own[] = {"host", "authorization", "x-amz-date", "x-amz-content-sha256"};
    if (!*h->name || name_in(h->name, own, is_s3(r) ? ARRAY_LEN(own) : ARRAY_LEN(own) - 1))
        return false;
    for (const char *c = h->name; *c; c++) {
        if (!is_alnum(*c) && !strchr("-_.", *c))
            return false;
    }
    for (const char *c = h->value; *c; c++) {
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    }
    return true;
}

static bool is_query(const struct sigv4_pair *q, bool presigned)
{
    static const char *const own[] = {"X-Amz-Algorithm", "X-Amz-Credential",    "X-Amz-Date",
                                      "X-Amz-Expires",   "X-Amz-SignedHeaders", "X-Amz-Signature"};
    return *q->name && !(presigned && name_in(q->name, own, ARRAY_LEN(own)));
}

static size_t pairs_size(const struct sigv4_pair *p, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(p[i].name) + strlen(p[i].value);
    return size;
}

static bool fits(const struct sigv4_request *r)
{
    if (r->query_count > SIGV4_PAIRS_MAX || r->header_count > SIGV4_PAIRS_MAX ||
        strlen(r->path) > SIGV4_PATH_MAX)
        return false;
    size_t size = pairs_size(r->query, r->query_count) + pairs_size(r->header, r->header_count) +
                  strlen(r->method) + strlen(r->host) + strlen(r->path) + strlen(r->access_key) +
                  strlen(r->region) + strlen(r->service);
    return size <= SIGV4_INPUT_MAX && strlen(r->secret) <= SIGV4_SECRET_MAX;
}

static bool check(const struct sigv4_request *r, unsigned expires_s)
{
    if (!fits(r) || expires_s > SIGV4_EXPIRES_MAX)
        return false;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!is_header(r, &r->header[i]))
            return false;
    }
    for (size_t i = 0; i < r->query_count; i++) {
        if (!is_query(&r->query[i], expires_s > 0))
            return false;
    }
    return is_method(r->method) && is_word(r->host, "/?#@") && r->path[0] == '/' && is_payload(r->payload) &&
           is_word(r->access_key, "/,") && *r->secret && is_word(r->region, "/,") &&
           is_word(r->service, "/,");
}

/* ---- forms of text ---- */

/* ret of ≥ 3 * strlen(s) + 1 bytes; slashes stay if keep_slash. Returns the length. */
static size_t encode(const char *s, bool keep_slash, char *ret)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = ret;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (is_alnum(*s) || strchr("-._~", *s) || (keep_slash && c == '/')) {
            *to++ = *s;
        } else {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    *to = '\0';
    return (size_t)(to - ret);
}

static char *encoded(struct arena *a, const char *s, bool keep_slash)
{
    char *p = arena_alloc(a, 3 * strlen(s) + 1);
    encode(s, keep_slash, p);
    return p;
}

static char *lower_case(struct arena *a, const char *s)
{
    char *p = arena_strdup(a, s);
    for (char *c = p; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    }
    return p;
}

/* Spaces and tabs taken away at both ends, and one space for each run of them inside. */
static char *folded(struct arena *a, const char *s)
{
    char *p = arena_alloc(a, strlen(s) + 1), *to = p;
    for (;;) {
        s += strspn(s, " \t");
        size_t n = strcspn(s, " \t");
        if (n == 0)
            break;
        if (to != p)
            *to++ = ' ';
        memcpy(to, s, n);
        to += n;
        s += n;
    }
    *to = '\0';
    return p;
}

/* By name, then (by_value) by value; equal ones keep their order. Few, so by insertion. */
static void sort_pairs(struct sigv4_pair *p, size_t count, bool by_value)
{
    for (size_t i = 1; i < count; i++) {
        struct sigv4_pair one = p[i];
        size_t at = i;
        for (; at > 0; at--) {
            int order = strcmp(p[at - 1].name, one.name);
            if (order == 0 && by_value)
                order = strcmp(p[at - 1].value, one.value);
            if (order <= 0)
                break;
            p[at] = p[at - 1];
        }
        p[at] = one;
    }
}

static int put_query(const struct sigv4_pair *q, size_t count, struct buf *ret)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(ret, "%s%s=%s", i ? "&" : "", q[i].name, q[i].value);
    return ret->failed ? -ERR_INTERNAL : 0;
}

/* Appends a text made in full, so that ret gets all of it or nothing. */
static int give(const struct buf *text, struct buf *ret)
{
    return text->failed || buf_append(ret, buf_text(text), text->len) < 0 ? -ERR_INTERNAL : 0;
}

/* ---- preparing ---- */

static void add_header(struct signing *s, const char *name, const char *value)
{
    s->header[s->header_count++] = (struct sigv4_pair){lower_case(&s->arena, name), folded(&s->arena, value)};
}

static void add_query(struct signing *s, const char *name, const char *value)
{
    s->query[s->query_count++] =
        (struct sigv4_pair){encoded(&s->arena, name, false), encoded(&s->arena, value, false)};
}

/* Headers of one name become one, values joined with commas. */
static void join_headers(struct signing *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->header_count; i++) {
        struct sigv4_pair *last = count ? &s->header[count - 1] : NULL;
        if (last && strcmp(last->name, s->header[i].name) == 0)
            last->value = arena_printf(&s->arena, "%s,%s", last->value, s->header[i].value);
        else
            s->header[count++] = s->header[i];
    }
    s->header_count = count;
}

static void prepare_headers(struct signing *s)
{
    const struct sigv4_request *r = s->r;
    BUF_ON_EXIT struct buf names;
    buf_init(&names, TEXT_MAX);
    add_header(s, "host", r->host);
    for (size_t i = 0; i < r->header_count; i++)
        add_header(s, r->header[i].name, r->header[i].value);
    if (s->expires_s == 0) {
        add_header(s, "x-amz-date", s->date);
        if (is_s3(r))
            add_header(s, "x-amz-content-sha256", r->payload);
    }
    sort_pairs(s->header, s->header_count, false);
    join_headers(s);
    for (size_t i = 0; i < s->header_count; i++)
        buf_printf(&names, "%s%s", i ? ";" : "", s->header[i].name);
    s->signed_headers = arena_strdup(&s->arena, buf_text(&names));
}

static void prepare_query(struct signing *s)
{
    const struct sigv4_request *r = s->r;
    for (size_t i = 0; i < r->query_count; i++)
        add_query(s, r->query[i].name, r->query[i].value);
    if (s->expires_s > 0) {
        add_query(s, "X-Amz-Algorithm", algorithm);
        add_query(s, "X-Amz-Credential", arena_printf(&s->arena, "%s/%s", r->access_key, s->scope));
        add_query(s, "X-Amz-Date", s->date);
        add_query(s, "X-Amz-Expires", arena_printf(&s->arena, "%u", s->expires_s));
        add_query(s, "X-Amz-SignedHeaders", s->signed_headers);
    }
    sort_pairs(s->query, s->query_count, true);
}

/* The caller releases s whatever the result. */
static int prepare(struct signing *s, const struct sigv4_request *r, unsigned expires_s)
{
    s->r = r;
    s->expires_s = expires_s;
    s->query_count = s->header_count = 0;
    arena_init(&s->arena);
    if (!check(r, expires_s) || sigv4_date(r->time_s, s->date) < 0)
        return -ERR_INTERNAL;
    s->scope = arena_printf(&s->arena, "%.8s/%s/%s/aws4_request", s->date, r->region, r->service);
    prepare_headers(s);
    prepare_query(s);
    return 0;
}

/* ---- signing ---- */

static void put_canonical(struct signing *s, struct buf *ret)
{
    buf_printf(ret, "%s\n%s\n", s->r->method, encoded(&s->arena, s->r->path, true));
    put_query(s->query, s->query_count, ret);
    buf_puts(ret, "\n");
    for (size_t i = 0; i < s->header_count; i++)
        buf_printf(ret, "%s:%s\n", s->header[i].name, s->header[i].value);
    buf_printf(ret, "\n%s\n%s", s->signed_headers, s->r->payload);
}

static void put_to_sign(struct signing *s, struct buf *ret)
{
    BUF_ON_EXIT struct buf canonical;
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    buf_init(&canonical, TEXT_MAX);
    put_canonical(s, &canonical);
    CHECK(!canonical.failed); /* check() saw to it */
    digest_of(canonical.data, canonical.len, digest);
    hex_encode(digest, sizeof(digest), hex);
    buf_printf(ret, "%s\n%s\n%s\n%s", algorithm, s->date, s->scope, hex);
}

static void derive_key(const struct signing *s, uint8_t ret[static DIGEST_BYTES])
{
    char first[4 + SIGV4_SECRET_MAX + 1];
    uint8_t a[DIGEST_BYTES], b[DIGEST_BYTES];
    int n = snprintf(first, sizeof(first), "AWS4%s", s->r->secret);
    CHECK(n > 0 && (size_t)n < sizeof(first));
    digest_hmac(first, (size_t)n, s->date, 8, a);
    digest_hmac(a, sizeof(a), s->r->region, strlen(s->r->region), b);
    digest_hmac(b, sizeof(b), s->r->service, strlen(s->r->service), a);
    digest_hmac(a, sizeof(a), "aws4_request", strlen("aws4_request"), ret);
    OPENSSL_cleanse(first, sizeof(first));
    OPENSSL_cleanse(a, sizeof(a));
    OPENSSL_cleanse(b, sizeof(b));
}

static void sign(struct signing *s, char ret[static DIGEST_HEX + 1])
{
    BUF_ON_EXIT struct buf text;
    uint8_t key[DIGEST_BYTES], mac[DIGEST_BYTES];
    buf_init(&text, TEXT_MAX);
    put_to_sign(s, &text);
    CHECK(!text.failed);
    derive_key(s, key);
    digest_hmac(key, sizeof(key), text.data, text.len, mac);
    OPENSSL_cleanse(key, sizeof(key));
    hex_encode(mac, sizeof(mac), ret);
}

/* ---- interface ---- */

int sigv4_date(int64_t time_s, char ret[static SIGV4_DATE])
{
    const int64_t end_of_9999 = 253402300799;
    struct tm t;
    time_t time = (time_t)time_s;
    if (time_s < 0 || time_s > end_of_9999 || !gmtime_r(&time, &t))
        return -ERR_INTERNAL;
    size_t n = strftime(ret, SIGV4_DATE, "%Y%m%dT%H%M%SZ", &t);
    CHECK(n == SIGV4_DATE - 1);
    return 0;
}

int sigv4_path(const char *path, struct buf *ret)
{
    char text[3 * SIGV4_PATH_MAX + 1];
    if (path[0] != '/' || strlen(path) > SIGV4_PATH_MAX)
        return -ERR_INTERNAL;
    return buf_append(ret, text, encode(path, true, text)) < 0 ? -ERR_INTERNAL : 0;
}

int sigv4_query(const struct sigv4_pair *query, size_t count, struct buf *ret)
{
    CLEANUP(release_signing) struct signing s;
    BUF_ON_EXIT struct buf text;
    s.query_count = 0;
    arena_init(&s.arena);
    buf_init(&text, TEXT_MAX);
    if (count > SIGV4_PAIRS_MAX || pairs_size(query, count) > SIGV4_INPUT_MAX)
        return -ERR_INTERNAL;
    for (size_t i = 0; i < count; i++) {
        if (!is_query(&query[i], false))
            return -ERR_INTERNAL;
        add_query(&s, query[i].name, query[i].value);
    }
    sort_pairs(s.query, s.query_count, true);
    put_query(s.query, s.query_count, &text);
    return give(&text, ret);
}

int sigv4_authorization(const struct sigv4_request *r, struct buf *ret)
{
    CLEANUP(release_signing) struct signing s;
    BUF_ON_EXIT struct buf text;
    char signature[DIGEST_HEX + 1];
    buf_init(&text, TEXT_MAX);
    if (prepare(&s, r, 0) < 0)
        return -ERR_INTERNAL;
    sign(&s, signature);
    buf_printf(&text, "%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", algorithm, r->access_key,
               s.scope, s.signed_headers, signature);
    return give(&text, ret);
}

int sigv4_presign(const struct sigv4_request *r, unsigned expires_s, struct buf *ret)
{
    CLEANUP(release_signing) struct signing s;
    BUF_ON_EXIT struct buf text;
    char signature[DIGEST_HEX + 1];
    buf_init(&text, TEXT_MAX);
    if (prepare(&s, r, expires_s) < 0 || expires_s == 0)
        return -ERR_INTERNAL;
    sign(&s, signature);
    put_query(s.query, s.query_count, &text);
    buf_printf(&text, "&X-Amz-Signature=%s", signature);
    return give(&text, ret);
}

/* One of the texts on the way to a signature. */
static int step_text(const struct sigv4_request *r, unsigned expires_s,
                     void (*put)(struct signing *s, struct buf *out), struct buf *ret)
{
    CLEANUP(release_signing) struct signing s;
    BUF_ON_EXIT struct buf text;
    buf_init(&text, TEXT_MAX);
    if (prepare(&s, r, expires_s) < 0)
        return -ERR_INTERNAL;
    put(&s, &text);
    return give(&text, ret);
}

int sigv4_canonical(const struct sigv4_request *r, unsigned expires_s, struct buf *ret)
{
    return step_text(r, expires_s, put_canonical, ret);
}

int sigv4_to_sign(const struct sigv4_request *r, unsigned expires_s, struct buf *ret)
{
    return step_text(r, expires_s, put_to_sign, ret);
}
