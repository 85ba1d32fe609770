#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "metrics/metrics.h"
#include "scratch.h"

enum { START_S = 1000, STEPS_MAX = 50000000 };

_Noreturn void sim_broken(const struct sim *sim, const char *what, const char *file, int line)
{
    fprintf(stderr, "sim: %s:%d: %s\nsim: SIM_SEED=%llu SIM_ROUNDS=1 (step %llu, clock %.6f s)\n", file, line,
            what, (unsigned long long)sim->plan.seed, (unsigned long long)sim->steps,
            (double)(sim->now_ns - START_S * NS_PER_S) / 1e9);
    abort();
}

uint64_t sim_below(struct sim *sim, uint64_t limit)
{
    return limit ? rng_below(&sim->rng, limit) : 0;
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return rng_below(&sim->rng, 100) < percent;
}

void sim_options(struct options *ret)
{
#define OPT_SECTION(title)
#define OPT_INT(field, name, def, least, most, unit, text) ret->field = (def);
#define OPT_NUM(field, name, def, least, most, text)       ret->field = (def);
#define OPT_SIZE(field, name, def, least, most, text)      ret->field = (def);
#define OPT_BOOL(field, name, def, text)                   ret->field = (def);
#define OPT_TEXT(field, name, def, text)                   ret->field = (def);
#define OPT_URL(field, name, text)                         ret->field = "";
#define OPT_SECRET(field, name, least, text)               ret->field = "";
#define OPT_CHOICE(field, name, def, allowed, text)        ret->field = 0;
#include "tables/options.def"
#undef OPT_SECTION
#undef OPT_INT
#undef OPT_NUM
#undef OPT_SIZE
#undef OPT_BOOL
#undef OPT_TEXT
#undef OPT_URL
#undef OPT_SECRET
#undef OPT_CHOICE
}

/* ---- the clock and the two loops ---- */

static uint64_t now_ns(struct loop *loop)
{
    const struct sim *sim = loop->driver_state;
    return sim->now_ns;
}

static void wake(struct loop *loop)
{
}

struct mail_under_way {
    struct timer timer;
    struct message *message;
};

static void mail_arrives(struct timer *t)
{
    struct mail_under_way *w = CONTAINER_OF(t, struct mail_under_way, timer);
    struct message *m = w->message;
    free(w);
    m->deliver(m);
}

static void post(struct loop *loop, struct message *m)
{
    struct sim *sim = loop->driver_state;
    struct mail_under_way *w = NEW(struct mail_under_way);
    w->message = m;
    sim_arm(sim, &w->timer, sim_below(sim, sim->plan.mail_ns), mail_arrives);
}

static const struct loop_driver core_driver = {.now_ns = now_ns, .wake = wake, .post = post};
static const struct loop_driver world_driver = {.now_ns = now_ns, .wake = wake};

void sim_arm(struct sim *sim, struct timer *t, uint64_t delay_ns, void (*fire)(struct timer *t))
{
    uint64_t q = MAX(sim->plan.quantum_ns, 1);
    uint64_t at = (sim->now_ns + delay_ns + q - 1) / q * q;
    timer_arm(&sim->world, t, MAX(at, sim->now_ns), fire);
}

/* ---- the imaging lane's threads ---- */

bool sim_lane(struct sim *sim)
{
    return lane_run_one(sim->svc.imaging, 0);
}

static void lane_turn(struct timer *t)
{
    struct sim *sim = CONTAINER_OF(t, struct sim, lane_timer);
    lane_run_one(sim->svc.imaging, (size_t)sim_below(sim, lane_queued(sim->svc.imaging)));
}

static void wake_lane(struct sim *sim)
{
    if (sim->plan.lane_ns == SIM_NEVER || sim->lane_timer.slot || lane_queued(sim->svc.imaging) == 0)
        return;
    sim_arm(sim, &sim->lane_timer, sim_below(sim, sim->plan.lane_ns), lane_turn);
}

/* ---- steps ---- */

static uint64_t next_event_ns(const struct sim *sim)
{
    if (!loop_idle(&sim->core))
        return sim->now_ns;
    return MIN(loop_next_timer_ns(&sim->world), loop_next_timer_ns(&sim->core));
}

