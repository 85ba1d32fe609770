/* 010 receive: routes, reads the form, hashes the picture while it streams in, spools it.
 *
 * Happy path: the headers name a feature; a request is made; its parts stream into a body and into fields;
 * when the last byte is there, the pipeline goes on with 020. Failure modes: what the headers already forbid
 * is refused before a body byte is asked for; what the body shows (too large, malformed, too many fields) is
 * noted and the rest thrown away by the server; a connection that dies takes its request with it. Invariants:
 * an exchange has a request as its state exactly while the request is on the front and not answered. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "metrics/metrics.h"
#include "request/access.h"
#include "request/caller.h"
#include "request/content_digest.h"
#include "request/figures.h"
#include "request/intake.h"
#include "request/job_wish.h"
#include "request/pictures.h"
#include "request/priority.h"
#include "request/receive.h"
#include "request/route_body.h"
#include "request/stage.h"
#include "web/pages.h"

enum { FORM_OVERHEAD_BYTES = 64 << 10 };

struct intake {
    struct route_body *route; /* it is no feature's: the rest is not used. NULL: it is */
    struct request *req;
    struct form *form; /* NULL: a raw body, or JSON */
    bool json;         /* the whole body is collected in value, up to json_max bytes */
    int64_t json_max;
    const char *field_name; /* the text field that is being read; NULL: none */
    struct buf value;
    struct field_count count;
    bool file;                  /* a file is being read; */
    unsigned row;               /* for this row of pictures, */
    struct body *into;          /* into this one; NULL: it has no place yet */
    unsigned picture;           /* which one */
    struct content_check check; /* of what comes, as it comes */
};

/* ---- refusals that the headers already show ---- */

static int check_length(struct request *req, const struct exchange *x)
{
    const struct options *opt = req->svc->opt;
    int64_t length = exchange_content_length(x);
    unsigned pictures = feature_pictures(req->feature);
    const char *field = pictures > 0 ? feature_picture(req->feature, 0)->field : "";
    int64_t most = pictures > 0 ? opt->upload_max_bytes * pictures : opt->json_limit;
    if (length > most + FORM_OVERHEAD_BYTES)
        return error_set_field(&req->err, ERR_PAYLOAD_TOO_LARGE, field,
                               "The upload has %" PRId64 " bytes; at most %" PRId64 " are taken", length,
                               most);
    return 0;
}

int receive_check_draining(struct request *req)
{
    if (!atomic_load_explicit(&req->svc->draining, memory_order_relaxed))
        return 0;
    error_set(&req->err, ERR_DRAINING, "The server is shutting down; ask again in a moment");
    req->err.retry_after_s = 5;
    return -ERR_DRAINING;
}

static int check_headers(struct request *req, const struct exchange *x)
{
    int r = receive_check_draining(req);
    return r < 0 ? r : check_length(req, x);
}

static int check_access(const struct gate *gate, struct request *req, const struct exchange *x)
{
    int r = access_check(gate->access, x, &req->tenant, &req->err);
    req->receive.known = r == 0;
    req->caller = caller_hash(x, (unsigned)req->svc->opt->trust_proxy, req->tenant, "");
    return r;
}

static int too_many(unsigned per_minute, const struct rate_state *state, struct error *e)
{
    int r = error_set(e, ERR_RATE_LIMIT, "At most %u requests a minute are taken on this route", per_minute);
    e->retry_after_s = state->retry_s;
    return r;
}

static int check_rate(struct request *req, const struct exchange *x)
{
    struct rate_state *state = &req->receive.rate;
    if (!req->svc->rate)
        return 0;
    uint64_t who = caller_hash(x, (unsigned)req->svc->opt->trust_proxy, req->tenant, req->feature->route);
    if (rate_take(req->svc->rate, who, req->feature->per_minute, req->entered_ns[STAGE_RECEIVE], state))
        return 0;
    return too_many(req->feature->per_minute, state, &req->err);
}

/* ---- what the headers wish ---- */

static void read_wish(struct request *req, const struct exchange *x)
{
    const char *header = exchange_header_list(x, "Cache-Control", &req->arena);
    int r = header ? cache_control_parse(header, &req->wish) : 0;
    (void)r; /* one that cannot be read is as good as none */
    req->priority = priority_parse(exchange_header_list(x, "Priority", &req->arena));
}

/* ---- the body ---- */

static int image_bytes(struct intake *in, const void *data, size_t size)
{
    struct request *req = in->req;
    uint64_t most = (uint64_t)req->svc->opt->upload_max_bytes;
    if (body_size(in->into) + size > most) {
        int r =
            error_set(&req->err, ERR_PAYLOAD_TOO_LARGE, "The picture has more than %" PRIu64 " bytes", most);
        feature_blame_picture(req->feature, in->picture, &req->err);
        return r;
    }
    return size ? body_append(in->into, data, size, &req->err) : 0;
}

