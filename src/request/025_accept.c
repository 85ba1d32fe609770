/* 025 accept: a request that is to be a job is written down, and ends here with the job's answer.
 *
 * Happy path: the desk takes it over; the answer is a 202, or the result if the caller wished to wait and it
 * came in time. Failure modes: what is not written down is not accepted, and the caller is told so; a caller
 * that leaves while it waits gives up the wait only. Everything else passes through. */
#include "request/job_desk.h"
#include "request/job_wish.h"
#include "request/stage.h"

bool accept_wanted(const struct request *req)
{
    return req->err.code == ERR_NONE && job_wanted(req);
}

enum verdict accept_enter(struct request *req)
{
    if (!accept_wanted(req))
        return NEXT;
    if (atomic_load_explicit(&req->svc->draining, memory_order_relaxed)) {
        error_set(&req->err, ERR_DRAINING, "The server is shutting down; ask again in a moment");
        req->err.retry_after_s = 5;
        return FAIL;
    }
    struct result *known = request_shares(req) ? lookup_result(req, req->validate.key) : NULL;
    result_unref(known);
    if (!known && !req->ask.key && join_need_pictures(req) == FAIL) /* a key may have an answer already */
        return FAIL;
    req->accept.ticket = arena_alloc(&req->arena, sizeof(*req->accept.ticket));
    req->svc->desk->submit(req->svc->desk, req, pipeline_op_done);
    return stage_wait(req, &req->accept.ticket->op);
}

enum verdict accept_done(struct request *req)
{
    const struct job_ticket *t = req->accept.ticket;
    if (t->op.result == 0)
        return ANSWERED;
    if (!req->cancelled)
        req->err = t->err;
    return FAIL;
}