bool sim_step(struct sim *sim)
{
    uint64_t next = next_event_ns(sim);
    if (next == UINT64_MAX)
        return false;
    sim->now_ns = MAX(sim->now_ns, next);
    sim->steps++;
    SIM_CHECK(sim, sim->steps < STEPS_MAX);
    loop_turn(&sim->world);
    loop_turn(&sim->core);
    wake_lane(sim);
    sim_check(sim);
    return true;
}

void sim_run_ms(struct sim *sim, uint64_t ms)
{
    uint64_t until = sim->now_ns + ms * NS_PER_MS;
    while (next_event_ns(sim) <= until)
        sim_step(sim);
    sim->now_ns = until;
}

/* ---- start and stop ---- */

static void make_limiters(struct sim *sim)
{
    const struct options *opt = &sim->plan.opt;
    const int64_t slots[CLASS_COUNT] = {opt->light_concurrency, opt->heavy_concurrency,
                                        opt->comic_concurrency};
    for (int c = 0; c < CLASS_COUNT; c++) {
        sim->svc.class_limiter[c] =
            limiter_new(class_name((enum class)c), (size_t)slots[c], (size_t)opt->queue_max, &sim->core);
        sim_behind_init(&sim->behind[c], sim, sim->svc.class_limiter[c]);
    }
    sim->svc.local_limiter = limiter_new("local", 1, (size_t)opt->queue_max, &sim->core);
    sim->svc.fetch_limiter =
        limiter_new("fetch", (size_t)opt->fetch_concurrency, (size_t)opt->queue_max, &sim->core);
    sim->svc.step_limiter =
        limiter_new("replace-bg", (size_t)opt->replace_bg_concurrency, (size_t)opt->queue_max, &sim->core);
}

void sim_start(struct sim *sim, const struct sim_plan *plan)
{
    *sim = (struct sim){.plan = *plan, .now_ns = START_S * NS_PER_S};
    const struct options *opt = &sim->plan.opt;
    rng_seed(&sim->rng, plan->seed);
    log_setup(LOG_ERROR, false);
    loop_init(&sim->core, &core_driver, sim);
    loop_init(&sim->world, &world_driver, sim);
    loop_own(&sim->core);
    list_init(&sim->clients);
    sim->dir = scratch_new();
    struct error e;
    SIM_CHECK(sim,
              spool_new(sim->dir, plan->memory_bytes, (uint64_t)opt->spool_bytes, &sim->svc.spool, &e) == 0);
    sim_provider_init(sim);
    sim_store_init(sim);
    struct services *svc = &sim->svc;
    svc->opt = opt;
    svc->loop = &sim->core;
    list_init(&svc->live);
    svc->imaging =
        lane_new(&(struct lane_config){"imaging", 0, (size_t)opt->imaging_queue_max, NULL}, &sim->core);
    svc->cache = cache_new((uint64_t)opt->cache_max_size, (uint64_t)opt->cache_ttl_ms);
    svc->flights = flights_new();
    svc->metrics = metrics_new(sim->now_ns);
    svc->provider[0] = &sim->provider;
    svc->provider_count = 1;
    if (plan->backup)
        svc->provider[svc->provider_count++] = &sim->provider;
    svc->store = &sim->store;
    svc->log_requests = true; /* the record is made, and not written */
    make_limiters(sim);
    sim_pictures_make(sim);
}

static void free_services(struct services *svc)
{
    lane_free(svc->imaging);
    cache_free(svc->cache);
    flights_free(svc->flights);
    metrics_free(svc->metrics);
    for (int c = 0; c < CLASS_COUNT; c++)
        limiter_free(svc->class_limiter[c]);
    limiter_free(svc->local_limiter);
    limiter_free(svc->step_limiter);
    limiter_free(svc->fetch_limiter);
    spool_free(svc->spool);
}

void sim_finish(struct sim *sim)
{
    while (sim_step(sim))
        ;
    sim_check_end(sim);
}

void sim_stop(struct sim *sim)
{
    sim_finish(sim);
    sim_pictures_free(sim);
    free_services(&sim->svc);
    sim_provider_release(sim);
    sim_store_release(sim);
    sim_clients_free(sim);
    loop_release(&sim->core);
    loop_release(&sim->world);
    SIM_CHECK(sim, blob_live_count() == 0);
    scratch_free(sim->dir);
}