static int begin_image(struct intake *in, unsigned row)
{
    struct request *req = in->req;
    unsigned i;
    if (picture_place(req, row, &i) < 0)
        return -(int)req->err.code;
    struct http_client *client = req->client_state;
    int64_t length = exchange_content_length(http_client_exchange(client));
    in->picture = i;
    req->receive.body[i] = in->into = body_new(req->svc->spool, length > 0 ? (uint64_t)length : 0);
    return 0;
}

/* A file without a name has its place when its first byte comes: for a file input that nobody used, a browser
 * sends a part without either. */
static int file_bytes(struct intake *in, const void *data, size_t size)
{
    if (!in->into && size > 0 && begin_image(in, in->row) < 0)
        return -(int)in->req->err.code;
    return in->into ? image_bytes(in, data, size) : 0;
}

static int end_field(struct intake *in)
{
    struct request *req = in->req;
    const char *name = TAKE(in->field_name);
    int r = 0;
    in->into = NULL;
    in->file = false;
    if (name && strlen(buf_text(&in->value)) < in->value.len) /* what is checked must be all of it */
        r = error_set_field(&req->err, req->feature->refusal, name, "The field holds a zero byte");
    else if (name)
        r = intake_text(req, name, buf_text(&in->value));
    buf_release(&in->value);
    return r;
}

static int refuse_file(struct request *req, const char *name)
{
    size_t count;
    const struct image_row *row = feature_images(req->feature, &count);
    if (count == 0)
        return error_set_field(&req->err, req->feature->refusal, name, "No file is taken here, only texts");
    return error_set_field(&req->err, req->feature->refusal, name,
                           "A file is taken only in the field \"%s\"%s%s%s", row[0].field,
                           count > 1 ? " or \"" : "", count > 1 ? row[1].field : "", count > 1 ? "\"" : "");
}

static int begin_part(struct intake *in, const char *name, const char *filename)
{
    struct request *req = in->req;
    if (end_field(in) < 0 || intake_count(req, &in->count, name) < 0)
        return -(int)req->err.code;
    int row = feature_file_of(req->feature, name);
    if (row >= 0) {
        in->file = true;
        in->row = (unsigned)row;
        return filename && !*filename ? 0 : begin_image(in, in->row);
    }
    if (filename)
        return refuse_file(req, name);
    in->field_name = arena_strndup(&req->arena, name, FIELD_MAX_BYTES);
    buf_init(&in->value, intake_field_bytes(req->feature, name));
    return 0;
}

static bool form_part(void *ctx, const char *name, const char *filename, const char *content_type,
                      const void *data, size_t offset, size_t size)
{
    struct intake *in = ctx;
    if (offset == 0 && begin_part(in, name ? name : "", filename) < 0)
        return false;
    if (in->file)
        return file_bytes(in, data, size) == 0;
    if (buf_append(&in->value, data, size) < 0) {
        int r = intake_refuse_long(in->req, in->field_name);
        return r == 0;
    }
    return true;
}

static void query_field(void *ctx, const char *name, const char *value)
{
    struct intake *in = ctx;
    struct request *req = in->req;
    if (req->err.code == ERR_NONE && intake_count(req, &in->count, name) == 0 &&
        intake_text(req, name, value) < 0)
        return; /* req->err says why */
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
    const char *digest = exchange_header_list(x, "Content-Digest", &req->arena);
    if (content_check_begin(&in->check, digest, &req->err) < 0)
        return -(int)req->err.code;
    if (exchange_content_length(x) == 0)
        return 0; /* whatever its type says: all there is stands in the query */
    bool pictures = feature_pictures(req->feature) > 0;
    if (pictures && has_type(x, "image/"))
        return begin_image(in, 0);
    if (has_type(x, "application/json")) {
        in->json = true;
        in->json_max = req->svc->opt->json_limit;
        buf_init(&in->value, (size_t)in->json_max);
        return 0;
    }
    in->form = form_new(x, form_part, in);
    if (in->form)
        return 0;
    if (has_type(x, "multipart/form-data"))
        return error_set(&req->err, ERR_VALIDATION, "The Content-Type names no boundary");
    return error_set(&req->err, ERR_UNSUPPORTED_MEDIA_TYPE, "%s",
                     pictures ? "Send multipart/form-data with a picture in it, the picture itself as "
                                "image/*, or JSON with its address"
                              : "Send JSON, or a form of texts");
}

static int finish_form(struct intake *in)
{
    struct request *req = in->req;
    if (in->json)
        return intake_json(req, &in->value, &in->count.fields);
    bool whole = !in->form || form_finish(in->form) == 0;
    if (!whole && req->err.code == ERR_NONE)
        error_set(&req->err, ERR_VALIDATION, "The form ends in the middle: its last boundary is missing");
    return req->err.code == ERR_NONE ? end_field(in) : -(int)req->err.code;
}

