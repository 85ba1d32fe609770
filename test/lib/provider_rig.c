#include "provider_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "sim.h"

enum { LOOK_MS = 3 };

void provider_rig_init(struct provider_rig *r, enum feature_id id)
{
    *r = (struct provider_rig){0};
    client_rig_init(&r->client, (struct http_client_config){0});
    sim_options(&r->opt);
    r->opt.ai_retry_base_ms = 1;
    arena_init(&r->arena);
    params_init(&r->params, &features[id]);
    r->p.feature = &features[id];
    r->p.input = blob_copy("\xff\xd8\xff picture", 11);
    r->p.info = (struct image_info){.type = IMAGE_JPEG, .width = 8, .height = 8};
    r->p.wanted = IMAGE_JPEG;
    r->p.id = "test";
}

void provider_rig_set(struct provider_rig *r, const char *param, const char *value)
{
    struct error e;
    assert_int_equal(params_set(&r->params, &r->arena, param, value, &e), 0);
}

void provider_rig_open(struct provider_rig *r, struct provider *(*make)(const struct remote_config *config))
{
    metrics_free(r->metrics);
    r->metrics = metrics_new(0);
    const struct remote_config config = {
        .opt = &r->opt,
        .loop = client_rig_loop(&r->client),
        .pool = r->client.pool,
        .store = r->store,
        .metrics = r->metrics,
    };
    r->provider = make(&config);
}

static void on_progress(struct prediction *p)
{
    struct provider_rig *r = CONTAINER_OF(p, struct provider_rig, p);
    if (r->told + 1 < sizeof(r->paid))
        r->paid[r->told++] = p->paid ? 'p' : '-';
    if (r->leave_when_free && !p->paid)
        op_cancel(&p->op);
}

static void on_note(struct prediction *p)
{
    struct provider_rig *r = CONTAINER_OF(p, struct provider_rig, p);
    size_t len = strlen(r->notes);
    snprintf(r->notes + len, sizeof(r->notes) - len, "%s|%s;", p->remote_id,
             p->remote_input ? p->remote_input : "");
}

static void on_done(struct op *op)
{
    struct provider_rig *r = CONTAINER_OF(op, struct provider_rig, p.op);
    r->done = true;
    loop_uv_stop(r->client.uv);
}

static void look(struct timer *t)
{
    struct provider_rig *r = CONTAINER_OF(t, struct provider_rig, look);
    if (!r->done && r->cancel_when(r))
        op_cancel(&r->p.op);
    else
        timer_arm(client_rig_loop(&r->client), t, clock_mono_ns() + LOOK_MS * NS_PER_MS, look);
}

static void too_late(struct timer *t)
{
    fail_msg("the prediction did not end within 30 s");
}

int provider_rig_run(struct provider_rig *r)
{
    struct loop *loop = client_rig_loop(&r->client);
    prediction_release(&r->p);
    struct prediction old = r->p;
    r->p = (struct prediction){.feature = old.raw ? NULL : old.feature,
                               .raw = old.raw,
                               .params = &r->params,
                               .input = old.input,
                               .info = old.info,
                               .wanted = old.wanted,
                               .id = old.id,
                               .on_progress = on_progress,
                               .on_note = on_note,
                               .may_pay = old.may_pay,
                               .resume_id = old.resume_id,
                               .resume_intent_s = old.resume_intent_s,
                               .resume_input_url = old.resume_input_url,
                               .mark = old.mark,
                               .deadline_ns = old.deadline_ns};
    r->done = false;
    r->told = 0;
    memset(r->paid, 0, sizeof(r->paid));
    r->notes[0] = '\0';
    timer_arm(loop, &r->client.too_late, clock_mono_ns() + 30 * NS_PER_S, too_late);
    if (r->cancel_when)
        timer_arm(loop, &r->look, clock_mono_ns(), look);
    provider_start(r->provider, &r->p, on_done);
    loop_uv_run(r->client.uv);
    timer_disarm(loop, &r->client.too_late);
    timer_disarm(loop, &r->look);
    assert_true(r->done);
    return r->p.op.result;
}

static void turned(struct timer *t)
{
    struct provider_rig *r = CONTAINER_OF(t, struct provider_rig, look);
    loop_uv_stop(r->client.uv);
}

void provider_rig_turn_ms(struct provider_rig *r, unsigned ms)
{
    timer_arm(client_rig_loop(&r->client), &r->look, clock_mono_ns() + ms * NS_PER_MS, turned);
    loop_uv_run(r->client.uv);
}

void provider_rig_release(struct provider_rig *r)
{
    provider_free(r->provider);
    metrics_free(r->metrics);
    prediction_release(&r->p);
    blob_unref(r->p.input);
    arena_release(&r->arena);
    client_rig_release(&r->client);
    assert_int_equal(blob_live_count(), 0);
}
