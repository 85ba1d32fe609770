/* The Cog provider: runs models on servers of the operator's own.
 *
 * Happy path: the least busy server of a feature takes the run; all servers are asked for their health at
 * first use and every COG_HEALTH_MS. Failure modes: a server that refuses for want of room is left alone for
 * a while, and what it refused goes to another or waits; one that is starting is waited for; one that cannot
 * be reached, whose set-up failed or whose model died gets nothing until it says otherwise; when none can be
 * hoped for, what waits for them ends with PROVIDER_UNAVAILABLE; when a server has not answered for three
 * times, what it runs is given to others. Invariants: a run is in `waiting`, or in its server's `sent`, or
 * its answer is being read; whatever may let a waiting run go on ends in cog_dispatch. */
#include "predict/cog.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/cog_health.h"
#include "predict/replicate_input.h"

enum {
    HEALTH_BYTES_MAX = 16 << 20, /* the set-up's whole log is in it */
    MISSES_MAX = 3               /* then a server's runs are given to others */
};

static struct cog *cog_of(struct provider *p)
{
    return CONTAINER_OF(p, struct cog, provider);
}

/* ---- who gets what ---- */

uint64_t cog_serves(const struct cog *c, const struct feature *f)
{
    return replicate_feature_known(f) ? c->endpoints.serves[f->id] : 0;
}

static void pause_over(struct timer *t)
{
    cog_dispatch(CONTAINER_OF(t, struct cog, pause));
}

void cog_dispatch(struct cog *c)
{
    struct loop *loop = c->config.loop;
    uint64_t now = loop_now_ns(loop), next = UINT64_MAX;
    LIST_FOREACH_SAFE (node, &c->waiting) {
        struct cog_run *run = cog_run_of(node);
        uint64_t when = UINT64_MAX;
        const struct cog_choice choice = {cog_serves(c, cog_run_feature(run)), cog_run_avoids(run), c->turn,
                                          now};
        int n = cog_choose(c->server, &choice, &when);
        if (n >= 0) {
            c->turn = (unsigned)n + 1;
            cog_run_send(run, &c->server[n]);
        } else if (n == COG_NOBODY) {
            cog_run_unavailable(run);
        }
        next = MIN(next, when);
    }
    if (next != UINT64_MAX)
        timer_arm(loop, &c->pause, next, pause_over);
    else
        timer_disarm(loop, &c->pause);
}

/* ---- health ---- */

static void give_runs_to_others(struct cog_server *s)
{
    LIST_FOREACH_SAFE (node, &s->sent)
        cog_run_lost(cog_run_of(node));
}

static void health_told(struct op *op)
{
    struct http_call *call = CONTAINER_OF(op, struct http_call, op);
    struct cog_server *s = CONTAINER_OF(call, struct cog_server, health);
    struct cog_health h = {.state = COG_UNREACHABLE};
    if (op->result == 0)
        cog_health_read(call->status, call->answer.data, call->answer.len, &h);
    http_call_release(call);
    cog_server_heard(s, &h);
    s->misses = h.state == COG_UNREACHABLE ? s->misses + 1 : 0;
    if (s->misses >= MISSES_MAX)
        give_runs_to_others(s);
    cog_dispatch(s->cog);
}

static void ask(struct cog_server *s)
{
    const struct remote_config *config = &s->cog->config;
    uint32_t limit_ms = (uint32_t)config->opt->cog_health_ms;
    if (s->health.op.state != OP_IDLE)
        return;
    s->ask_at_ns = loop_now_ns(config->loop) + limit_ms * NS_PER_MS;
    s->health = (struct http_call){
        .method = "GET",
        .url = s->health_url,
        .answer_max_bytes = HEALTH_BYTES_MAX,
        .connect_timeout_ms = limit_ms,
        .timeout_ms = limit_ms,
    };
    http_call_start(config->pool, &s->health, health_told);
}

void cog_doubt(struct cog_server *s)
{
    atomic_store(&s->state, COG_UNASKED);
    ask(s);
}

/* ---- the provider ---- */

static int cog_available(struct provider *p, const struct feature *f, struct error *e)
{
    struct cog *c = cog_of(p);
    uint64_t serves = cog_serves(c, f);
    if (!serves)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "No Cog server is set up for this feature");
    for (unsigned i = 0; i < c->endpoints.count; i++)
        if (serves >> i & 1 && cog_state_hopeful(atomic_load(&c->server[i].state)))
            return 0;
    error_set(e, ERR_PROVIDER_UNAVAILABLE, "No Cog server for this feature is in order");
    e->retry_after_s = (unsigned)((c->config.opt->cog_health_ms + 999) / 1000);
    return -ERR_PROVIDER_UNAVAILABLE;
}

static void cog_start(struct provider *p, struct prediction *prediction)
{
    struct cog *c = cog_of(p);
    uint64_t serves = cog_serves(c, prediction->feature);
    cog_run_start(c, prediction);
    for (unsigned i = 0; i < c->endpoints.count; i++)
        if (serves >> i & 1 && atomic_load(&c->server[i].state) == COG_UNASKED)
            ask(&c->server[i]);
    cog_dispatch(c);
}

static void cog_tick(struct provider *p)
{
    struct cog *c = cog_of(p);
    uint64_t now = loop_now_ns(c->config.loop);
    for (unsigned i = 0; i < c->endpoints.count; i++)
        if (now >= c->server[i].ask_at_ns)
            ask(&c->server[i]);
}

static void cog_describe(struct provider *p, struct buf *out)
{
    struct cog *c = cog_of(p);
    for (unsigned i = 0; i < c->endpoints.count; i++)
        buf_printf(out, ",\"cog.%s\":\"%s\"", cog_endpoint_name(c->server[i].url),
                   cog_state_name(atomic_load(&c->server[i].state)));
}

/* No run is under way, but an answer may be: nobody will read it. */
static void cog_free(struct provider *p)
{
    struct cog *c = cog_of(p);
    CHECK(list_empty(&c->waiting));
    timer_disarm(c->config.loop, &c->pause);
    for (unsigned i = 0; i < c->endpoints.count; i++) {
        struct cog_server *s = &c->server[i];
        CHECK(list_empty(&s->sent));
        op_cancel(&s->health.op);
        list_remove(&s->health.op.ready);
        http_call_release(&s->health);
        free(s->health_url);
    }
    cog_farewells_free(c);
    cog_endpoints_release(&c->endpoints);
    free(c);
}

static const struct provider_ops cog_ops = {
    .name = "cog",
    .remote = true,
    .available = cog_available,
    .start = cog_start,
    .tick = cog_tick,
    .describe = cog_describe,
    .free = cog_free,
};

int provider_cog_new(const struct remote_config *config, struct provider **ret, struct error *e)
{
    struct cog_endpoints endpoints;
    int r = cog_endpoints_parse(config->opt->cog_endpoints, &endpoints, e);
    if (r < 0)
        return r;
    struct cog *c = NEW(struct cog);
    c->provider.ops = &cog_ops;
    c->config = *config;
    c->endpoints = endpoints;
    list_init(&c->waiting);
    list_init(&c->farewells);
    uint64_t seed;
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&c->rng, seed);
    for (unsigned i = 0; i < c->endpoints.count; i++) {
        struct cog_server *s = &c->server[i];
        s->cog = c;
        s->url = c->endpoints.url[i];
        s->health_url = mem_printf("%s/health-check", s->url);
        list_init(&s->sent);
    }
    *ret = &c->provider;
    return 0;
}
