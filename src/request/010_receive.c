/* 010 receive: routes, reads the form, hashes the picture while it streams in, spools it.
 *
 * Happy path: the headers name a feature; a request is made; its parts stream into a body and into fields;
 * when the last byte is there, the pipeline goes on with 020. Failure modes: what the headers already forbid
 * is refused before a body byte is asked for; what the body shows (too large, malformed, too many fields) is
 * noted and the rest thrown away by the server; a connection that dies takes its request with it. Invariants:
 * an exchange has a request as its state exactly while the request is on the front and not answered. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "request/caller.h"
#include "request/receive.h"
#include "request/stage.h"

enum { FIELD_MAX_BYTES = 4096, FORM_OVERHEAD_BYTES = 64 << 10 };

struct intake {
    struct request *req;
    struct form *form; /* NULL: a raw body */
    char *field_name;  /* the text field that is being read; NULL: none */
    struct buf value;
    int64_t fields;
    bool image_seen;
};

/* ---- refusals that the headers already show ---- */

static int check_length(struct request *req, const struct exchange *x)
{
    int64_t length = exchange_content_length(x);
    int64_t most = req->svc->opt->upload_max_bytes;
    if (length > most + FORM_OVERHEAD_BYTES)
        return error_set_field(&req->err, ERR_PAYLOAD_TOO_LARGE, "image",
                               "The upload has %" PRId64 " bytes; at most %" PRId64 " are taken", length,
                               most);
    if (length == 0)
        return error_set_field(&req->err, ERR_VALIDATION, "image",
                               "Send the picture in the file field \"image\" of a multipart/form-data body");
    return 0;
}

static int check_headers(struct request *req, const struct exchange *x)
{
    if (atomic_load_explicit(&req->svc->draining, memory_order_relaxed)) {
        error_set(&req->err, ERR_DRAINING, "The server is shutting down; ask again in a moment");
        req->err.retry_after_s = 5;
        return -ERR_DRAINING;
    }
    return check_length(req, x);
}

static int check_rate(struct request *req, const struct exchange *x)
{
    struct rate_state *state = &req->receive.rate;
    if (!req->svc->rate)
        return 0;
    uint64_t who = caller_hash(x, (unsigned)req->svc->opt->trust_proxy, req->feature->route);
    if (rate_take(req->svc->rate, who, req->feature->per_minute, req->entered_ns[STAGE_RECEIVE], state))
        return 0;
    error_set(&req->err, ERR_RATE_LIMIT, "At most %u requests a minute are taken on this route",
              req->feature->per_minute);
    req->err.retry_after_s = state->retry_s;
    return -ERR_RATE_LIMIT;
}

/* ---- the body ---- */

static int image_bytes(struct intake *in, const void *data, size_t size)
{
    struct request *req = in->req;
    uint64_t most = (uint64_t)req->svc->opt->upload_max_bytes;
    if (body_size(req->receive.body) + size > most)
        return error_set_field(&req->err, ERR_PAYLOAD_TOO_LARGE, "image",
                               "The picture has more than %" PRIu64 " bytes", most);
    return size ? body_append(req->receive.body, data, size, &req->err) : 0;
}

static int begin_image(struct intake *in)
{
    struct request *req = in->req;
    if (in->image_seen)
        return error_set_field(&req->err, ERR_VALIDATION, "image", "There is more than one picture");
    in->image_seen = true;
    struct http_client *client = req->client_state;
    int64_t length = exchange_content_length(http_client_exchange(client));
    req->receive.body = body_new(req->svc->spool, length > 0 ? (uint64_t)length : 0);
    return 0;
}

static int end_field(struct intake *in)
{
    struct request *req = in->req;
    const char *name = TAKE(in->field_name);
    int r = 0;
    if (name && strlen(buf_text(&in->value)) < in->value.len) /* what is checked must be all of it */
        r = error_set_field(&req->err, ERR_VALIDATION, name, "The field holds a zero byte");
    else if (name)
        request_add_field(req, name, buf_text(&in->value));
    buf_release(&in->value);
    return r;
}

static int count_field(struct intake *in)
{
    struct request *req = in->req;
    int64_t most = req->svc->opt->form_fields_max;
    if (++in->fields > most)
        return error_set(&req->err, ERR_VALIDATION, "The form has more than %" PRId64 " fields", most);
    return 0;
}

static int begin_part(struct intake *in, const char *name, const char *filename)
{
    struct request *req = in->req;
    if (end_field(in) < 0 || count_field(in) < 0)
        return -(int)req->err.code;
    if (strcmp(name, "image") == 0)
        return begin_image(in);
    if (filename)
        return error_set_field(&req->err, ERR_VALIDATION, name,
                               "A file is taken only in the field \"image\"");
    in->field_name = arena_strndup(&req->arena, name, FIELD_MAX_BYTES);
    return 0;
}

static bool form_part(void *ctx, const char *name, const char *filename, const char *content_type,
                      const void *data, size_t offset, size_t size)
{
    struct intake *in = ctx;
    if (offset == 0 && begin_part(in, name ? name : "", filename) < 0)
        return false;
    if (!in->field_name)
        return image_bytes(in, data, size) == 0;
    if (buf_append(&in->value, data, size) < 0) {
        error_set_field(&in->req->err, ERR_VALIDATION, in->field_name, "The field is longer than %d bytes",
                        FIELD_MAX_BYTES);
        return false;
    }
    return true;
}

static void query_field(void *ctx, const char *name, const char *value)
{
    struct intake *in = ctx;
    if (in->req->err.code == ERR_NONE && count_field(in) == 0)
        request_add_field(in->req, name, value);
}