static int finish_body(struct intake *in)
{
    struct request *req = in->req;
    if (req->err.code != ERR_NONE || finish_form(in) < 0)
        return -(int)req->err.code;
    if (content_check_end(&in->check, &req->err) < 0 || take_digests(req) < 0 || job_wish_take(req) < 0 ||
        take_addresses(req) < 0)
        return -(int)req->err.code;
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        if (req->receive.body[i])
            body_finish(req->receive.body[i]);
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
    content_check_release(&in->check);
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

/* methods: as in routes.def. */
static void refuse_method(struct exchange *x, enum route_id route)
{
    char allow[WEB_ALLOW_MAX];
    web_allow(route, exchange_path(x), allow);
    refuse(x, ERR_METHOD_NOT_ALLOWED, allow);
}

static void begin_feature(struct gate *gate, const struct feature *f, struct exchange *x)
{
    metrics_arrived(gate->svc->metrics, f);
    exchange_set_tag(x, metric_feature_route(f));
    struct intake *in = intake_new(gate, f, x);
    struct request *req = in->req;
    exchange_set_state(x, in);
    read_wish(req, x);
    if (check_access(gate, req, x) == 0 && check_rate(req, x) == 0 && check_headers(req, x) == 0 &&
        job_wish_read(req, x) == 0 && budget_allows_body(req) == 0 && begin_body(in, x) == 0) {
        req->receive.admitted_ns = loop_now_ns(gate->svc->loop);
        request_start(req); /* waits for the body */
        return;
    }
    intake_release(in);
    request_start(req);
}

/* The limits of an address that is no feature: health and metrics are for everybody, others have a rate. */
static int check_route(struct gate *gate, const struct route *route, const struct exchange *x,
                       struct web_caller *caller, struct error *e)
{
    if (route->per_minute == 0)
        return 0;
    if (access_check(gate->access, x, &caller->who, e) < 0)
        return -(int)e->code;
    if (!gate->svc->rate)
        return 0;
    uint64_t who = caller_hash(x, (unsigned)gate->svc->opt->trust_proxy, caller->who, route->path);
    if (rate_take(gate->svc->rate, who, route->per_minute, loop_now_ns(gate->svc->loop), &caller->rate))
        return 0;
    return too_many(route->per_minute, &caller->rate, e);
}

static void begin_route(struct gate *gate, enum route_id route, struct exchange *x)
{
    exchange_set_tag(x, metric_route(route));
    struct web_caller caller = {0};
    struct error e;
    if (check_route(gate, &routes[route], x, &caller, &e) < 0) {
        struct reply *r = reply_error(x, NULL, &e);
        page_rate_headers(r, &caller.rate);
        exchange_answer(x, r);
        return;
    }
    if (web_body_max(gate->web, route) == 0) {
        web_answer(gate->web, route, x, &caller);
        return;
    }
    struct route_body *body = route_body_new(gate, route, x, &caller);
    if (!body)
        return;
    struct intake *in = NEW(struct intake);
    in->route = body;
    exchange_set_state(x, in);
}

static void end_route(struct exchange *x, struct intake *in)
{
    exchange_set_state(x, NULL);
    route_body_free(in->route);
    free(in);
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
        begin_route(gate, route, x);
    else if (route != ROUTE_COUNT)
        refuse_method(x, route);
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
    if (in->route) {
        if (!route_body_feed(in->route, x, data, size))
            end_route(x, in);
        return;
    }
    content_check_feed(&in->check, data, size);
    if (in->json && buf_append(&in->value, data, size) < 0)
        error_set(&req->err, ERR_PAYLOAD_TOO_LARGE, "The JSON is longer than %" PRId64 " bytes",
                  in->json_max);
    if (!in->json && !in->form) {
        int r = image_bytes(in, data, size);
        (void)r; /* req->err says it */
    }
    if (in->form && form_feed(in->form, data, size) < 0 && req->err.code == ERR_NONE)
        error_set(&req->err, ERR_VALIDATION, "The form cannot be read: it is malformed");
    if (req->err.code != ERR_NONE)
        fail_now(in);
}

static void on_complete(void *ctx, struct exchange *x)
{
    struct intake *in = exchange_state(x);
    struct request *req = in->req;
    if (in->route) {
        exchange_set_state(x, NULL); /* it may be suspended from here on */
        route_body_complete(in->route, x);
        route_body_free(in->route);
        free(in);
        return;
    }
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
    if (in->route) {
        end_route(x, in);
        return;
    }
    exchange_set_state(x, NULL);
    in->req->client = NULL;
    error_set(&in->req->err, ERR_CLIENT_GONE, "The connection closed while the upload was arriving");
    fail_now(in);
}

static void on_figures(void *ctx, const struct http_figures *f)
{
    const struct gate *gate = ctx;
    figures_of_exchange(gate->svc->metrics, f);
}

const struct http_handler receive_handler = {
    .on_request = on_request,
    .on_body = on_body,
    .on_complete = on_complete,
    .on_close = on_close,
    .on_figures = on_figures,
};
