/* Happy path: sign, send, judge the answer, done.
 * Failure modes: no connection, a broken one, a time-out, 408, 429, 5xx and SlowDown are tried again while
 * the call's patience lasts; the rest ends it at once.
 * Invariants: every call is in `live` from init to release; it is sending, pausing, or its owner's. */
#include "store/s3_call.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { CONNECT_MS = 5000, STALL_MS = 15000 };

void s3_call_init(struct s3_call *c, struct s3 *s3, const char *method, const char *name,
                  void (*done)(struct s3_call *c, int r))
{
    c->s3 = s3;
    c->method = method;
    c->done = done;
    c->path = name ? mem_printf("/%s/%s", s3->bucket, name) : mem_printf("/%s", s3->bucket);
    patience_begin(&c->patience, s3->retries, loop_now_ns(s3->store.loop), 0);
    c->answer_max_bytes = S3_ANSWER_MAX;
    snprintf(c->payload, sizeof(c->payload), "%s", SIGV4_EMPTY_PAYLOAD);
    buf_init(&c->url, S3_URL_MAX);
    buf_init(&c->authorization, S3_URL_MAX);
    list_push_back(&s3->live, &c->node);
}

void s3_call_release(struct s3_call *c)
{
    struct s3 *s3 = c->s3;
    list_remove(&c->node);
    http_call_release(&c->http);
    buf_release(&c->url);
    buf_release(&c->authorization);
    blob_unref(TAKE(c->body));
    free(TAKE(c->path));
    if (s3->closing && list_empty(&s3->live))
        loop_uv_stop(s3->uv);
}

/* ---- sending ---- */

struct sigv4_request s3_request(const struct s3 *s3, const char *method, const char *path,
                                const char *payload)
{
    return (struct sigv4_request){.method = method,
                                  .host = s3->host,
                                  .path = path,
                                  .payload = payload,
                                  .access_key = s3->access_key,
                                  .secret = s3->secret,
                                  .region = s3->region,
                                  .service = "s3",
                                  .time_s = clock_wall_s()};
}

/* 0 or INTERNAL */
static int sign(struct s3_call *c)
{
    struct sigv4_request r = s3_request(c->s3, c->method, c->path, c->payload);
    r.query = c->query;
    r.query_count = c->query_count;
    r.header = c->header;
    r.header_count = c->header_count;
    buf_release(&c->url);
    buf_release(&c->authorization);
    buf_puts(&c->url, c->s3->endpoint);
    bool bad = sigv4_date(r.time_s, c->date) < 0 || sigv4_path(c->path, &c->url) < 0;
    if (c->query_count > 0)
        bad = bad || buf_puts(&c->url, "?") < 0 || sigv4_query(c->query, c->query_count, &c->url) < 0;
    bad = bad || sigv4_authorization(&r, &c->authorization) < 0;
    return bad ? error_set(&c->err, ERR_INTERNAL, "The request to the store could not be signed") : 0;
}

static void on_answer(struct op *op);

static void add_header(struct http_call *http, const char *name, const char *value, bool secret)
{
    http->header[http->header_count++] = (struct http_header){name, value, secret};
}

static void unsigned_over(struct timer *timer)
{
    struct s3_call *c = CONTAINER_OF(timer, struct s3_call, pause);
    c->pausing = false;
    c->done(c, -ERR_INTERNAL);
}

void s3_call_send(struct s3_call *c)
{
    const struct s3 *s3 = c->s3;
    if (sign(c) < 0) {
        c->pausing = true;
        timer_arm(s3->store.loop, &c->pause, loop_now_ns(s3->store.loop), unsigned_over);
        return;
    }
    http_call_release(&c->http);
    c->http = (struct http_call){
        .method = c->method,
        .url = buf_text(&c->url),
        .body = c->body && c->body->size ? c->body : NULL,
        .answer_max_bytes = MAX(c->answer_max_bytes, (uint64_t)S3_ANSWER_MAX),
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = patience_left_ms(&c->patience, loop_now_ns(s3->store.loop), s3->timeout_ms),
        .stall_timeout_ms = STALL_MS,
    };
    add_header(&c->http, "Authorization", buf_text(&c->authorization), true);
    add_header(&c->http, "x-amz-date", c->date, false);
    add_header(&c->http, "x-amz-content-sha256", c->payload, false);
    for (unsigned i = 0; i < c->header_count; i++)
        add_header(&c->http, c->header[i].name, c->header[i].value, false);
    c->sending = true;
    c->http.op.owner = c;
    http_call_start(s3->pool, &c->http, on_answer);
}

static void pause_over(struct timer *timer)
{
    struct s3_call *c = CONTAINER_OF(timer, struct s3_call, pause);
    c->pausing = false;
    s3_call_send(c);
}

/* True when another try has been arranged. */
static bool again(struct s3_call *c)
{
    struct s3 *s3 = c->s3;
    uint64_t at = patience_next_ns(&c->patience, &s3->rng, loop_now_ns(s3->store.loop), c->http.retry_after);
    if (at == 0)
        return false;
    c->pausing = true;
    timer_arm(s3->store.loop, &c->pause, at, pause_over);
    return true;
}

