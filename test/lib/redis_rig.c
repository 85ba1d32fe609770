#include "redis_rig.h"

#include <stdio.h>

#include "base/clock.h"
#include "scratch.h"

static void notice(void *ctx, bool up, const char *why)
{
    struct redis_rig *r = ctx;
    r->ups += up;
    r->downs += !up;
    snprintf(r->why, sizeof(r->why), "%s", why);
}

void redis_rig_init(struct redis_rig *r, const char *url, uint32_t timeout_ms, uint32_t pipeline_max)
{
    *r = (struct redis_rig){.uv = loop_uv_new()};
    const struct redis_config config = {
        .uv = r->uv,
        .option = "REDIS_URL",
        .url = url,
        .timeout_ms = timeout_ms ? timeout_ms : 200,
        .pipeline_max = pipeline_max ? pipeline_max : 1000,
        .notice = notice,
        .ctx = r,
    };
    struct error e;
    assert_int_equal(redis_new(&config, &r->redis, &e), 0);
}

void redis_rig_init_empty(struct redis_rig *r, struct redis_server *server)
{
    if (!server->pid && !redis_server_start(server, NULL))
        skip();
    free(redis_server_ask(server, (const char *const[]){"FLUSHALL", NULL}));
    redis_rig_init(r, server->url, 0, 0);
}

void redis_rig_release(struct redis_rig *r)
{
    redis_stop(r->redis);
    redis_free(r->redis);
    loop_uv_free(r->uv);
}

static void too_late(struct timer *t)
{
    (void)t;
    fail_msg("it did not happen within 30 s");
}

static void look(struct timer *t)
{
    struct redis_rig *r = CONTAINER_OF(t, struct redis_rig, look);
    if (r->done(r->ctx))
        loop_uv_stop(r->uv);
    else
        timer_arm(loop_uv_loop(r->uv), t, clock_mono_ns() + NS_PER_MS, look);
}

void redis_rig_run(struct redis_rig *r, bool (*done)(void *ctx), void *ctx)
{
    struct loop *loop = loop_uv_loop(r->uv);
    r->done = done;
    r->ctx = ctx;
    timer_arm(loop, &r->too_late, clock_mono_ns() + 30 * NS_PER_S, too_late);
    timer_arm(loop, &r->look, clock_mono_ns(), look);
    loop_uv_run(r->uv);
    timer_disarm(loop, &r->look);
    timer_disarm(loop, &r->too_late);
}

static bool is_up(void *ctx)
{
    return redis_is_up(ctx);
}

void redis_rig_until_up(struct redis_rig *r)
{
    redis_rig_run(r, is_up, r->redis);
}

static bool is_past(void *ctx)
{
    return clock_mono_ns() >= *(const uint64_t *)ctx;
}

void redis_rig_ms(struct redis_rig *r, unsigned ms)
{
    uint64_t until = clock_mono_ns() + ms * NS_PER_MS;
    redis_rig_run(r, is_past, &until);
}

static void nothing(struct op *op)
{
}

static bool is_over(void *ctx)
{
    return ((struct redis_call *)ctx)->op.state == OP_IDLE;
}

int redis_rig_ask(struct redis_rig *r, struct redis_call *call, const char *const *words)
{
    struct redis_command c = redis_command(words[0]);
    for (unsigned i = 1; words[i]; i++)
        redis_add(&c, words[i]);
    redis_call_start(r->redis, call, &c, nothing);
    redis_rig_run(r, is_over, call);
    return call->op.result;
}
