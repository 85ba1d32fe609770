/* The local provider: a network on this machine's CPU, one job of the inference lane a prediction.
 *
 * Happy path: start submits a job; the lane thread runs the network and posts a progress message now and
 * then; the job's completion copies the result into the prediction and completes it. Failure modes: the lane
 * is full (QUEUE_FULL); the network cannot be loaded; the run is cancelled, which the job notices between
 * tiles. Invariants: a progress message is in the mail at most once; mail arrives in order, so no progress
 * comes after the job's completion, and the run may be freed there. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/lane.h"
#include "predict/local_work.h"

struct local_provider {
    struct provider provider;
    struct local *local;
    struct lane *inference;
    struct loop *loop;
    const struct options *opt;
};

struct local_run {
    struct lane_job job;
    struct local_provider *self;
    struct prediction *prediction;
    struct local_work work;
    struct message progress_mail;
    atomic_bool progress_posted;
    atomic_uint done, total;
};

static int local_provider_available(struct provider *p, const struct feature *f, struct error *e)
{
    struct local_provider *self = CONTAINER_OF(p, struct local_provider, provider);
    return local_work_available(self->local, f, e);
}

static void deliver_progress(struct message *m)
{
    struct local_run *run = CONTAINER_OF(m, struct local_run, progress_mail);
    struct prediction *prediction = run->prediction;
    atomic_store(&run->progress_posted, false);
    prediction->done = atomic_load(&run->done);
    prediction->total = atomic_load(&run->total);
    if (prediction->on_progress)
        prediction->on_progress(prediction);
}

/* On the lane thread. */
static void tile_done(void *ctx, unsigned done, unsigned total)
{
    struct local_run *run = ctx;
    atomic_store(&run->done, done);
    atomic_store(&run->total, total);
    if (!atomic_exchange(&run->progress_posted, true))
        loop_post(run->self->loop, &run->progress_mail, deliver_progress);
}

/* On the lane thread. */
static int run_work(struct lane_job *job)
{
    struct local_run *run = CONTAINER_OF(job, struct local_run, job);
    return local_work_run(&run->work);
}

static void job_done(struct op *op)
{
    struct local_run *run = CONTAINER_OF(op, struct local_run, job.op);
    struct prediction *p = run->prediction;
    const struct local_work *work = &run->work;
    int result = op->result;
    if (result == 0) {
        memcpy(p->output, work->output, sizeof(p->output));
        p->output_count = work->output_count;
        p->model = p->network = work->model;
        memcpy(p->reason, work->reason, sizeof(p->reason));
        memcpy(p->folder, work->folder, sizeof(p->folder));
        p->detail = work->detail;
    } else {
        p->err = work->err;
    }
    p->driver = NULL;
    free(run);
    op_complete(&p->op, result);
}

static void cancel_run(struct op *op)
{
    struct prediction *p = CONTAINER_OF(op, struct prediction, op);
    struct local_run *run = p->driver;
    if (run)
        op_cancel(&run->job.op);
}

static void local_provider_start(struct provider *p, struct prediction *prediction)
{
    struct local_provider *self = CONTAINER_OF(p, struct local_provider, provider);
    struct local_run *run = NEW(struct local_run);
    run->self = self;
    run->prediction = prediction;
    run->work = (struct local_work){
        .local = self->local,
        .opt = self->opt,
        .prediction = prediction,
        .cancelled = &run->job.cancelled,
        .progress = tile_done,
        .ctx = run,
    };
    prediction->driver = run;
    op_begin(&prediction->op, self->loop, prediction->op.on_done, cancel_run);
    int r = lane_submit(self->inference, &run->job, run_work, job_done);
    if (r < 0) {
        prediction->driver = NULL;
        free(run);
        error_set(&prediction->err, ERR_QUEUE_FULL, "Too many pictures wait for this machine's CPU");
        op_complete(&prediction->op, r);
    }
}

static void local_provider_tick(struct provider *p)
{
    struct local_provider *self = CONTAINER_OF(p, struct local_provider, provider);
    local_release_idle(self->local, loop_now_ns(self->loop));
}

static void local_provider_free(struct provider *p)
{
    free(CONTAINER_OF(p, struct local_provider, provider));
}

static const struct provider_ops local_ops = {
    .name = "local",
    .own_limiter = true,
    .available = local_provider_available,
    .start = local_provider_start,
    .tick = local_provider_tick,
    .free = local_provider_free,
};

struct provider *provider_local_new(struct local *local, struct lane *inference, struct loop *loop,
                                    const struct options *opt)
{
    struct local_provider *self = NEW(struct local_provider);
    self->provider.ops = &local_ops;
    self->local = local;
    self->inference = inference;
    self->loop = loop;
    self->opt = opt;
    return &self->provider;
}
