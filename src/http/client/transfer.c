/* One call on one easy handle.
 *
 * Happy path: options, connection (each address passes the guard as its socket is opened), request, headers,
 * body, conclude. Redirects are followed here and not by libcurl, so each hop starts anew with its own check
 * of URL, address and secrets.
 * Failure modes: libcurl repeats a request by itself when a kept-alive connection dies without a byte of
 * answer. The peer may have acted on the first one, so on_ready lets only repeatable requests out twice;
 * others only when the peer has refused the stream, which says that it has done nothing (RFC 9113, 8.7): so
 * end the requests that a server going away has not begun. libcurl tells that in its log alone. Invariant:
 * before on_ready has passed nothing of the request was written to the connection; `asked` tells.
 */
#include "http/client/transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/client/guard.h"

enum {
    HEADERS_MAX_BYTES = 64 << 10,
    READ_BYTES = 64 << 10,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 15
};

/* Options of ours that libcurl does not take are a bug of ours. */
#define SET(easy, option, value) CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK)

struct transfer *transfer_new(struct http_call *call, const struct transfer_config *config)
{
    struct transfer *t = NEW(struct transfer);
    t->call = call;
    t->config = config;
    t->method = call->method;
    t->body = call->body;
    t->guarded = call->guard && !config->allow_private;
    return t;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    curl_slist_free_all(t->headers);
    free(t->url);
    free(t);
}

int transfer_aim(struct transfer *t, const char *url)
{
    struct target target;
    if (target_parse(url, &target) < 0)
        return transfer_give_up(t, ERR_VALIDATION,
                                t->url ? "a redirect led to an address that cannot be used"
                                       : "not a usable http or https address");
    t->left_origin |= t->url && !target_same(&t->target, &target);
    t->target = target;
    char *copy = mem_strdup(url);
    free(t->url);
    t->url = copy;
    return 0;
}

/* ---- what libcurl calls ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = ctx;
    (void)purpose;
    if (t->guarded && !guard_allows(&a->addr)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool repeatable(const struct transfer *t)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (strcmp(t->method, methods[i]) == 0)
            return true;
    return t->call->repeatable;
}

/* A connection, new or kept alive, is ready and the request is about to be written. */
static int on_ready(void *ctx, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct transfer *t = ctx;
    (void)own_ip, (void)peer_port, (void)own_port;
    if (t->guarded && !guard_allows_text(peer_ip)) {
        t->refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->repeated = t->asked && !t->untouched && !repeatable(t);
    t->untouched = false;
    t->asked = true;
    return t->repeated ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static int on_log(CURL *easy, curl_infotype type, char *text, size_t size, void *ctx)
{
    static const char refused[] = "REFUSED_STREAM, retrying";
    struct transfer *t = ctx;
    if (type == CURLINFO_TEXT && size >= sizeof(refused) - 1 &&
        memcmp(text, refused, sizeof(refused) - 1) == 0)
        t->untouched = true;
    return 0;
}

/* Keeps the value of a header line of that name; "" when it does not fit, as half a value is worse than none.
 */
static void keep(const char *line, size_t len, const char *name, char *ret, size_t room)
{
    size_t name_len = strlen(name);
    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return;
    const char *begin = line + name_len + 1, *end = line + len;
    while (begin < end && strchr(" \t", *begin))
        begin++;
    while (end > begin && strchr(" \t\r\n", end[-1]))
        end--;
    size_t n = (size_t)(end - begin) < room ? (size_t)(end - begin) : 0;
    memcpy(ret, begin, n);
    ret[n] = '\0';
}

static void forget_answer(struct http_call *call)
{
    call->status = 0;
    call->content_type[0] = call->location[0] = call->retry_after[0] = call->etag[0] = '\0';
    call->date[0] = call->last_modified[0] = call->content_length[0] = call->cache_status[0] = '\0';
    call->idempotent_replayed[0] = '\0';
    http_call_release(call);
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct http_call *call = t->call;
    size_t len = size * count;
    t->received_bytes += len;
    t->header_bytes += len;
    if (t->header_bytes > HEADERS_MAX_BYTES)
        return 0;
    if (t->in_body) /* a trailer */
        return len;
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0)
        forget_answer(call); /* an interim answer came before */
    keep(line, len, "Content-Type", call->content_type, sizeof(call->content_type));
    keep(line, len, "Location", call->location, sizeof(call->location));
    keep(line, len, "Retry-After", call->retry_after, sizeof(call->retry_after));
    keep(line, len, "ETag", call->etag, sizeof(call->etag));
    keep(line, len, "Date", call->date, sizeof(call->date));
    keep(line, len, "Last-Modified", call->last_modified, sizeof(call->last_modified));
    keep(line, len, "Content-Length", call->content_length, sizeof(call->content_length));
    keep(line, len, "Cache-Status", call->cache_status, sizeof(call->cache_status));
    keep(line, len, "Idempotent-Replayed", call->idempotent_replayed, sizeof(call->idempotent_replayed));
    return len;
}

/* As announced, so that growing does not copy it again and again; whoever announces much and sends little has
 * taken addresses only, no memory. */
static void make_room(struct transfer *t)
{
    curl_off_t announced = -1;
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    int r = announced > 0 ? buf_reserve(&t->call->answer, (size_t)announced) : 0;
    (void)r; /* what is too long is refused when it comes */
}

static bool wants_it_now(const struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return t->call->take && status / 100 == 2;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count;
    if (wants_it_now(t)) {
        t->in_body = true;
        t->received_bytes += len;
        t->enough = !t->call->take(t->call, data, len);
        return t->enough ? 0 : len;
    }
    if (!t->in_body)
        make_room(t);
    t->in_body = true;
    t->received_bytes += len;
    uint64_t *left = t->call->answers_left;
    if ((left && len > *left) || buf_append(&t->call->answer, data, len) < 0) {
        t->too_long = true;
        return 0;
    }
    if (left)
        *left -= len;
    return len;
}

/* ---- options ---- */

static void set_fixed(CURL *easy, const struct transfer_config *config)
{
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_QUICK_EXIT, 1L); /* giving up does not wait for a name that is being resolved */
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_PROXY, ""); /* not the environment's: a proxy would hide the address from the guard */
    SET(easy, CURLOPT_NOPROXY, "*");
    SET(easy, CURLOPT_PATH_AS_IS, 1L); /* a signed path must go out as it was signed */
    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    SET(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)READ_BYTES); /* refused if it still has its buffer */
    SET(easy, CURLOPT_USERAGENT, config->user_agent);
    if (config->ca_file) {
        SET(easy, CURLOPT_CAINFO, config->ca_file);
        SET(easy, CURLOPT_CAPATH, NULL);
    }
}

