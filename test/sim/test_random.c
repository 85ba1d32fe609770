/* Thousands of requests through simulated minutes, everything at random, from a seed.
 *
 * SIM_SEED (first seed), SIM_ROUNDS (seeds), SIM_REQUESTS (a round). Each round draws its own options and its
 * own kinds of trouble. What must hold is in test/lib/sim_check.c. */
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "imaging_group.h"
#include "scratch.h"
#include "sim.h"

enum { ROUNDS = 4, REQUESTS = 10000 };

/* How much trouble a round has, in percent. */
static struct trouble {
    unsigned run_fails, bad_output, run_hangs, paid, put_fails, put_hangs, unavailable, leaves,
        broken_picture;
    unsigned bad_field, slow_upload;
    uint64_t run_ns, put_ns, gap_ns, patience_ns;
    unsigned pictures; /* fewer: more twins */
    unsigned callers, low;
} trouble;

static uint64_t ms(struct sim *sim, uint64_t most)
{
    return (1 + sim_below(sim, most)) * NS_PER_MS;
}

static enum sim_cancel random_cancel(struct sim *sim, bool hangs)
{
    return (enum sim_cancel)sim_below(sim, hangs ? SIM_DEAF : SIM_DEAF + 1);
}

static void random_run(struct sim *sim, const struct request *req, struct sim_act *ret)
{
    bool hangs = sim_chance(sim, trouble.run_hangs);
    ret->ns = hangs ? SIM_NEVER : sim_below(sim, trouble.run_ns);
    ret->end = SIM_OK;
    if (sim_chance(sim, trouble.run_fails))
        ret->end = SIM_FAILS;
    else if (sim_chance(sim, trouble.bad_output))
        ret->end = (enum sim_end)(SIM_NO_OUTPUT + sim_below(sim, SIM_TOO_LARGE - SIM_NO_OUTPUT + 1));
    ret->paid = sim_chance(sim, trouble.paid) ? (enum sim_paid)(1 + sim_below(sim, 3)) : SIM_UNPAID;
    ret->cancel = random_cancel(sim, hangs);
    ret->cancel_ns = ms(sim, 500);
    ret->outputs = sim_chance(sim, 20) ? 1 + (unsigned)sim_below(sim, RESULT_OUTPUTS_MAX) : 1;
}

static void random_put(struct sim *sim, struct sim_act *ret)
{
    bool hangs = sim_chance(sim, trouble.put_hangs);
    ret->ns = hangs ? SIM_NEVER : sim_below(sim, trouble.put_ns);
    if (sim_chance(sim, trouble.put_fails))
        ret->end = sim_chance(sim, 30) ? SIM_REFUSED : SIM_FAILS;
    ret->cancel = random_cancel(sim, hangs);
    ret->cancel_ns = ms(sim, 100);
}

static int random_available(struct sim *sim, struct error *e)
{
    if (!sim_chance(sim, trouble.unavailable))
        return 0;
    error_set(e, ERR_PROVIDER_UNAVAILABLE, "as planned");
    e->retry_after_s = (unsigned)sim_below(sim, 3); /* 0: not set up */
    return -ERR_PROVIDER_UNAVAILABLE;
}

static unsigned percent(struct rng *rng, unsigned often, unsigned most)
{
    return rng_below(rng, 100) < often ? (unsigned)rng_below(rng, most + 1) : 0;
}

static void draw_trouble(struct rng *rng)
{
    trouble = (struct trouble){
        .run_fails = percent(rng, 70, 60),
        .bad_output = percent(rng, 50, 20),
        .run_hangs = percent(rng, 50, 20),
        .paid = percent(rng, 80, 100),
        .put_fails = percent(rng, 60, 30),
        .put_hangs = percent(rng, 50, 20),
        .unavailable = percent(rng, 20, 30),
        .leaves = percent(rng, 80, 80),
        .broken_picture = percent(rng, 70, 20),
        .bad_field = percent(rng, 50, 5),
        .slow_upload = percent(rng, 60, 50),
        .run_ns = (1 + rng_below(rng, 1200)) * NS_PER_MS,
        .put_ns = (1 + rng_below(rng, 300)) * NS_PER_MS,
        .gap_ns = (5 + rng_below(rng, 100)) * NS_PER_MS,
        .patience_ns = (1 + rng_below(rng, 3000)) * NS_PER_MS,
        .pictures = 1 + (unsigned)rng_below(rng, SIM_BROKEN_FIRST),
        .callers = 1 + (unsigned)rng_below(rng, 8),
        .low = percent(rng, 70, 50),
    };
}

static void draw_options(struct rng *rng, struct options *opt)
{
    sim_options(opt);
    opt->heavy_concurrency = 1 + (int64_t)rng_below(rng, 4);
    opt->degraded_ttl_ms = (int64_t)rng_below(rng, 2000);
    opt->fallback = rng_below(rng, 4) != 0;
    opt->light_concurrency = 1 + (int64_t)rng_below(rng, 8);
    opt->queue_max = (int64_t)rng_below(rng, 60);
    opt->imaging_queue_max = 1 + (int64_t)rng_below(rng, rng_below(rng, 3) == 0 ? 8 : 200);
    opt->prescale_timeout_ms = 20 + (int64_t)rng_below(rng, 2000);
    opt->queue_timeout_ms = 200 + (int64_t)rng_below(rng, 4000);
    opt->run_timeout_ms = 200 + (int64_t)rng_below(rng, 5000);
    opt->store_timeout_ms = 50 + (int64_t)rng_below(rng, 500);
    opt->join_timeout_ms = 500 + (int64_t)rng_below(rng, 12000);
    opt->twin_handovers = (int64_t)rng_below(rng, 4);
    opt->cache_ttl_ms = (int64_t)rng_below(rng, 3000) - 100;
    opt->cache_ttl_ms = MAX(opt->cache_ttl_ms, 0);
    opt->cache_max_size = (int64_t)rng_below(rng, 30);
    opt->output_max_bytes = 2000;
    opt->image_max_pixels = 256;
    opt->spool_bytes = rng_below(rng, 3) == 0 ? 100 : 1 << 20;
}

