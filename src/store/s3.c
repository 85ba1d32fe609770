/* The S3 driver: results in a bucket of S3, R2 or their kin, path style, over the HTTP client. Here: its
 * start and end, links, and whether it works; one request is s3_call.h, and each operation has a file of its
 * own.
 *
 * Invariants: every call is in `live` until it is released; `health` is the only thing that other threads
 * touch. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/s3_call.h"

enum {
    CONNECTIONS = 32,
    CHECK_MS = 10000,
    CHECK_EVERY_S = 60,
    CHECK_AGAIN_S = 5, /* after one that failed */
};

#define CHECK_KEY "limner-check"

/* ---- links ---- */

static int s3_link(struct store *s, const char *name, unsigned expires_s, struct buf *ret)
{
    const struct s3 *s3 = s3_of(s);
    FREE_ON_EXIT char *path = mem_printf("/%s/%s", s3->bucket, name);
    struct sigv4_request r = s3_request(s3, "GET", path, SIGV4_UNSIGNED_PAYLOAD);
    BUF_ON_EXIT struct buf url;
    buf_init(&url, S3_URL_MAX);
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

static void checked(struct s3_call *c, int r)
{
    struct s3 *s3 = c->s3;
    pthread_mutex_lock(&s3->mutex);
    s3->health = r < 0 ? c->err : (struct error){0};
    pthread_mutex_unlock(&s3->mutex);
    s3_call_release(c);
    free(c);
    if (s3->closing)
        return;
    uint64_t after_s = r < 0 ? CHECK_AGAIN_S : CHECK_EVERY_S;
    timer_arm(s3->store.loop, &s3->recheck, loop_now_ns(s3->store.loop) + after_s * NS_PER_S, check_again);
    if (s3->starting)
        loop_uv_stop(s3->uv);
}

static void check_start(struct s3 *s3)
{
    static const char text[] = "limner can store results here\n";
    struct s3_call *c = NEW(struct s3_call);
    uint8_t digest[DIGEST_BYTES];
    s3_call_init(c, s3, "PUT", CHECK_KEY, checked);
    c->header[c->header_count++] = (struct sigv4_pair){"Content-Type", "text/plain"};
    c->body = blob_copy(text, sizeof(text) - 1);
    c->patience.tries_left = 0;
    digest_of(c->body->data, c->body->size, digest);
    hex_encode(digest, sizeof(digest), c->payload);
    s3_call_send(c);
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
        struct s3_call *c = CONTAINER_OF(node, struct s3_call, node);
        c->patience.tries_left = 0;
        s3_call_cancel(c);
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
    .get = s3_get,
    .list = s3_list,
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
    s3->checksum = c->checksum;
    s3->retries = c->retries;
    s3->timeout_ms = CHECK_MS;
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&s3->rng, seed);
    list_init(&s3->live);
    pthread_mutex_init(&s3->mutex, NULL);
    int r = set_endpoint(s3, c, e);
    if (r == 0)
        r = http_client_start(
            &(struct http_client_config){
                .uv = uv, .user_agent = "limner", .ca_file = c->ca_file, .connections_per_host = CONNECTIONS},
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
