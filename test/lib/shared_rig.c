#include "shared_rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static struct redis_server server;

bool shared_rig_there(void)
{
    return server.pid || redis_server_start(&server, NULL);
}

struct redis_server *shared_rig_server(void)
{
    return &server;
}

void shared_rig_stop(void)
{
    redis_server_stop(&server);
}

struct shared_rig *shared_rig_new(uint64_t ttl_ms)
{
    static const char *const flush[] = {"FLUSHALL", NULL};
    struct shared_rig *r = NEW(struct shared_rig);
    struct redis_call call = {0};
    redis_rig_init(&r->rig, server.url, 500, 0);
    redis_start(r->rig.redis);
    redis_rig_until_up(&r->rig);
    assert_int_equal(redis_rig_ask(&r->rig, &call, flush), 0);
    redis_call_release(&call);
    const struct shared_config config = {
        .redis = r->rig.redis, .prefix = "test", .space = "here", .ttl_ms = ttl_ms};
    r->shared = shared_new(&config);
    return r;
}

void shared_rig_free(struct shared_rig *r)
{
    redis_stop(r->rig.redis);
    shared_free(r->shared);
    redis_rig_release(&r->rig);
    free(r);
}

static void nothing(struct op *op)
{
}

static bool is_over(void *ctx)
{
    return ((struct shared_get *)ctx)->op.state == OP_IDLE;
}

struct result *shared_rig_get(struct shared_rig *r, const uint8_t *key, uint64_t *ret_ttl_ms)
{
    struct shared_get g = {0};
    memcpy(g.key, key, DIGEST_BYTES);
    shared_get_start(r->shared, &g, nothing);
    redis_rig_run(&r->rig, is_over, &g);
    assert_int_equal(g.op.result, 0);
    *ret_ttl_ms = g.ttl_ms;
    return g.result;
}

static bool is_quiet(void *ctx)
{
    return !redis_busy(ctx);
}

void shared_rig_settle(struct shared_rig *r)
{
    redis_rig_run(&r->rig, is_quiet, r->rig.redis);
}

uint64_t shared_rig_size(struct shared_rig *r)
{
    static const char *const size[] = {"DBSIZE", NULL};
    struct redis_call call = {0};
    assert_int_equal(redis_rig_ask(&r->rig, &call, size), 0);
    uint64_t n = (uint64_t)call.reply->integer;
    redis_call_release(&call);
    return n;
}
