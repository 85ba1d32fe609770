/* 040 join: is the same being done right now? Then wait for it; else lead.
 *
 * The cache is asked once more: the twin may have finished while this request was on its way to the core, and
 * 100 stores before it leaves the map, both on the core, so one of the two always shows it.
 * Who wishes nothing that was begun before (no-cache) leads if nobody does, else works beside the leader. */
#include <stdio.h>

#include "request/flights.h"
#include "request/intent.h"
#include "request/pictures.h"
#include "request/stage.h"

/* There is no result: now a picture that was only named has to be here. */
enum verdict join_need_pictures(struct request *req)
{
    if (intent_needs_no_picture(req))
        return NEXT;
    for (unsigned i = 0; i < feature_pictures(req->feature); i++) {
        if (req->receive.body[i] || !req->validate.digest[i])
            continue;
        const char *field = feature_picture(req->feature, i)->field;
        error_set(&req->err, ERR_UPLOAD_UNKNOWN,
                  "No picture with this digest has come lately, or it is not kept any more: send the picture "
                  "itself in the file field \"%s\"",
                  field);
        feature_blame_picture(req->feature, i, &req->err);
        snprintf(req->err.field, sizeof(req->err.field), "%s_digest", field);
        return FAIL;
    }
    return NEXT;
}

/* What is done ahead is no reason to wait. */
static enum verdict already_done(struct request *req)
{
    error_set(&req->err, ERR_QUEUE_FULL, "It is being done already");
    return FAIL;
}

enum verdict join_enter(struct request *req)
{
    if (!request_shares(req))
        return join_need_pictures(req); /* each run differs, or it wishes to be left alone */
    req->lookup.hit = lookup_result(req, req->validate.key);
    if (req->lookup.hit)
        return HIT;
    if (join_need_pictures(req) == FAIL)
        return FAIL;
    if ((req->wish.no_cache || req->intent.resume) && flights_running(req->svc->flights, req->validate.key))
        return NEXT;
    if (req->ahead && flights_running(req->svc->flights, req->validate.key))
        return already_done(req);
    if (flights_join(req->svc->flights, req, pipeline_op_done))
        return NEXT;
    queue_lend_turn(flight_leader(req->join.flight), req);
    return stage_wait(req, &req->join.op);
}

enum verdict join_done(struct request *req)
{
    int result = req->join.op.result;
    if (result < 0)
        return FAIL; /* err is the leader's, or says why the wait was cancelled */
    if (req->join.leads) {
        flight_bodies(req->join.flight, req->receive.body);
        return NEXT;
    }
    req->join.collapsed = true;
    return HIT;
}
