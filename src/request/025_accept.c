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

bool accept_lacks_picture(struct request *req)
{
    if (join_need_pictures(req) != FAIL)
        return false;
    struct result *known = request_shares(req) ? lookup_result(req, req->validate.key) : NULL;
    if (known)
        req->err = (struct error){0};
    result_unref(known);
    return !known;
}

enum verdict accept_enter(struct request *req)
{
    if (!accept_wanted(req))
        return NEXT;
    if (receive_check_draining(req) < 0)
        return FAIL;
    if (!req->ask.key && accept_lacks_picture(req)) /* a key may have an answer already */
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
