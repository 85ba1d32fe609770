/* The provider for load tests: its answer is its input, at once or after a set time. A run that is given up
 * ends at once. Invariant: driver is the run exactly while its timer is armed. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "predict/predict.h"

struct instant {
    struct provider provider;
    struct loop *loop;
    uint64_t takes_ns;
};

struct instant_run {
    struct timer timer;
    struct instant *self;
    struct prediction *prediction;
};

static int instant_available(struct provider *p, const struct feature *f, struct error *e)
{
    if (feature_pictures(f) == 0 || feature_picture_list(f)) /* there is not one picture to hand back */
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "The instant provider makes nothing of its own");
    return 0;
}

static void hand_back(struct prediction *prediction)
{
    prediction->model = "instant";
    prediction->output[0] = (struct prediction_output){
        .blob = blob_ref(prediction->input),
        .type = prediction->info.type,
        .width = prediction->info.width,
        .height = prediction->info.height,
    };
    prediction->output_count = 1;
    op_complete(&prediction->op, 0);
}

static void time_over(struct timer *t)
{
    struct instant_run *run = CONTAINER_OF(t, struct instant_run, timer);
    run->prediction->driver = NULL;
    hand_back(run->prediction);
    free(run);
}

static void give_up(struct op *op)
{
    struct prediction *prediction = CONTAINER_OF(op, struct prediction, op);
    struct instant_run *run = TAKE(prediction->driver);
    if (!run)
        return;
    timer_disarm(run->self->loop, &run->timer);
    free(run);
    op_complete(op, error_set(&prediction->err, ERR_CLIENT_GONE, "%s", ""));
}

static void instant_start(struct provider *p, struct prediction *prediction)
{
    struct instant *self = CONTAINER_OF(p, struct instant, provider);
    op_begin(&prediction->op, self->loop, prediction->op.on_done, give_up);
    if (self->takes_ns == 0) {
        hand_back(prediction);
        return;
    }
    struct instant_run *run = NEW(struct instant_run);
    run->self = self;
    run->prediction = prediction;
    prediction->driver = run;
    timer_arm(self->loop, &run->timer, loop_now_ns(self->loop) + self->takes_ns, time_over);
}

static void instant_free(struct provider *p)
{
    free(CONTAINER_OF(p, struct instant, provider));
}

static const struct provider_ops instant_ops = {
    .name = "instant",
    .available = instant_available,
    .start = instant_start,
    .free = instant_free,
};

struct provider *provider_instant_new(struct loop *loop, const struct options *opt)
{
    struct instant *self = NEW(struct instant);
    self->provider.ops = &instant_ops;
    self->loop = loop;
    self->takes_ns = (uint64_t)opt->instant_ms * NS_PER_MS;
    return &self->provider;
}
