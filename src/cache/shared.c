#include "cache/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "cache/result_json.h"
#include "cache/scripts.h"

/* A failure is told for as long as somebody may still be asking who waited for it. */
enum { NAME_MAX_BYTES = 256, FAILURE_MAX = 512, FAILURE_MS = 5000 };

struct shared {
    struct shared_config config;
    struct loop *loop;
    char *prefix, *space, *channel;
};

struct name {
    char text[NAME_MAX_BYTES];
};

struct shared *shared_new(const struct shared_config *config)
{
    struct shared *s = NEW(struct shared);
    s->config = *config;
    s->loop = redis_loop(config->redis);
    s->prefix = mem_strdup(config->prefix);
    s->space = mem_strdup(config->space);
    s->channel = mem_printf("%s:%s:settled", s->prefix, s->space);
    return s;
}

void shared_free(struct shared *s)
{
    if (!s)
        return;
    free(s->prefix);
    free(s->space);
    free(s->channel);
    free(s);
}

bool shared_is_up(const struct shared *s)
{
    return s && redis_is_up(s->config.redis);
}

const char *shared_channel(const struct shared *s)
{
    return s->channel;
}

struct redis *shared_redis(const struct shared *s)
{
    return s->config.redis;
}

/* ---- names ---- */

static struct name name_of(const struct shared *s, const char *kind, const char *hex)
{
    struct name n;
    int size = snprintf(n.text, sizeof(n.text), "%s:%s:%s%s", s->prefix, s->space, kind, hex);
    CHECK(size > 0 && (size_t)size < sizeof(n.text));
    return n;
}

/* The names that belong to a key; they live as long as the commands that borrow them. */
struct names {
    char hex[DIGEST_HEX + 1];
    struct name result, lease, failure, fence;
};

static struct names names_of(const struct shared *s, const uint8_t *key)
{
    struct names n;
    hex_encode(key, DIGEST_BYTES, n.hex);
    n.result = name_of(s, "result:", n.hex);
    n.lease = name_of(s, "lease:", n.hex);
    n.failure = name_of(s, "failure:", n.hex);
    n.fence = name_of(s, "fence", "");
    return n;
}

/* ---- look-ups ---- */

static const char *text_at(const redisReply *reply, size_t i)
{
    return i < reply->elements && reply->element[i]->type == REDIS_REPLY_STRING ? reply->element[i]->str : "";
}

static uint64_t number_at(const redisReply *reply, size_t i)
{
    bool there = i < reply->elements && reply->element[i]->type == REDIS_REPLY_INTEGER;
    return there ? (uint64_t)MAX(reply->element[i]->integer, 0) : 0;
}

/* "<fence> <code> <reason>" */
static void read_failure(const char *text, struct error *e)
{
    char code[64];
    int at = 0;
    if (sscanf(text, "%*u %63s %n", code, &at) != 1 || at == 0)
        return;
    enum err found = err_by_code(code);
    error_set(e, found != ERR_NONE ? found : ERR_UPSTREAM, "%s", text + at);
}

/* {"hit", json, ttl} {"miss"} {"failed", text} {"held", "fence token", ttl} {"taken", fence} */
static void read_answer(struct shared_get *g, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
        return;
    const char *word = text_at(reply, 0);
    if (strcmp(word, "hit") == 0 && reply->elements == 3) {
        g->result = result_from_json(text_at(reply, 1), (size_t)reply->element[1]->len);
        g->ttl_ms = number_at(reply, 2);
    } else if (strcmp(word, "failed") == 0) {
        g->lease = LEASE_FAILED;
        read_failure(text_at(reply, 1), &g->err);
    } else if (strcmp(word, "held") == 0) {
        g->lease = LEASE_HELD;
        g->fence = strtoull(text_at(reply, 1), NULL, 10);
        g->ttl_ms = number_at(reply, 2);
    } else if (strcmp(word, "taken") == 0) {
        g->lease = LEASE_TAKEN;
        g->fence = number_at(reply, 1);
    }
}

static void answered(struct op *op)
{
    struct shared_get *g = CONTAINER_OF(op, struct shared_get, call.op);
    int result = op->result;
    if (result == 0)
        read_answer(g, g->call.reply);
    redis_call_release(&g->call);
    op_complete(&g->op, result);
}

static void cancel(struct op *op)
{
    op_cancel(&CONTAINER_OF(op, struct shared_get, op)->call.op);
}