static bool has_type(const struct exchange *x, const char *start)
{
    const char *type = exchange_header(x, "Content-Type");
    return type && strncasecmp(type, start, strlen(start)) == 0;
}

/* Decides how the body is read. */
static int begin_body(struct intake *in, struct exchange *x)
{
    struct request *req = in->req;
    exchange_each_query(x, query_field, in);
    if (req->err.code != ERR_NONE)
        return -(int)req->err.code;
    if (has_type(x, "image/"))
        return begin_image(in);
    in->form = form_new(x, form_part, in);
    if (in->form)
        return 0;
    if (has_type(x, "multipart/form-data"))
        return error_set(&req->err, ERR_VALIDATION, "The Content-Type names no boundary");
    return error_set(
        &req->err, ERR_UNSUPPORTED_MEDIA_TYPE,
        "Send multipart/form-data with the file field \"image\", or the picture itself as image/*");
}

static int finish_body(struct intake *in)
{
    struct request *req = in->req;
    if (req->err.code != ERR_NONE)
        return -(int)req->err.code;
    bool whole = !in->form || form_finish(in->form) == 0;
    if (!whole && req->err.code == ERR_NONE)
        error_set(&req->err, ERR_VALIDATION, "The form ends in the middle: its last boundary is missing");
    if (req->err.code != ERR_NONE || end_field(in) < 0)
        return -(int)req->err.code;
    if (req->receive.body)
        body_finish(req->receive.body);
    req->receive.complete = true;
    return 0;
}

/* ---- the stage ---- */

enum verdict receive_enter(struct request *req)
{
    if (req->err.code != ERR_NONE)
        return FAIL;
    return req->receive.complete ? NEXT : WAIT;
}

enum verdict receive_done(struct request *req)
{
    return req->err.code == ERR_NONE ? NEXT : FAIL;
}

/* ---- the exchange's callbacks ---- */

static void intake_release(struct intake *in)
{
    form_free(TAKE(in->form));
    buf_release(&in->value);
}

static struct intake *intake_new(struct gate *gate, const struct feature *f, struct exchange *x)
{
    struct request *req = request_new(gate->svc, f, exchange_request_id(x), &http_client_ops, NULL,
                                      loop_now_ns(gate->svc->loop));
    req->client_state = http_client_new(&req->arena, x);
    struct intake *in = arena_alloc(&req->arena, sizeof(*in));
    in->req = req;
    buf_init(&in->value, FIELD_MAX_BYTES);
    return in;
}

static void refuse(struct exchange *x, enum err code, const char *allow)
{
    struct error e;
    error_set(&e, code, "%s", "");
    struct reply *r = reply_error(x, NULL, &e);
    if (allow)
        reply_header(r, "Allow", "%s", allow);
    exchange_answer(x, r);
}

static void begin_feature(struct gate *gate, const struct feature *f, struct exchange *x)
{
    metrics_arrived(gate->svc->metrics, f);
    struct intake *in = intake_new(gate, f, x);
    struct request *req = in->req;
    exchange_set_state(x, in);
    if (check_rate(req, x) == 0 && check_headers(req, x) == 0 && begin_body(in, x) == 0) {
        request_start(req); /* waits for the body */
        return;
    }
    intake_release(in);
    request_start(req);
}

static void on_request(void *ctx, struct exchange *x)
{
    struct gate *gate = ctx;
    const char *method = exchange_method(x);
    const char *path = exchange_path(x);
    bool method_ok;
    enum route_id route = web_find(method, path, &method_ok);
    const struct feature *f = feature_by_route(path);
    if (route != ROUTE_COUNT && method_ok)
        web_answer(gate->web, route, x);
    else if (route != ROUTE_COUNT)
        refuse(x, ERR_METHOD_NOT_ALLOWED, "GET, HEAD");
    else if (!f)
        refuse(x, ERR_NOT_FOUND, NULL);
    else if (strcmp(method, "POST") != 0)
        refuse(x, ERR_METHOD_NOT_ALLOWED, "POST");
    else
        begin_feature(gate, f, x);
}

/* The body shows that the request must fail: answer now, the server throws the rest away. */
static void fail_now(struct intake *in)
{
    intake_release(in);
    request_resume(in->req);
}

static void on_body(void *ctx, struct exchange *x, const void *data, size_t size)
{
    struct intake *in = exchange_state(x);
    struct request *req = in->req;
    if (!in->form) {
        if (image_bytes(in, data, size) < 0)
            fail_now(in);
        return;
    }
    int r = form_feed(in->form, data, size);
    if (r < 0 && req->err.code == ERR_NONE)
        error_set(&req->err, ERR_VALIDATION, "The form cannot be read: it is malformed");
    if (req->err.code != ERR_NONE)
        fail_now(in);
}

static void on_complete(void *ctx, struct exchange *x)
{
    struct intake *in = exchange_state(x);
    struct request *req = in->req;
    int r = finish_body(in);
    (void)r; /* req->err says it to the stage */
    intake_release(in);
    request_resume(req);
}

/* The connection died while the body was coming: nobody is there to answer. */
static void on_close(void *ctx, struct exchange *x)
{
    struct intake *in = exchange_state(x);
    if (!in)
        return;
    exchange_set_state(x, NULL);
    in->req->client = NULL;
    error_set(&in->req->err, ERR_CLIENT_GONE, "The connection closed while the upload was arriving");
    fail_now(in);
}

const struct http_handler receive_handler = {
    .on_request = on_request,
    .on_body = on_body,
    .on_complete = on_complete,
    .on_close = on_close,
};