/* ---- judging ---- */

static bool said(const struct s3_call *c, const char *code)
{
    return strcmp(c->said.code, code) == 0;
}

/* What an operator can repair, by name. */
static int refusal(struct s3_call *c)
{
    const struct s3 *s3 = c->s3;
    int status = c->http.status;
    if (status == 507)
        return error_set(&c->err, ERR_STORAGE_FULL, "The store is full (%s)", c->said.code);
    if (said(c, "NoSuchBucket"))
        return error_set(&c->err, ERR_STORAGE_FAILED,
                         "CF_R2_BUCKET: there is no bucket \"%.64s\" at %.64s; make it, or correct the name",
                         s3->bucket, s3->host);
    if (status == 404)
        return error_set(&c->err, ERR_NOT_FOUND, "There is no such object (%s)", c->said.code);
    if (said(c, "AuthorizationHeaderMalformed") || said(c, "PermanentRedirect"))
        return error_set(
            &c->err, ERR_STORAGE_FAILED,
            "S3_REGION: %.64s does not take \"%.32s\" as the region of the bucket \"%.64s\" (%s)", s3->host,
            s3->region, s3->bucket, c->said.code);
    if (said(c, "RequestTimeTooSkewed"))
        return error_set(&c->err, ERR_STORAGE_FAILED,
                         "%.64s refuses requests because this machine's clock is wrong (%s)", s3->host,
                         c->said.code);
    if (status == 401 || status == 403)
        return error_set(&c->err, ERR_STORAGE_FAILED,
                         "%.64s refuses CF_R2_ACCESS_KEY_ID and CF_R2_SECRET_ACCESS_KEY for the bucket "
                         "\"%.64s\" (%s)",
                         s3->host, s3->bucket, c->said.code);
    return error_set(&c->err, ERR_STORAGE_FAILED, "%.64s answers %d (%s)", s3->host, status, c->said.code);
}

/* 0 or negative; err is filled for operators. */
static int judge(struct s3_call *c)
{
    const struct http_call *http = &c->http;
    int r = http->op.result;
    c->said = (struct s3_xml_error){0};
    if (r < 0) {
        c->err = http->err;
        bool ours = r == -ERR_CLIENT_GONE || r == -ERR_PAYLOAD_TOO_LARGE || r == -ERR_INTERNAL;
        return ours ? r : error_set(&c->err, ERR_STORAGE_FAILED, "%s", http->err.reason);
    }
    if (http->status >= 200 && http->status < 300)
        return 0;
    if (s3_xml_read_error(http->answer.data, http->answer.len, &c->said) < 0)
        snprintf(c->said.code, sizeof(c->said.code), "HTTP %d", http->status);
    return refusal(c);
}

/* All that is sent here may be sent twice. */
static bool may_pass(const struct s3_call *c)
{
    const struct http_call *http = &c->http;
    if (http->op.result < 0)
        return http->op.result == -ERR_PROVIDER_UNAVAILABLE || http->op.result == -ERR_DEADLINE ||
               http->op.result == -ERR_UPSTREAM;
    return http->status == 408 || http->status == 429 ||
           (http->status >= 500 && http->status != 501 && http->status != 507) || said(c, "SlowDown") ||
           said(c, "RequestTimeout");
}

static int gone(struct s3_call *c)
{
    return error_set(&c->err, ERR_CLIENT_GONE, "The call to the store was cancelled");
}

static void on_answer(struct op *op)
{
    struct s3_call *c = op->owner;
    c->sending = false;
    int r = judge(c);
    if (r < 0 && c->cancelled)
        c->done(c, gone(c));
    else if (r == 0 || !may_pass(c) || !again(c))
        c->done(c, r);
}

void s3_call_cancel(struct s3_call *c)
{
    c->cancelled = true;
    if (c->sending) {
        op_cancel(&c->http.op);
    } else if (c->pausing) {
        timer_disarm(c->s3->store.loop, &c->pause);
        c->pausing = false;
        c->done(c, gone(c));
    }
}

bool s3_call_in_doubt(const struct s3_call *c)
{
    return c->http.method && c->http.status == 0 && c->http.sent != SENT_NOTHING;
}

int s3_call_tell(const struct s3_call *c, int r, const char *what, struct error *ret)
{
    *ret = c->err;
    if (r == -ERR_PAYLOAD_TOO_LARGE)
        return error_set(ret, ERR_PAYLOAD_TOO_LARGE, "%s: it is too large", what);
    if (r != -ERR_STORAGE_FAILED)
        return r;
    const char *why = *c->said.code           ? c->said.code
                      : c->http.op.result < 0 ? err_row((enum err) - c->http.op.result)->code
                                              : "what it says cannot be understood";
    return error_set(ret, ERR_STORAGE_FAILED, "%s (%s)", what, why);
}