static struct redis_command script(const char *text, int64_t names)
{
    struct redis_command c = redis_command("EVAL");
    redis_add(&c, text);
    redis_add(&c, names == 1 ? "1" : names == 2 ? "2" : "4");
    return c;
}

void shared_get_start(struct shared *s, struct shared_get *g, op_done_fn *on_done)
{
    struct names n = names_of(s, g->key);
    struct redis_command c = script(script_get, g->token ? 4 : 1);
    redis_add(&c, n.result.text);
    if (g->token) {
        redis_add(&c, n.lease.text);
        redis_add(&c, n.failure.text);
        redis_add(&c, n.fence.text);
        redis_add(&c, g->token);
        redis_add_int(&c, (int64_t)g->lease_ms);
        redis_add_int(&c, (int64_t)g->waited_for);
    }
    g->shared = s;
    g->result = NULL;
    g->lease = LEASE_NONE;
    g->err = (struct error){0};
    op_begin(&g->op, s->loop, on_done, cancel);
    redis_call_start(s->config.redis, &g->call, &c, answered);
}

/* ---- changes ---- */

void shared_put(struct shared *s, const uint8_t key[static DIGEST_BYTES], const struct result *r,
                uint64_t ttl_ms)
{
    BUF_ON_EXIT struct buf json;
    buf_init(&json, RESULT_JSON_MAX);
    ttl_ms = MIN(ttl_ms, s->config.ttl_ms);
    if (ttl_ms == 0 || result_to_json(r, &json) < 0)
        return;
    struct names n = names_of(s, key);
    struct redis_command c = redis_command("SET");
    redis_add(&c, n.result.text);
    redis_add_bytes(&c, json.data, json.len);
    redis_add(&c, "PX");
    redis_add_int(&c, (int64_t)MIN(ttl_ms, (uint64_t)INT64_MAX));
    redis_send(s->config.redis, &c);
}

void shared_remove(struct shared *s, const uint8_t key[static DIGEST_BYTES])
{
    if (!s)
        return;
    struct names n = names_of(s, key);
    struct redis_command c = redis_command("DEL");
    redis_add(&c, n.result.text);
    redis_send(s->config.redis, &c);
}

/* ---- leases ---- */

void shared_settle(struct shared *s, const uint8_t key[static DIGEST_BYTES], const char *token,
                   const struct result *r, uint64_t ttl_ms)
{
    BUF_ON_EXIT struct buf json;
    buf_init(&json, RESULT_JSON_MAX);
    ttl_ms = MIN(ttl_ms, s->config.ttl_ms);
    if (ttl_ms == 0 || result_to_json(r, &json) < 0) {
        shared_give_up(s, key, token, 0, NULL);
        return;
    }
    struct names n = names_of(s, key);
    struct redis_command c = script(script_settle, 2);
    redis_add(&c, n.result.text);
    redis_add(&c, n.lease.text);
    redis_add(&c, token);
    redis_add_bytes(&c, json.data, json.len);
    redis_add_int(&c, (int64_t)MIN(ttl_ms, (uint64_t)INT64_MAX));
    redis_add(&c, s->channel);
    redis_add(&c, n.hex);
    redis_send(s->config.redis, &c);
}

void shared_give_up(struct shared *s, const uint8_t key[static DIGEST_BYTES], const char *token,
                    uint64_t fence, const struct error *e)
{
    char failure[FAILURE_MAX] = "";
    if (e)
        snprintf(failure, sizeof(failure), "%llu %s %s", (unsigned long long)fence, err_row(e->code)->code,
                 e->reason);
    struct names n = names_of(s, key);
    struct redis_command c = script(script_give_up, 2);
    redis_add(&c, n.lease.text);
    redis_add(&c, n.failure.text);
    redis_add(&c, token);
    redis_add(&c, failure);
    redis_add_int(&c, FAILURE_MS);
    redis_add(&c, s->channel);
    redis_add(&c, n.hex);
    redis_send(s->config.redis, &c);
}

void shared_renew(struct shared *s, const uint8_t key[static DIGEST_BYTES], const char *token, uint64_t fence,
                  uint64_t lease_ms)
{
    struct names n = names_of(s, key);
    struct redis_command c = script(script_renew, 2);
    redis_add(&c, n.result.text);
    redis_add(&c, n.lease.text);
    redis_add(&c, token);
    redis_add_int(&c, (int64_t)lease_ms);
    redis_add_int(&c, (int64_t)fence);
    redis_send(s->config.redis, &c);
}
