/* 045 shared: has another gateway done this, or is one doing it? Only one that leads asks, so a crowd of
 * twins asks once.
 *
 * What would run elsewhere, for money, takes the lease of its key (cache/claim.h), or waits for who has it.
 * A hit becomes one of this gateway's own: it enters the memory cache first, then the flight is settled with
 * it, which wakes the twins, as 100 would do. The client of Redis bounds each look; a server that does not
 * answer is not asked. */
#include <string.h>

#include "metrics/metrics.h"
#include "request/flights.h"
#include "request/stage.h"

static void count(const struct request *req, unsigned result)
{
    cells_add(metrics_cells(req->svc->metrics), M_CACHE_SHARED, result, 1);
}

enum verdict shared_enter(struct request *req)
{
    struct services *svc = req->svc;
    if (!svc->shared || !req->join.leads || req->wish.no_cache)
        return NEXT;
    if (!shared_is_up(svc->shared)) {
        count(req, V_SHARED_OFF);
        return NEXT;
    }
    struct claim *claim = arena_alloc(&req->arena, sizeof(*claim));
    memcpy(claim->get.key, req->validate.key, DIGEST_BYTES);
    req->shared.claim = claim;
    if (svc->claims && queue_goes_elsewhere(req)) {
        claim_start(svc->claims, claim, pipeline_op_done);
        return stage_wait(req, &claim->op);
    }
    shared_get_start(svc->shared, &claim->get, pipeline_op_done);
    return stage_wait(req, &claim->get.op);
}

enum verdict shared_done(struct request *req)
{
    struct services *svc = req->svc;
    struct shared_get *get = &req->shared.claim->get;
    if (get->op.result != -ERR_CLIENT_GONE)
        count(req, get->op.result < 0 ? V_SHARED_ERROR : get->result ? V_SHARED_HIT : V_SHARED_MISS);
    if (get->lease == LEASE_FAILED && req->err.code == ERR_NONE) {
        req->err = get->err;
        req->spent = true; /* or it would fail again: either way nobody tries once more */
        return FAIL;
    }
    if (!get->result)
        return NEXT;
    if (lookup_is_too_old(req, get->result)) {
        req->lookup.passed_by = true;
        return NEXT;
    }
    cache_put(svc->cache, req->validate.key, get->result, loop_now_ns(svc->loop), get->ttl_ms);
    flights_settle(svc->flights, req, get->result, NULL);
    req->lookup.hit = TAKE(get->result);
    return HIT;
}
