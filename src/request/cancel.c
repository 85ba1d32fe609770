/* What it means to stop, in each state.
 *
 * Before anything is paid, a client that leaves ends the work, unless a twin waits for it; then the last twin
 * that leaves ends it. Once a prediction is paid for it is finished, stored and remembered, so that the next
 * asker gets it for nothing. */
#include "base/check.h"
#include "request/flights.h"
#include "request/stage.h"

void request_cancel(struct request *req)
{
    CHECK(req->err.code != ERR_NONE);
    req->cancelled = true;
    if (req->waiting)
        op_cancel(req->waiting);
}

static bool has_followers(const struct request *req)
{
    return req->join.leads && flight_has_followers(req->join.flight);
}

bool request_wanted(const struct request *req)
{
    return req->client || has_followers(req);
}

static bool must_finish(const struct request *req)
{
    if (has_followers(req))
        return true;
    if (req->validate.params.feature && !request_shares(req))
        return false; /* nobody else would be given this result */
    switch (stages[req->at].leave) {
    case LEAVE_STOPS:
        return false;
    case LEAVE_ASKS:
        return (req->run.prediction && req->run.prediction->paid) || (req->run.story && req->spent);
    case LEAVE_FINISHES:
        break;
    }
    return true;
}

void request_stop_unwanted(struct request *req)
{
    if (req->client || req->cancelled || must_finish(req))
        return;
    error_set(&req->err, ERR_CLIENT_GONE, "%s", "");
    request_cancel(req);
}

void request_client_left(struct request *req)
{
    if (req->client) {
        struct error err = req->err;
        error_set(&req->err, ERR_CLIENT_GONE, "%s", "");
        req->client->answer(req); /* ends the exchange; nobody reads it */
        req->client = NULL;
        req->err = err;
    }
    request_stop_unwanted(req);
}