static void draw_plan(uint64_t seed, struct sim_plan *ret)
{
    struct rng rng;
    rng_seed(&rng, ~seed);
    draw_trouble(&rng);
    *ret = (struct sim_plan){
        .seed = seed,
        .quantum_ns = rng_below(&rng, 4) == 0 ? 1 : (1 + rng_below(&rng, 5)) * NS_PER_MS,
        .mail_ns = rng_below(&rng, 20) * NS_PER_MS,
        .lane_ns = (1 + rng_below(&rng, 20)) * NS_PER_MS,
        .memory_bytes = rng_below(&rng, 3) == 0 ? 2000 : 1 << 24,
        .own_limiter = rng_below(&rng, 3) == 0,
        .backup = rng_below(&rng, 2) == 0,
        .remembers_all = rng_below(&rng, 3) == 0,
        .run = random_run,
        .put = random_put,
        .available = random_available,
    };
    draw_options(&rng, &ret->opt);
    if (rng_below(&rng, 3) == 0)
        ret->behind_ns = 1 + rng_below(&rng, 300) * NS_PER_MS;
    if (ret->remembers_all) {
        ret->opt.cache_ttl_ms = ret->opt.degraded_ttl_ms = 1000000000;
        ret->opt.cache_max_size = 100000;
    }
}

static void random_request(struct sim *sim)
{
    static const char *const scales[] = {"2", "4", "7"};
    static const char *const qualities[] = {"fast", "best", "auto", "ugly"};
    struct sim_post post = {.picture = (unsigned)sim_below(sim, trouble.pictures)};
    if (sim_chance(sim, trouble.broken_picture))
        post.picture = SIM_BROKEN_FIRST + (unsigned)sim_below(sim, SIM_PICTURES - SIM_BROKEN_FIRST);
    static const enum feature_id asked[] = {FEATURE_CLARITY, FEATURE_ENHANCE, FEATURE_BEAUTIFY,
                                            FEATURE_UPSCALE, FEATURE_RELIGHT};
    post.feature = asked[sim_below(sim, ARRAY_LEN(asked) - sim->plan.remembers_all)];
    bool bad = sim_chance(sim, trouble.bad_field);
    post.field = sim_chance(sim, 50) ? "scale" : "quality";
    post.value =
        *post.field == 's' ? scales[bad ? 2 : sim_below(sim, 2)] : qualities[bad ? 3 : sim_below(sim, 3)];
    if (sim_chance(sim, 20) || post.feature == FEATURE_RELIGHT)
        post.field = NULL;
    if (sim_chance(sim, trouble.slow_upload))
        post.upload_ns = ms(sim, 300);
    if (sim_chance(sim, trouble.leaves))
        post.leave_ns = 1 + sim_below(sim, trouble.patience_ns);
    post.impatient = sim_chance(sim, trouble.leaves / 20);
    post.caller = sim_below(sim, trouble.callers);
    post.priority = sim_chance(sim, trouble.low) ? SLOT_LOW : SLOT_NORMAL;
    sim_post(sim, &post);
}

static unsigned number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text && *text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void one_round(uint64_t seed, unsigned requests)
{
    struct sim_plan plan;
    struct sim *sim = calloc(1, sizeof(*sim));
    assert_non_null(sim);
    draw_plan(seed, &plan);
    sim_start(sim, &plan);
    while (sim->posted < requests) {
        unsigned burst = sim_chance(sim, 2) ? 1 + (unsigned)sim_below(sim, 40) : 1;
        while (burst-- > 0)
            random_request(sim);
        sim_run_ms(sim, sim_below(sim, 2 * trouble.gap_ns) / NS_PER_MS);
    }
    if (sim_chance(sim, 50)) { /* a drain: what comes now is refused, the rest is finished */
        atomic_store(&sim->svc.draining, true);
        for (int i = 0; i < 50; i++)
            random_request(sim);
    }
    sim_stop(sim);
    printf(
        "seed %llu: %u requests, %.0f s, %llu steps: %u succeeded, %u failed, %u left; %u runs, %u at once\n",
        (unsigned long long)seed, sim->posted, (double)(sim->now_ns) / 1e9 - 1000,
        (unsigned long long)sim->steps, sim->succeeded, sim->failed, sim->left, sim->creates,
        sim->peak_running);
    free(sim);
}

static void test_random(void **state)
{
    unsigned seed = number("SIM_SEED", 1), rounds = number("SIM_ROUNDS", ROUNDS);
    for (unsigned i = 0; i < rounds; i++)
        one_round((uint64_t)seed + i, number("SIM_REQUESTS", REQUESTS));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
