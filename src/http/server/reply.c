/* Replies: built, then sent through libmicrohttpd or written out as bytes. */
#include "http/server/reply.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/server/exchange.h"

struct reply *reply_new(int status)
{
    struct reply *r = NEW(struct reply);
    r->status = status;
    r->fd = -1;
    return r;
}

void reply_free(struct reply *r)
{
    if (!r)
        return;
    blob_unref(r->body);
    if (r->fd >= 0)
        close(r->fd);
    if (r->source)
        r->source->drop(r->source_ctx);
    arena_release(&r->arena);
    free(r);
}

int reply_status(const struct reply *r)
{
    return r->status;
}

uint64_t reply_bytes(const struct reply *r)
{
    return r->body ? r->body->size : r->fd >= 0 ? r->length : 0;
}

/* A line end in a value would begin a header of somebody else's choice. */
static bool is_clean(const char *value)
{
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

void reply_header(struct reply *r, const char *name, const char *fmt, ...)
{
    CHECK(r->header_count < REPLY_HEADERS_MAX);
    va_list args;
    va_start(args, fmt);
    const char *value = arena_vprintf(&r->arena, fmt, args);
    va_end(args);
    if (is_clean(value))
        r->headers[r->header_count++] = (struct reply_header){name, value};
}

void reply_body(struct reply *r, struct blob *body, const char *content_type)
{
    CHECK(!r->body && r->fd < 0);
    r->body = blob_ref(body);
    if (content_type)
        reply_header(r, "Content-Type", "%s", content_type);
}

void reply_text(struct reply *r, const char *text, const char *content_type)
{
    BLOB_ON_EXIT struct blob *b = blob_copy(text, strlen(text));
    reply_body(r, b, content_type);
}

void reply_file(struct reply *r, int fd, uint64_t offset, uint64_t length, const char *content_type)
{
    CHECK(!r->body && r->fd < 0);
    r->fd = fd;
    r->offset = offset;
    r->length = length;
    if (content_type)
        reply_header(r, "Content-Type", "%s", content_type);
}

/* ---- errors ---- */

/* Text that may come from the client, as JSON; what is not UTF-8 is shown as question marks. */
static json_t *json_text(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    FREE_ON_EXIT char *ascii = mem_strdup(s);
    for (char *p = ascii; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    return json_string(ascii);
}

static void put(json_t *object, const char *key, json_t *value)
{
    CHECK(value && json_object_set_new(object, key, value) == 0);
}

static json_t *details_of(const struct error *e, const char *message)
{
    json_t *item = json_object();
    if (*e->field)
        put(item, "field", json_text(e->field));
    put(item, "message", json_text(message));
    json_t *list = json_array();
    CHECK(json_array_append_new(list, item) == 0);
    return list;
}

static json_t *error_json(const struct error *e, const struct err_row *row, const char *id)
{
    const char *message = *e->reason ? e->reason : row->message;
    bool invalid = e->code == ERR_VALIDATION;
    json_t *error = json_object();
    put(error, "message", json_text(invalid ? row->message : message));
    put(error, "code", json_string(row->code));
    if (*e->field || (invalid && *e->reason))
        put(error, "details", details_of(e, message));
    json_t *j = json_object();
    put(j, "request_id", json_text(id));
    put(j, "status", json_string("error"));
    put(j, "error", error);
    return j;
}

static json_t *problem_json(const struct error *e, const struct err_row *row, const char *id)
{
    char type[96];
    snprintf(type, sizeof(type), "/errors/%s", row->code);
    json_t *j = json_object();
    put(j, "type", json_string(type));
    put(j, "title", json_string(row->message));
    put(j, "status", json_integer(row->status));
    put(j, "detail", json_text(*e->reason ? e->reason : row->message));
    put(j, "instance", json_text(id));
    put(j, "code", json_string(row->code));
    put(j, "retryable", json_boolean(row->retryable));
    if (*e->field)
        put(j, "field", json_text(e->field));
    return j;
}

/* Does the list name problem+json, and not with a weight of zero? */
static bool wants_problem(const char *accept)
{
    const char *at = strcasestr(accept, "application/problem+json");
    if (!at)
        return false;
    const char *weight = strcasestr(at, "q=");
    bool its_own = weight && weight < at + strcspn(at, ",");
    return !its_own || strtod(weight + 2, NULL) > 0;
}

enum { RETRY_AFTER_S = 30 }; /* for something to be repaired */

struct reply *reply_json(int status, struct blob *document)
{
    struct reply *r = reply_new(status);
    reply_body(r, document, "application/json; charset=utf-8");
    reply_header(r, "Cache-Control", "no-store");
    return r;
}

struct reply *reply_error(const struct exchange *x, const char *request_id, const struct error *e)
{
    const struct err_row *row = err_row(e->code);
    const char *id = x ? exchange_request_id(x) : request_id;
    const char *accept = x ? exchange_header(x, "Accept") : NULL;
    bool there = x && strncmp(exchange_path(x), "/v1/", 4) == 0;
    bool problem = there || (accept && wants_problem(accept));
    json_t *j = problem ? problem_json(e, row, id ? id : "") : error_json(e, row, id ? id : "");
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    CHECK(text);
    struct reply *r = reply_new(row->status);
    BLOB_ON_EXIT struct blob *body = blob_take(text, strlen(text), free);
    reply_body(r, body, problem ? "application/problem+json" : "application/json; charset=utf-8");
    reply_header(r, "Cache-Control", "no-store");
    unsigned retry_s = e->retry_after_s;
    if (retry_s == 0 && (row->status == 429 || row->status == 503)) /* who knew better has said so */
        retry_s = RETRY_AFTER_S;
    if (retry_s)
        reply_header(r, "Retry-After", "%u", retry_s);
    if (row->status == 401)
        reply_header(r, "WWW-Authenticate", "Bearer");
    return r;
}

/* ---- what every reply carries ---- */

static const char exposed[] =
    "x-request-id, Retry-After, Location, ETag, Content-Range, Repr-Digest, Cache-Status, Server-Timing, "
    "RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-Budget-Warning, "
    "Preference-Applied, Idempotent-Replayed";

bool cors_allows(const char *cors_origins, const char *origin)
{
    size_t len = strlen(origin);
    for (const char *p = cors_origins; *p;) {
        p += strspn(p, ", \t");
        size_t n = strcspn(p, ", \t"), slash = n > 1 && p[n - 1] == '/'; /* no origin ends in one */
        if ((n == 1 && *p == '*') || (n - slash == len && len && strncasecmp(p, origin, len) == 0))
            return true;
        p += n;
    }
    return false;
}

enum { COMMON_MAX = 6 };

static unsigned common_headers(int status, const struct reply_about *about, struct reply_header *ret)
{
    unsigned n = 0;
    bool any = strcmp(about->cors_origins, "*") == 0;
    ret[n++] = (struct reply_header){"x-request-id", about->request_id};
    ret[n++] = (struct reply_header){"X-Content-Type-Options", "nosniff"};
    if (any)
        ret[n++] = (struct reply_header){"Access-Control-Allow-Origin", "*"};
    else if (about->origin && cors_allows(about->cors_origins, about->origin))
        ret[n++] = (struct reply_header){"Access-Control-Allow-Origin", about->origin};
    if (n == 3 && about->origin)
        ret[n++] = (struct reply_header){"Access-Control-Expose-Headers", exposed};
    if (!any && *about->cors_origins)
        ret[n++] = (struct reply_header){"Vary", "Origin"};
    if (about->close && status != MHD_HTTP_SWITCHING_PROTOCOLS)
        ret[n++] = (struct reply_header){"Connection", "close"};
    return n;
}

/* ---- through libmicrohttpd ---- */

static void drop_blob(void *blob)
{
    blob_unref(blob);
}

static struct MHD_Response *response_of_body(struct reply *r)
{
    if (r->fd >= 0 && r->length > 0) {
        struct MHD_Response *m = MHD_create_response_from_fd_at_offset64(r->length, r->fd, r->offset);
        if (m)
            r->fd = -1;
        return m;
    }
    if (!r->body || r->body->size == 0)
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *m = MHD_create_response_from_buffer_with_free_callback_cls(
        r->body->size, (void *)(uintptr_t)r->body->data, drop_blob, r->body);
    if (m)
        r->body = NULL;
    return m;
}

static struct MHD_Response *response_of(struct reply *r, const struct reply_about *about)
{
    const struct reply_source *source = TAKE(r->source);
    return source ? source->response(r->source_ctx, about) : response_of_body(r);
}

struct MHD_Response *reply_response(struct reply *r, const struct reply_about *about)
{
    struct MHD_Response *m = response_of(r, about);
    if (!m)
        return NULL;
    struct reply_header common[COMMON_MAX];
    unsigned n = common_headers(r->status, about, common);
    bool ok = true;
    for (unsigned i = 0; i < r->header_count; i++)
        ok = MHD_add_response_header(m, r->headers[i].name, r->headers[i].value) == MHD_YES && ok;
    for (unsigned i = 0; i < n; i++)
        ok = MHD_add_response_header(m, common[i].name, common[i].value) == MHD_YES && ok;
    if (ok)
        return m;
    MHD_destroy_response(m);
    return NULL;
}

/* ---- as bytes ---- */

static int put_headers(struct buf *b, const struct reply_header *headers, unsigned count)
{
    int r = 0;
    for (unsigned i = 0; i < count && r == 0; i++)
        r = buf_printf(b, "%s: %s\r\n", headers[i].name, headers[i].value);
    return r;
}

int reply_wire(const struct reply *r, const struct reply_about *about, struct buf *ret)
{
    char date[64];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    struct reply_header common[COMMON_MAX];
    unsigned n = common_headers(r->status, about, common);
    size_t size = r->body ? r->body->size : 0;
    buf_printf(ret, "HTTP/1.1 %d %s\r\nDate: %s\r\n", r->status,
               MHD_get_reason_phrase_for((unsigned)r->status), date);
    put_headers(ret, r->headers, r->header_count);
    put_headers(ret, common, n);
    buf_printf(ret, "Content-Length: %zu\r\n\r\n", size);
    if (size && !about->head)
        buf_append(ret, r->body->data, size);
    return ret->failed ? -ERR_INTERNAL : 0;
}

void reply_last_words(int fd, const struct reply *r, const struct reply_about *about)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, REPLY_WIRE_MAX);
    if (reply_wire(r, about, &b) == 0 && send(fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return; /* the peer is gone, or does not read: nobody to tell */
}