static void set_callbacks(CURL *easy, struct transfer *t)
{
    SET(easy, CURLOPT_PRIVATE, t);
    SET(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(easy, CURLOPT_OPENSOCKETDATA, t);
    SET(easy, CURLOPT_PREREQFUNCTION, on_ready);
    SET(easy, CURLOPT_PREREQDATA, t);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, t);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, t);
}

static bool wants_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

/* ---- the body ---- */

enum { PARTS = 3 };

static const struct blob *part_of(const struct transfer *t, unsigned i)
{
    const struct blob *parts[PARTS] = {t->call->body_head, t->body, t->call->body_tail};
    return t->body ? parts[i] : NULL;
}

static uint64_t body_size(const struct transfer *t)
{
    uint64_t size = 0;
    for (unsigned i = 0; i < PARTS; i++)
        size += part_of(t, i) ? part_of(t, i)->size : 0;
    return size;
}

/* The parts one after the other, from where the last call ended. */
static size_t on_read(char *room, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t left = size * count;
    uint64_t begin = 0;
    for (unsigned i = 0; i < PARTS; i++) {
        const struct blob *part = part_of(t, i);
        uint64_t end = begin + (part ? part->size : 0);
        if (t->written >= begin && t->written < end) {
            size_t n = (size_t)MIN(end - t->written, (uint64_t)left);
            memcpy(room, part->data + (t->written - begin), n);
            t->written += n;
            room += n;
            left -= n;
        }
        begin = end;
    }
    return size * count - left;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *t = ctx;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > body_size(t))
        return CURL_SEEKFUNC_FAIL;
    t->written = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* Bodies go out of the blobs themselves, with a Content-Length; libcurl can start again at their first byte.
 * A single one needs no calls back. */
static void set_body(CURL *easy, struct transfer *t)
{
    SET(easy, CURLOPT_POST, 1L);
    SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_size(t));
    if (!t->call->body_head && !t->call->body_tail) {
        SET(easy, CURLOPT_POSTFIELDS, t->body ? (const char *)t->body->data : "");
        return;
    }
    t->written = 0;
    SET(easy, CURLOPT_READFUNCTION, on_read);
    SET(easy, CURLOPT_READDATA, t);
    SET(easy, CURLOPT_SEEKFUNCTION, on_seek);
    SET(easy, CURLOPT_SEEKDATA, t);
}

static void set_method(CURL *easy, struct transfer *t)
{
    if (strcmp(t->method, "HEAD") == 0) {
        SET(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (t->body || wants_body(t->method))
        set_body(easy, t);
    if (strcmp(t->method, "GET") != 0 || t->body)
        SET(easy, CURLOPT_CUSTOMREQUEST, t->method);
}

static void set_limits(CURL *easy, const struct transfer *t)
{
    const struct http_call *call = t->call;
    if (call->connect_timeout_ms)
        SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms);
    if (strcmp(t->method, "HEAD") != 0) /* whose Content-Length announces nothing */
        SET(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)MIN(call->answer_max_bytes, (uint64_t)INT64_MAX));
}

static void add_header(struct transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    CHECK(longer);
    t->headers = longer;
}

