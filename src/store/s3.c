/* The S3 driver: results in a bucket of S3, R2 or their kin, path style, over the HTTP client.
 *
 * Happy path: a lane thread hashes the body, the core signs and sends one PUT.
 * Failure modes: no connection, a broken one, a time-out, 408, 429, 5xx and SlowDown are tried again, with
 * full jitter and no sooner than Retry-After asks; the rest ends the put at once. A put that failed or was
 * cancelled while the server may have had it is followed by a DELETE that nobody waits for.
 * Invariants: every transfer is in `live` until it is finished; a transfer signs anew each time it is sent;
 * `health` is the only thing that other threads touch. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "http/client/client.h"
#include "loop/lane.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"
#include "store/store.h"

enum {
    CONNECTIONS = 32,
    CONNECT_MS = 5000,
    STALL_MS = 15000,
    CHECK_MS = 10000,
    CHECK_EVERY_S = 60,
    CHECK_AGAIN_S = 5, /* after one that failed */
    PAUSE_BASE_MS = 200,
    PAUSE_MAX_MS = 10000,
    ANSWER_MAX = 64 << 10,
    URL_MAX = 8192
};

#define CHECK_KEY "limner-check"

struct s3 {
    struct store store;
    struct loop_uv *uv;
    struct lane *lane;
    struct http_client_pool *pool;
    char *endpoint; /* "https://host:port" */
    const char *host;
    char *bucket, *access_key, *secret, *region;
    unsigned retries;
    uint32_t timeout_ms;
    struct rng rng;
    struct list live; /* of struct transfer */
    struct timer recheck;
    bool starting, closing; /* loop_uv_run is ours: until the check has ended; until `live` is empty */
    pthread_mutex_t mutex;  /* over health */
    struct error health;
};

enum transfer_at { HASHING, SENDING, PAUSING };

struct transfer {
    struct http_call call;
    struct lane_job hash;
    struct timer pause;
    struct list node;
    struct s3 *s3;
    void (*done)(struct transfer *t, int r); /* before it is freed; t->err is filled if r < 0 */
    struct store_put *put;                   /* NULL: none waits */
    const char *method, *content_type;
    struct blob *body;
    enum transfer_at at;
    bool cancelled;
    unsigned tries_left;
    char key[STORE_KEY_MAX + 1];
    char payload[DIGEST_HEX + 1];
    char date[SIGV4_DATE];
    struct buf url, authorization;
    struct s3_xml_error said; /* by the server; code "" if nothing */
    struct error err;
};

static struct s3 *s3_of(struct store *s)
{
    return CONTAINER_OF(s, struct s3, store);
}

/* ---- one transfer ---- */

static struct transfer *transfer_new(struct s3 *s3, const char *method, const char *key,
                                     void (*done)(struct transfer *t, int r))
{
    struct transfer *t = NEW(struct transfer);
    t->s3 = s3;
    t->method = method;
    t->done = done;
    t->tries_left = s3->retries;
    snprintf(t->key, sizeof(t->key), "%s", key);
    snprintf(t->payload, sizeof(t->payload), "%s", SIGV4_EMPTY_PAYLOAD);
    buf_init(&t->url, URL_MAX);
    buf_init(&t->authorization, URL_MAX);
    list_push_back(&s3->live, &t->node);
    return t;
}

static void transfer_finish(struct transfer *t, int r)
{
    struct s3 *s3 = t->s3;
    list_remove(&t->node);
    t->done(t, r);
    http_call_release(&t->call);
    buf_release(&t->url);
    buf_release(&t->authorization);
    free(t);
    if (s3->closing && list_empty(&s3->live))
        loop_uv_stop(s3->uv);
}

