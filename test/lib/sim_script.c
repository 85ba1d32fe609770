#include "sim_script.h"

struct sim_act run_act, put_act;
unsigned failing_runs; /* so many of the next runs fail */
bool unavailable, every_third_put_ends_anyway;

static void plan_run(struct sim *sim, const struct request *req, struct sim_act *ret)
{
    *ret = run_act;
    if (failing_runs > 0) {
        failing_runs--;
        ret->end = SIM_FAILS;
    }
}

static void plan_put(struct sim *sim, struct sim_act *ret)
{
    *ret = put_act;
    if (every_third_put_ends_anyway && sim->puts % 3 == 0)
        ret->cancel = SIM_ENDS_ANYWAY;
}

static int plan_available(struct sim *sim, struct error *e)
{
    return unavailable ? error_set(e, ERR_PROVIDER_UNAVAILABLE, "as planned") : 0;
}

void sim_script_start(struct sim *sim, void (*change)(struct options *opt))
{
    run_act = (struct sim_act){.ns = 1000 * NS_PER_MS, .outputs = 1};
    put_act = (struct sim_act){.ns = 10 * NS_PER_MS};
    failing_runs = 0;
    unavailable = every_third_put_ends_anyway = false;
    struct sim_plan plan = {
        .seed = 1,
        .memory_bytes = 1 << 24,
        .lane_ns = NS_PER_MS,
        .run = plan_run,
        .put = plan_put,
        .available = plan_available,
    };
    sim_options(&plan.opt);
    plan.opt.cache_ttl_ms = 10000000; /* the simulated minutes shall not outlast it */
    if (change)
        change(&plan.opt);
    sim_start(sim, &plan);
}

struct sim_client *sim_script_post(struct sim *sim, unsigned picture)
{
    return sim_post(sim, &(struct sim_post){.picture = picture, .feature = FEATURE_CLARITY});
}

void handovers_2(struct options *opt)
{
    opt->twin_handovers = 2;
}

void handovers_0(struct options *opt)
{
    opt->twin_handovers = 0;
}

void one_slot(struct options *opt)
{
    opt->light_concurrency = 1;
    opt->queue_max = 2;
    opt->queue_timeout_ms = 500;
    opt->twin_handovers = 1;
}
