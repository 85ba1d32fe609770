/* What must hold after each step, and at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "metrics/metrics.h"
#include "sim.h"

enum { CACHE_EVERY = 64 };

static bool granted(const struct request *req)
{
    const struct op *op = &req->queue.wait.op;
    return req->at == STAGE_QUEUE && req->waiting == op && op->state == OP_COMPLETE && op->result == 0;
}

static void check_limiter(struct sim *sim, const struct limiter *l)
{
    size_t held = 0, waiting = 0;
    LIST_FOREACH (node, &sim->svc.live) {
        const struct request *req = CONTAINER_OF(node, struct request, node);
        held += req->queue.limiter == l;
        held += granted(req) && req->queue.wait.limiter == l;
    }
    for (unsigned p = 0; p < SLOT_PRIORITIES; p++)
        waiting += l->queue[p].count;
    SIM_CHECK(sim, l->running == held);
    SIM_CHECK(sim, l->waiting == waiting);
    SIM_CHECK(sim, l->running <= l->slots);
    SIM_CHECK(sim, l->waiting <= l->queue_max + (l->closed ? l->slots - l->running : 0));
    SIM_CHECK(sim, l->waiting == 0 || l->running == l->slots || l->closed);
}

void sim_check_slots(struct sim *sim)
{
    for (int c = 0; c < CLASS_COUNT; c++)
        check_limiter(sim, sim->svc.class_limiter[c]);
    check_limiter(sim, sim->svc.local_limiter);
}

/* Between turns a slot is held exactly while its prediction runs. */
static void check_running(struct sim *sim)
{
    size_t slots = sim->svc.local_limiter->running;
    for (int c = 0; c < CLASS_COUNT; c++)
        slots += sim->svc.class_limiter[c]->running;
    SIM_CHECK(sim, slots == sim->running);
}

static void check_leader(struct sim *sim, const struct request *req)
{
    SIM_CHECK(sim, flight_leader(req->join.flight) == req);
    SIM_CHECK(sim, req->receive.body[0]);
    struct sim_key *key = sim_key_of(sim, req->validate.key);
    SIM_CHECK(sim, key->led_at != sim->checks); /* one leader a key */
    key->led_at = sim->checks;
    bool paid = req->run.prediction && req->run.prediction->paid;
    bool wanted = req->client || flight_has_followers(req->join.flight) || paid || req->at > STAGE_RUN;
    SIM_CHECK(sim, wanted || req->cancelled); /* nobody works for nobody */
}

static void check_follower(struct sim *sim, const struct request *req)
{
    const struct request *leader = flight_leader(req->join.flight);
    SIM_CHECK(sim, leader && leader != req && list_linked(&leader->node));
    SIM_CHECK(sim, leader->join.leads && leader->join.flight == req->join.flight);
    SIM_CHECK(sim, memcmp(leader->validate.key, req->validate.key, DIGEST_BYTES) == 0);
    SIM_CHECK(sim, !req->receive.body[0] && req->client);
}

/* One that waits: for something that is under way, with a limit. */
static void check_waiting(struct sim *sim, const struct request *req)
{
    SIM_CHECK(sim, req->on_core && req->at >= STAGE_JOIN && req->at <= STAGE_STORE);
    SIM_CHECK(sim, req->waiting && op_running(req->waiting) && req->waiting->owner == req);
    SIM_CHECK(sim, req->limit.slot != 0 || req->cancelled);
    SIM_CHECK(sim, !req->cancelled || req->err.code != ERR_NONE);
    SIM_CHECK(sim, req->cancelled || req->err.code == ERR_NONE || req->at == STAGE_STORE);
    SIM_CHECK(sim, (req->queue.limiter != NULL) == (req->at == STAGE_RUN));
    if (req->join.leads)
        check_leader(sim, req);
    else if (req->at == STAGE_JOIN)
        check_follower(sim, req);
    else if (request_shares(req) && !req->wish.no_cache)
        sim_broken(sim, "a request works without leading", __FILE__, __LINE__);
}

void sim_check(struct sim *sim)
{
    struct services *svc = &sim->svc;
    sim->checks++;
    SIM_CHECK(sim, loop_idle(&sim->core));
    uint64_t live = 0, leaders = 0, alone = 0;
    LIST_FOREACH (node, &svc->live) {
        const struct request *req = CONTAINER_OF(node, struct request, node);
        live++;
        leaders += req->join.leads;
        alone += !req->join.leads && (!request_shares(req) || (req->wish.no_cache && !req->join.flight));
        check_waiting(sim, req);
    }
    SIM_CHECK(sim, leaders == flights_count(svc->flights));
    SIM_CHECK(sim, live - leaders - alone == flights_followers(svc->flights));
    SIM_CHECK(sim, live <= atomic_load(&svc->open));
    sim_check_slots(sim);
    check_running(sim);
    if (sim->steps % CACHE_EVERY == 0)
        SIM_CHECK(sim, cache_size(svc->cache, sim->now_ns) <= cache_max_size(svc->cache));
}

static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    uint64_t n = UINT64_MAX;
    return at && sscanf(at + strlen(name), "%" SCNu64, &n) == 1 ? n : UINT64_MAX;
}

static void check_metrics(struct sim *sim)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 1 << 20);
    struct metrics_cache cache = {0};
    metrics_json(sim->svc.metrics, sim->now_ns, &cache, &text);
    const char *t = buf_text(&text);
    uint64_t total = number_after(t, "\"total\":"), success = number_after(t, "\"success\":");
    uint64_t error = number_after(t, "\"error\":"), cached = number_after(t, "\"cached\":");
    SIM_CHECK(sim, total == sim->posted);
    SIM_CHECK(sim, total == success + error);
    SIM_CHECK(sim, cached <= success && success >= sim->succeeded && error >= sim->failed);
}

void sim_check_end(struct sim *sim)
{
    struct services *svc = &sim->svc;
    SIM_CHECK(sim, atomic_load(&svc->open) == 0 && list_empty(&svc->live));
    SIM_CHECK(sim, flights_count(svc->flights) == 0 && flights_followers(svc->flights) == 0);
    SIM_CHECK(sim, sim->running == 0 && sim->puts_running == 0);
    SIM_CHECK(sim, lane_queued(svc->imaging) == 0);
    SIM_CHECK(sim, spool_memory_bytes(svc->spool) == 0);
    SIM_CHECK(sim, blob_live_count() == SIM_PICTURES);
    SIM_CHECK(sim, cache_size(svc->cache, sim->now_ns) <= cache_max_size(svc->cache));
    LIST_FOREACH (node, &sim->clients) {
        const struct sim_client *c = CONTAINER_OF(node, struct sim_client, node);
        SIM_CHECK(sim, c->answers == 1 || (c->left && c->answers == 0 && !c->watched));
    }
    check_metrics(sim);
    if (sim->plan.remembers_all)
        SIM_CHECK(sim, sim_cached_objects(sim) == sim->object_count);
}
