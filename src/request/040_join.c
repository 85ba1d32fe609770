/* 040 join: is the same being done right now? Then wait for it; else lead.
 *
 * The cache is asked once more: the twin may have finished while this request was on its way to the core, and
 * 100 stores before it leaves the map, both on the core, so one of the two always shows it. */
#include "request/flights.h"
#include "request/stage.h"

enum verdict join_enter(struct request *req)
{
    req->lookup.hit = cache_get(req->svc->cache, req->validate.key, loop_now_ns(req->svc->loop));
    if (req->lookup.hit)
        return HIT;
    if (flights_join(req->svc->flights, req, pipeline_op_done))
        return NEXT;
    return stage_wait(req, &req->join.op);
}

enum verdict join_done(struct request *req)
{
    int result = req->join.op.result;
    if (result < 0)
        return FAIL; /* err is the leader's, or says why the wait was cancelled */
    if (req->join.leads) {
        req->receive.body = flight_body(req->join.flight);
        return NEXT;
    }
    req->join.collapsed = true;
    return HIT;
}
