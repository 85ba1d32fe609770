#include "client_rig.h"

#include "base/clock.h"
#include "scratch.h"

struct loop *client_rig_loop(struct client_rig *r)
{
    return loop_uv_loop(r->uv);
}

void client_rig_init(struct client_rig *r, struct http_client_config config)
{
    *r = (struct client_rig){.uv = loop_uv_new()};
    struct error e;
    config.uv = r->uv;
    config.user_agent = "limner-test";
    if (config.connections_per_host == 0)
        config.connections_per_host = 8;
    assert_int_equal(http_client_start(&config, &r->pool, &e), 0);
}

void client_rig_release(struct client_rig *r)
{
    http_client_stop(r->pool);
    loop_uv_free(r->uv);
}

static void call_done(struct op *op)
{
    struct client_rig *r = op->owner;
    if (++r->done == r->target)
        loop_uv_stop(r->uv);
}

void client_rig_start(struct client_rig *r, struct http_call *call)
{
    call->op.owner = r;
    if (!call->method)
        call->method = "GET";
    if (call->answer_max_bytes == 0)
        call->answer_max_bytes = 8 << 20;
    http_call_start(r->pool, call, call_done);
}

static void too_late(struct timer *t)
{
    (void)t;
    fail_msg("the calls did not end within 30 s");
}

void client_rig_run(struct client_rig *r, unsigned count)
{
    r->target = r->done + count;
    timer_arm(client_rig_loop(r), &r->too_late, clock_mono_ns() + 30 * NS_PER_S, too_late);
    loop_uv_run(r->uv);
    timer_disarm(client_rig_loop(r), &r->too_late);
    assert_int_equal(r->done, r->target);
}

void client_rig_call(struct client_rig *r, struct http_call *call)
{
    client_rig_start(r, call);
    client_rig_run(r, 1);
}