static struct sigv4_request request_of(const struct s3 *s3, const char *method, const char *path,
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
static int sign(struct transfer *t)
{
    FREE_ON_EXIT char *path = mem_printf("/%s/%s", t->s3->bucket, t->key);
    struct sigv4_request r = request_of(t->s3, t->method, path, t->payload);
    struct sigv4_pair type = {"Content-Type", t->content_type};
    r.header = &type;
    r.header_count = t->content_type ? 1 : 0;
    buf_release(&t->url);
    buf_release(&t->authorization);
    buf_puts(&t->url, t->s3->endpoint);
    bool bad = sigv4_date(r.time_s, t->date) < 0 || sigv4_path(path, &t->url) < 0 ||
               sigv4_authorization(&r, &t->authorization) < 0;
    return bad ? error_set(&t->err, ERR_INTERNAL, "The request to the store could not be signed") : 0;
}

static void on_answer(struct op *op);

static void transfer_send(struct transfer *t)
{
    const struct s3 *s3 = t->s3;
    if (sign(t) < 0) {
        transfer_finish(t, -ERR_INTERNAL);
        return;
    }
    http_call_release(&t->call);
    t->call = (struct http_call){
        .method = t->method,
        .url = buf_text(&t->url),
        .body = t->body && t->body->size ? t->body : NULL,
        .header = {{"Authorization", buf_text(&t->authorization), true},
                   {"x-amz-date", t->date, false},
                   {"x-amz-content-sha256", t->payload, false},
                   {"Content-Type", t->content_type, false}},
        .header_count = t->content_type ? 4 : 3,
        .answer_max_bytes = ANSWER_MAX,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = s3->timeout_ms,
        .stall_timeout_ms = STALL_MS,
    };
    t->at = SENDING;
    t->call.op.owner = t;
    http_call_start(s3->pool, &t->call, on_answer);
}

static void pause_over(struct timer *timer)
{
    transfer_send(CONTAINER_OF(timer, struct transfer, pause));
}

static void transfer_pause(struct transfer *t)
{
    struct s3 *s3 = t->s3;
    unsigned nth = s3->retries - t->tries_left--;
    uint64_t most = MIN((uint64_t)PAUSE_BASE_MS << MIN(nth, 10u), (uint64_t)PAUSE_MAX_MS);
    uint64_t ms = rng_below(&s3->rng, most + 1);
    int64_t asked_s = http_retry_after_s(t->call.retry_after, clock_wall_s());
    if (asked_s > 0)
        ms = MAX(ms, MIN((uint64_t)asked_s * 1000, (uint64_t)PAUSE_MAX_MS));
    t->at = PAUSING;
    timer_arm(s3->store.loop, &t->pause, loop_now_ns(s3->store.loop) + ms * NS_PER_MS, pause_over);
}

/* What the server said, if it failed. 0 or negative; err is filled for operators. */
static int judge(struct transfer *t)
{
    const struct http_call *c = &t->call;
    t->said = (struct s3_xml_error){0};
    if (c->op.result < 0) {
        t->err = c->err;
        return c->op.result;
    }
    if (c->status >= 200 && c->status < 300)
        return 0;
    if (s3_xml_read_error(c->answer.data, c->answer.len, &t->said) < 0)
        snprintf(t->said.code, sizeof(t->said.code), "HTTP %d", c->status);
    if (c->status == 507)
        return error_set(&t->err, ERR_STORAGE_FULL, "The store is full (%s)", t->said.code);
    if (strcmp(t->said.code, "NoSuchBucket") == 0)
        return error_set(&t->err, ERR_UPSTREAM, "CF_R2_BUCKET: there is no bucket \"%.64s\" at %.64s",
                         t->s3->bucket, t->s3->host);
    if (c->status == 401 || c->status == 403)
        return error_set(&t->err, ERR_UPSTREAM,
                         "%.64s refuses CF_R2_ACCESS_KEY_ID and CF_R2_SECRET_ACCESS_KEY for the bucket "
                         "\"%.64s\" (%s)",
                         t->s3->host, t->s3->bucket, t->said.code);
    return error_set(&t->err, ERR_UPSTREAM, "%.64s answers %d (%s)", t->s3->host, c->status, t->said.code);
}

/* All that is sent here may be sent twice. */
static bool may_pass(const struct transfer *t)
{
    const struct http_call *c = &t->call;
    if (c->op.result < 0)
        return c->op.result == -ERR_PROVIDER_UNAVAILABLE || c->op.result == -ERR_DEADLINE ||
               c->op.result == -ERR_UPSTREAM;
    return c->status == 408 || c->status == 429 ||
           (c->status >= 500 && c->status != 501 && c->status != 507) ||
           strcmp(t->said.code, "SlowDown") == 0 || strcmp(t->said.code, "RequestTimeout") == 0;
}

static int gone(struct transfer *t)
{
    return error_set(&t->err, ERR_CLIENT_GONE, "Storing the result was cancelled");
}

static void on_answer(struct op *op)
{
    struct transfer *t = op->owner;
    int r = judge(t);
    if (r < 0 && t->cancelled)
        transfer_finish(t, gone(t));
    else if (r < 0 && t->tries_left > 0 && may_pass(t))
        transfer_pause(t);
    else
        transfer_finish(t, r);
}

static void transfer_cancel(struct transfer *t)
{
    t->cancelled = true;
    if (t->at == HASHING) {
        op_cancel(&t->hash.op);
    } else if (t->at == SENDING) {
        op_cancel(&t->call.op);
    } else {
        timer_disarm(t->s3->store.loop, &t->pause);
        transfer_finish(t, gone(t));
    }
}

/* ---- remove: nobody waits ---- */

static void removed(struct transfer *t, int r)
{
    (void)t;
    (void)r; /* best effort: an unlisted object harms nobody */
}

static int s3_remove(struct store *s, const char *key)
{
    if (!store_key_valid(key))
        return -ERR_NOT_FOUND;
    transfer_send(transfer_new(s3_of(s), "DELETE", key, removed));
    return 0;
}

/* ---- put ---- */

static void put_done(struct transfer *t, int r)
{
    struct store_put *p = t->put;
    if (r < 0) {
        p->err = t->err;
        if (r != -ERR_CLIENT_GONE && r != -ERR_STORAGE_FULL && r != -ERR_INTERNAL) {
            /* The caller is told what happened, not how we are set up. */
            const char *what = *t->said.code ? t->said.code : err_row((enum err) - r)->code;
            r = error_set(&p->err, ERR_UPSTREAM, "The result could not be stored (%s)", what);
        }
        if (t->call.method && t->call.status == 0 && t->call.sent != SENT_NOTHING)
            s3_remove(&t->s3->store, t->key);
    }
    p->driver_state = NULL;
    op_complete(&p->op, r);
}

static int run_hash(struct lane_job *job)
{
    struct transfer *t = CONTAINER_OF(job, struct transfer, hash);
    uint8_t digest[DIGEST_BYTES];
    digest_of(t->body->data, t->body->size, digest);
    hex_encode(digest, sizeof(digest), t->payload);
    return 0;
}

static void hashed(struct op *op)
{
    struct transfer *t = CONTAINER_OF(op, struct transfer, hash.op);
    if (t->cancelled)
        transfer_finish(t, gone(t));
    else
        transfer_send(t);
}

static void cancel_put(struct op *op)
{
    struct store_put *p = CONTAINER_OF(op, struct store_put, op);
    transfer_cancel(p->driver_state);
}

static void s3_put(struct store *s, struct store_put *p)
{
    struct s3 *s3 = s3_of(s);
    struct transfer *t = transfer_new(s3, "PUT", p->key, put_done);
    t->put = p;
    t->content_type = p->content_type;
    t->body = p->body;
    if (lane_submit(s3->lane, &t->hash, run_hash, hashed) < 0) {
        t->done = removed; /* nobody is told by it */
        transfer_finish(t, -ERR_QUEUE_FULL);
        store_put_refuse(p, ERR_QUEUE_FULL, "Too many results are waiting to be stored");
        return;
    }
    p->driver_state = t;
    p->op.cancel = cancel_put;
}

/* ---- links ---- */

static int s3_link(struct store *s, const char *key, unsigned expires_s, struct buf *ret)
{
    const struct s3 *s3 = s3_of(s);
    FREE_ON_EXIT char *path = mem_printf("/%s/%s", s3->bucket, key);
    struct sigv4_request r = request_of(s3, "GET", path, SIGV4_UNSIGNED_PAYLOAD);
    BUF_ON_EXIT struct buf url;
    buf_init(&url, URL_MAX);
    buf_puts(&url, s3->endpoint);
    if (sigv4_path(path, &url) < 0)
        return -ERR_INTERNAL;
    if (expires_s > 0 && (buf_puts(&url, "?") < 0 || sigv4_presign(&r, expires_s, &url) < 0))
        return -ERR_INTERNAL;
    return buf_append(ret, url.data, url.len) < 0 ? -ERR_INTERNAL : 0;
}

/* ---- check: the core asks now and then, everybody is told the last answer ---- */

static void check_start(struct s3 *s3);

static void check_again(struct timer *timer)
{
    check_start(CONTAINER_OF(timer, struct s3, recheck));
}

static void checked(struct transfer *t, int r)
{
    struct s3 *s3 = t->s3;
    blob_unref(t->body);
    if (s3->closing)
        return;
    pthread_mutex_lock(&s3->mutex);
    s3->health = r < 0 ? t->err : (struct error){0};
    pthread_mutex_unlock(&s3->mutex);
    uint64_t after_s = r < 0 ? CHECK_AGAIN_S : CHECK_EVERY_S;
    timer_arm(s3->store.loop, &s3->recheck, loop_now_ns(s3->store.loop) + after_s * NS_PER_S, check_again);
    if (s3->starting)
        loop_uv_stop(s3->uv);
}

static void check_start(struct s3 *s3)
{
    static const char text[] = "limner can store results here\n";
    struct transfer *t = transfer_new(s3, "PUT", CHECK_KEY, checked);
    uint8_t digest[DIGEST_BYTES];
    t->content_type = "text/plain";
    t->body = blob_copy(text, sizeof(text) - 1);
    t->tries_left = 0;
    digest_of(t->body->data, t->body->size, digest);
    hex_encode(digest, sizeof(digest), t->payload);
    transfer_send(t);
}

static int s3_check(struct store *s, struct error *e)
{
    struct s3 *s3 = s3_of(s);
    pthread_mutex_lock(&s3->mutex);
    if (s3->health.code)
        *e = s3->health;
    int r = -(int)s3->health.code;
    pthread_mutex_unlock(&s3->mutex);
    return r;
}

/* ---- start and end ---- */

static void s3_free(struct store *s)
{
    struct s3 *s3 = s3_of(s);
    timer_disarm(s->loop, &s3->recheck);
    LIST_FOREACH_SAFE (node, &s3->live) {
        struct transfer *t = CONTAINER_OF(node, struct transfer, node);
        CHECK(!t->put);
        t->tries_left = 0;
        transfer_cancel(t);
    }
    s3->closing = true;
    if (!list_empty(&s3->live))
        loop_uv_run(s3->uv);
    http_client_stop(s3->pool);
    pthread_mutex_destroy(&s3->mutex);
    free(s3->endpoint);
    free(s3->bucket);
    free(s3->access_key);
    free(s3->secret);
    free(s3->region);
    free(s3);
}

static const struct store_ops s3_ops = {
    .name = "s3",
    .put = s3_put,
    .remove = s3_remove,
    .check = s3_check,
    .link = s3_link,
    .free = s3_free,
};

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* "https://host" or "https://host:port", without the scheme's own port: as it will go out as Host. */
static int set_endpoint(struct s3 *s3, const struct s3_config *c, struct error *e)
{
    const char *url = c->endpoint;
    s3->endpoint = mem_strdup(url);
    bool tls = strncmp(url, "https://", 8) == 0;
    char *host = s3->endpoint + (tls ? 8 : 7);
    if ((!tls && strncmp(url, "http://", 7) != 0) || !*host || strpbrk(host, "/@?#"))
        return error_set_field(e, ERR_VALIDATION, "CF_R2_ENDPOINT",
                               "CF_R2_ENDPOINT=\"%.64s\": scheme, host and port only are allowed", url);
    if (ends_with(host, tls ? ":443" : ":80"))
        *strrchr(host, ':') = '\0';
    s3->host = host;
    bool guess = strcmp(c->region, "auto") == 0 && !ends_with(host, ".r2.cloudflarestorage.com");
    s3->region = mem_strdup(guess ? "us-east-1" : c->region);
    return 0;
}

int store_s3_new(const struct s3_config *c, struct loop_uv *uv, struct lane *lane, struct store **ret,
                 struct error *e)
{
    struct s3 *s3 = NEW(struct s3);
    uint64_t seed;
    s3->store = (struct store){.ops = &s3_ops, .loop = loop_uv_loop(uv)};
    s3->uv = uv;
    s3->lane = lane;
    s3->bucket = mem_strdup(c->bucket);
    s3->access_key = mem_strdup(c->access_key);
    s3->secret = mem_strdup(c->secret);
    s3->retries = c->retries;
    s3->timeout_ms = CHECK_MS;
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&s3->rng, seed);
    list_init(&s3->live);
    pthread_mutex_init(&s3->mutex, NULL);
    int r = set_endpoint(s3, c, e);
    if (r == 0)
        r = http_client_start(&(struct http_client_config){.uv = uv,
                                                           .user_agent = "limner",
                                                           .connections_per_host = CONNECTIONS},
                              &s3->pool, e);
    if (r == 0) {
        check_start(s3);
        s3->starting = true;
        if (!list_empty(&s3->live))
            loop_uv_run(uv);
        s3->starting = false;
        s3->timeout_ms = c->timeout_ms;
        r = s3_check(&s3->store, e);
    }
    if (r < 0) {
        store_free(&s3->store);
        return r;
    }
    *ret = &s3->store;
    return 0;
}
