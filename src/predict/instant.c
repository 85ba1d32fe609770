/* The provider for load tests: its answer is its input. */
#include <stdlib.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "predict/predict.h"

struct instant {
    struct provider provider;
    struct loop *loop;
};

static int instant_available(struct provider *p, const struct feature *f, struct error *e)
{
    return 0;
}

static void instant_start(struct provider *p, struct prediction *prediction)
{
    struct instant *self = CONTAINER_OF(p, struct instant, provider);
    op_begin(&prediction->op, self->loop, prediction->op.on_done, NULL);
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

struct provider *provider_instant_new(struct loop *loop)
{
    struct instant *self = NEW(struct instant);
    self->provider.ops = &instant_ops;
    self->loop = loop;
    return &self->provider;
}