static bool header_goes_out(const struct transfer *t, const struct http_header *h)
{
    if (t->left_origin && (h->secret || strcasecmp(h->name, "Host") == 0))
        return false;
    return t->body || !t->call->body || strncasecmp(h->name, "Content-", 8) != 0; /* the body was dropped */
}

static void set_headers(CURL *easy, struct transfer *t)
{
    const struct http_call *call = t->call;
    bool typed = false;
    curl_slist_free_all(TAKE(t->headers));
    for (unsigned i = 0; i < call->header_count; i++) {
        const struct http_header *h = &call->header[i];
        if (!header_goes_out(t, h))
            continue;
        /* "name;" is libcurl's way to write an empty header, "name:" takes one of its own away */
        FREE_ON_EXIT char *line =
            *h->value ? mem_printf("%s: %s", h->name, h->value) : mem_printf("%s;", h->name);
        add_header(t, line);
        typed |= strcasecmp(h->name, "Content-Type") == 0;
    }
    if (!typed)
        add_header(t, "Content-Type:");
    add_header(t, "Expect:");
    SET(easy, CURLOPT_HTTPHEADER, t->headers);
}

void transfer_prepare(struct transfer *t, CURL *easy, CURLSH *share)
{
    curl_easy_reset(easy);
    t->easy = easy;
    t->asked = t->in_body = false;
    t->header_bytes = 0;
    set_fixed(easy, t->config);
    set_callbacks(easy, t);
    SET(easy, CURLOPT_SHARE, share);
    SET(easy, CURLOPT_URL, t->url);
    /* Without TLS there is no ALPN to ask for HTTP/2, and waiting for a connection's answer would put
     * requests behind each other. */
    SET(easy, CURLOPT_HTTP_VERSION, (long)(t->target.tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    SET(easy, CURLOPT_PIPEWAIT, t->target.tls ? 1L : 0L);
    if (t->target.tls && !repeatable(t)) {
        SET(easy, CURLOPT_DEBUGFUNCTION, on_log);
        SET(easy, CURLOPT_DEBUGDATA, t);
        SET(easy, CURLOPT_VERBOSE, 1L);
    }
    if (t->call->decode)
        SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    set_method(easy, t);
    set_limits(easy, t);
    set_headers(easy, t);
}

/* ---- how it ended ---- */

int transfer_give_up(struct transfer *t, enum err err, const char *fmt, ...)
{
    struct http_call *call = t->call;
    char reason[sizeof(call->err.reason)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    call->sent = t->asked || t->answered ? SENT_MAYBE : SENT_NOTHING;
    return error_set(&call->err, err, "%s", reason);
}

/* Reasons name the host but neither addresses nor the rest of the URL: the one would map our network for a
 * stranger, the other may be a signature. */
static int failed(struct transfer *t, CURLcode code)
{
    const char *host = t->target.host, *text = curl_easy_strerror(code);
    if (t->refused)
        return transfer_give_up(t, ERR_VALIDATION, "%s is not on a public address", host);
    if (t->too_long || code == CURLE_FILESIZE_EXCEEDED)
        return transfer_give_up(t, ERR_PAYLOAD_TOO_LARGE, "the answer of %s is longer than %llu bytes", host,
                                (unsigned long long)t->call->answer_max_bytes);
    if (t->header_bytes > HEADERS_MAX_BYTES)
        return transfer_give_up(t, ERR_UPSTREAM, "the headers from %s are too long", host);
    if (t->repeated)
        return transfer_give_up(t, ERR_UPSTREAM, "%s closed the connection without an answer", host);
    if (!t->asked && (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL))
        return transfer_give_up(t, ERR_VALIDATION, "not a usable http or https address");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return transfer_give_up(t, ERR_DEADLINE, "no connection to %s in time", host);
    return transfer_give_up(t, t->asked ? ERR_UPSTREAM : ERR_PROVIDER_UNAVAILABLE, "%s: %s", host, text);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int follow(struct transfer *t, const char *to)
{
    struct http_call *call = t->call;
    t->answered = true;
    if (t->redirects == call->redirects_max)
        return transfer_give_up(t, ERR_UPSTREAM, "%s redirects too often", t->target.host);
    int r = transfer_aim(t, to);
    if (r < 0)
        return r;
    t->redirects++;
    bool head = strcmp(t->method, "HEAD") == 0;
    if ((call->status == 303 && !head) || (call->status < 303 && strcmp(t->method, "POST") == 0)) {
        t->method = "GET";
        t->body = NULL;
    }
    forget_answer(call);
    return TRANSFER_AGAIN;
}

int transfer_conclude(struct transfer *t, CURLcode code)
{
    struct http_call *call = t->call;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    if (code != CURLE_OK && !t->enough)
        return failed(t, code);
    char *to = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
    if (call->redirects_max > 0 && to && is_redirect(call->status))
        return follow(t, to);
    call->sent = SENT_ANSWERED;
    return 0;
}

uint64_t transfer_moved_bytes(const struct transfer *t)
{
    curl_off_t uploaded = 0;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    return t->received_bytes + (uint64_t)uploaded;
}
