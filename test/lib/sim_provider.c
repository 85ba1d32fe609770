/* A provider whose runs do what the plan says, and which counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "sim.h"

struct sim_run {
    struct list node; /* in sim.runs */
    struct timer timer, halfway;
    struct sim *sim;
    struct prediction *prediction;
    struct sim_key *key;
    struct sim_act act;
    bool cancelled;
};

struct sim_key *sim_key_of(struct sim *sim, const uint8_t *key)
{
    uint32_t hash;
    memcpy(&hash, key, sizeof(hash));
    struct sim_key **at = &sim->keys[hash % SIM_KEY_CHAINS];
    while (*at && memcmp((*at)->key, key, DIGEST_BYTES) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = NEW(struct sim_key);
        memcpy((*at)->key, key, DIGEST_BYTES);
    }
    return *at;
}

static struct blob *make_output(struct sim *sim, const struct sim_run *run, unsigned i)
{
    static const char magic[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    char text[128];
    memcpy(text, magic, sizeof(magic) - 1);
    size_t size = sizeof(magic) - 1;
    size += (size_t)snprintf(text + size, sizeof(text) - size, "%02x%02x-%u-%u", run->key->key[0],
                             run->key->key[1], run->key->creates, i);
    switch (run->act.end) {
    case SIM_EMPTY_OUTPUT:
        return blob_copy("", 0);
    case SIM_NOT_AN_IMAGE:
        return blob_copy("<html>Service unavailable</html>", 32);
    case SIM_TOO_LARGE:
        return blob_take(mem_zalloc((size_t)sim->plan.opt.output_max_bytes + 1),
                         (size_t)sim->plan.opt.output_max_bytes + 1, free);
    default:
        return blob_copy(text, size);
    }
}

static void fill_outputs(const struct sim_run *run, struct prediction *p)
{
    p->output_count = run->act.end == SIM_NO_OUTPUT ? 0 : run->act.outputs;
    for (unsigned i = 0; i < p->output_count; i++)
        p->output[i] =
            (struct prediction_output){.blob = make_output(run->sim, run, i), .width = 16, .height = 16};
    p->model = "sim";
    hex_encode(run->key->key, DIGEST_BYTES, p->reason);
}

static void end_run(struct sim_run *run, bool stopped)
{
    struct sim *sim = run->sim;
    struct prediction *p = run->prediction;
    timer_disarm(&sim->world, &run->timer);
    timer_disarm(&sim->world, &run->halfway);
    list_remove(&run->node);
    sim->running--;
    run->key->running--;
    int result = 0;
    if (stopped)
        result = -ERR_CLIENT_GONE;
    else if (run->act.end == SIM_FAILS)
        result = error_set(&p->err, ERR_UPSTREAM, "as planned");
    else if (run->act.end == SIM_FAILS_SILENTLY)
        result = -ERR_UPSTREAM;
    else
        fill_outputs(run, p);
    p->paid |= !stopped && run->act.paid == SIM_PAID_AT_END;
    p->driver = NULL;
    free(run);
    op_complete(&p->op, result);
}

static void run_ends(struct timer *t)
{
    end_run(CONTAINER_OF(t, struct sim_run, timer), false);
}

static void run_stops(struct timer *t)
{
    end_run(CONTAINER_OF(t, struct sim_run, timer), true);
}

static void run_is_halfway(struct timer *t)
{
    struct sim_run *run = CONTAINER_OF(t, struct sim_run, halfway);
    struct prediction *p = run->prediction;
    p->paid |= run->act.paid == SIM_PAID_HALFWAY;
    p->done = 1;
    p->total = 2;
    p->on_progress(p);
}

static void cancel_run(struct op *op)
{
    struct prediction *p = CONTAINER_OF(op, struct prediction, op);
    struct sim_run *run = p->driver;
    struct sim *sim = run->sim;
    if (run->cancelled)
        return;
    run->cancelled = true;
    switch (run->act.cancel) {
    case SIM_STOPS_AT_ONCE:
        end_run(run, true);
        break;
    case SIM_STOPS_LATE:
        sim_arm(sim, &run->timer, run->act.cancel_ns, run_stops);
        break;
    case SIM_ENDS_ANYWAY:
        sim_arm(sim, &run->timer, run->act.cancel_ns, run_ends);
        break;
    case SIM_DEAF:
        SIM_CHECK(sim, run->timer.slot != 0);
        break;
    }
}

/* Never two at a time for a key whose results are shared, and none for what is remembered. */
static void check_create(struct sim *sim, const struct sim_key *key, bool shared)
{
    SIM_CHECK(sim, key->running == 0 || !shared);
    struct result *known = cache_get(sim->svc.cache, key->key, sim->now_ns);
    SIM_CHECK(sim, !known);
    sim_check_slots(sim);
}

static void sim_provider_start(struct provider *p, struct prediction *prediction)
{
    struct sim *sim = CONTAINER_OF(p, struct sim, provider);
    const struct request *req = CONTAINER_OF(prediction->params, struct request, validate.params);
    struct sim_run *run = NEW(struct sim_run);
    run->sim = sim;
    run->prediction = prediction;
    run->key = sim_key_of(sim, req->validate.key);
    check_create(sim, run->key, params_keep(prediction->params));
    run->act = (struct sim_act){.outputs = 1};
    sim->plan.run(sim, req, &run->act);
    run->key->creates++;
    run->key->running++;
    sim->creates++;
    sim->running++;
    sim->peak_running = MAX(sim->peak_running, sim->running);
    list_push_back(&sim->runs, &run->node);
    prediction->driver = run;
    prediction->paid = run->act.paid == SIM_PAID_AT_START;
    op_begin(&prediction->op, &sim->core, prediction->op.on_done, cancel_run);
    if (run->act.ns == SIM_NEVER)
        return;
    sim_arm(sim, &run->timer, run->act.ns, run_ends);
    sim_arm(sim, &run->halfway, run->act.ns / 2, run_is_halfway);
}

static int sim_provider_available(struct provider *p, const struct feature *f, struct error *e)
{
    struct sim *sim = CONTAINER_OF(p, struct sim, provider);
    return sim->plan.available ? sim->plan.available(sim, e) : 0;
}

unsigned sim_finish_runs(struct sim *sim)
{
    unsigned n = 0;
    LIST_FOREACH_SAFE (node, &sim->runs) {
        end_run(CONTAINER_OF(node, struct sim_run, node), false);
        n++;
    }
    return n;
}

void sim_pay_runs(struct sim *sim)
{
    LIST_FOREACH (node, &sim->runs)
        CONTAINER_OF(node, struct sim_run, node)->prediction->paid = true;
}

static const struct provider_ops shared_ops = {
    .name = "sim", .available = sim_provider_available, .start = sim_provider_start};
static const struct provider_ops own_ops = {
    .name = "sim", .own_limiter = true, .available = sim_provider_available, .start = sim_provider_start};

void sim_provider_init(struct sim *sim)
{
    list_init(&sim->runs);
    sim->provider.ops = sim->plan.own_limiter ? &own_ops : &shared_ops;
}

void sim_provider_release(struct sim *sim)
{
    SIM_CHECK(sim, sim->running == 0 && list_empty(&sim->runs));
    for (unsigned i = 0; i < SIM_KEY_CHAINS; i++) {
        while (sim->keys[i]) {
            struct sim_key *next = sim->keys[i]->next;
            free(sim->keys[i]);
            sim->keys[i] = next;
        }
    }
}
