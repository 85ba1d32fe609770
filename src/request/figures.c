#include "request/figures.h"

#include <string.h>

#include "base/clock.h"

void figures_of_exchange(struct metrics *m, const struct http_figures *f)
{
    struct cells *c = metrics_cells(m);
    unsigned route = metric_series(M_HTTP_DURATION, f->tag, 0, 0);
    cells_add(c, M_HTTP_REQUESTS,
              metric_series(M_HTTP_REQUESTS, f->tag, metric_method(f->method), metric_code(f->status)), 1);
    cells_observe(c, M_HTTP_DURATION, route, f->ns);
    if (f->request_bytes > 0)
        cells_observe(c, M_HTTP_REQUEST_BODY, 0, f->request_bytes);
    if (f->response_bytes > 0)
        cells_observe(c, M_HTTP_RESPONSE_BODY, 0, f->response_bytes);
    exemplars_note(metrics_exemplars(m), route, f->ns, f->request_id, f->now_ns);
}

/* ---- where the time went ---- */

static uint64_t admission_ns(const struct request *req)
{
    uint64_t from = req->entered_ns[STAGE_RECEIVE], to = req->receive.admitted_ns;
    return from && to > from ? to - from : 0;
}

static void observe_span(const struct request *req, unsigned span, uint64_t ns)
{
    if (ns > 0)
        cells_observe(metrics_cells(req->svc->metrics), M_SPANS, span, ns);
}

/* Every request passes these, most without anything to do there. */
static bool was_idle(const struct request *req, enum stage_id stage)
{
    return (stage == STAGE_FETCH && !req->fetch.pictures) || (stage == STAGE_SHARED && !req->shared.claim) ||
           (stage == STAGE_READ_OUTPUT && !req->read.outputs && !req->read.stored) ||
           (stage == STAGE_COMPOSE && req->feature->work != WORK_COMPOSE);
}

static void observe_spans(const struct request *req)
{
    static const struct {
        enum stage_id stage;
        unsigned span;
    } rows[] = {
        {STAGE_FETCH, V_SPAN_FETCH}, {STAGE_VALIDATE, V_SPAN_VALIDATE}, {STAGE_LOOKUP, V_SPAN_CACHE},
        {STAGE_JOIN, V_SPAN_JOIN},   {STAGE_PRESCALE, V_SPAN_PRESCALE}, {STAGE_QUEUE, V_SPAN_QUEUE},
        {STAGE_RUN, V_SPAN_RUN},     {STAGE_READ_OUTPUT, V_SPAN_READ},  {STAGE_COMPOSE, V_SPAN_COMPOSE},
        {STAGE_STORE, V_SPAN_STORE}, {STAGE_SHARED, V_SPAN_SHARED},
    };
    uint64_t admission = admission_ns(req);
    observe_span(req, V_SPAN_ADMISSION, admission);
    if (req->receive.admitted_ns)
        observe_span(req, V_SPAN_RECEIVE, request_stage_ns(req, STAGE_RECEIVE) - admission);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!was_idle(req, rows[i].stage))
            observe_span(req, rows[i].span, request_stage_ns(req, rows[i].stage));
}

static void observe_overhead(const struct request *req, uint64_t total_ns)
{
    static const enum stage_id others[] = {STAGE_RECEIVE, STAGE_FETCH, STAGE_JOIN,
                                           STAGE_SHARED,  STAGE_RUN,   STAGE_READ_OUTPUT};
    uint64_t theirs = req->run.earlier_ns;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        theirs += request_stage_ns(req, others[i]);
    theirs -= admission_ns(req); /* which is part of the first of them, and ours */
    if (total_ns > theirs)
        cells_observe(metrics_cells(req->svc->metrics), M_OVERHEAD, 0, total_ns - theirs);
}

/* ---- how it ended ---- */

static bool left_while_queueing(const struct request *req)
{
    return req->entered_ns[STAGE_QUEUE] && !req->entered_ns[STAGE_RUN];
}

/* V_REFUSAL_END: it was let in. */
static unsigned refusal_of(const struct request *req)
{
    switch (req->err.code) {
    case ERR_QUEUE_FULL:
        return V_REFUSAL_QUEUE_FULL;
    case ERR_RATE_LIMIT:
        return V_REFUSAL_RATE;
    case ERR_DRAINING:
        return V_REFUSAL_DRAINING;
    case ERR_BUDGET_EXCEEDED:
        return V_REFUSAL_BUDGET;
    case ERR_UNAUTHORIZED:
        return V_REFUSAL_UNAUTHORIZED;
    case ERR_PROVIDER_UNAVAILABLE:
        return left_while_queueing(req) ? V_REFUSAL_UNAVAILABLE : V_REFUSAL_END;
    case ERR_DEADLINE:
        return left_while_queueing(req) ? V_REFUSAL_QUEUE_TIMEOUT : V_REFUSAL_END;
    default:
        return V_REFUSAL_END;
    }
}

/* V_SOURCE_END: the picture is not at fault. */
static unsigned source_fault_of(const struct request *req)
{
    enum err code = req->err.code;
    if (code == ERR_PAYLOAD_TOO_LARGE)
        return V_SOURCE_BYTES;
    if (code == ERR_UNSUPPORTED_MEDIA_TYPE)
        return V_SOURCE_FORMAT;
    if (req->fetch.pictures && !req->entered_ns[STAGE_VALIDATE] && err_row(code)->cause == CAUSE_CLIENT &&
        code != ERR_CLIENT_GONE)
        return V_SOURCE_ADDRESS;
    bool reading = req->entered_ns[STAGE_PRESCALE] && !req->entered_ns[STAGE_QUEUE];
    return reading && (code == ERR_VALIDATION || code == req->feature->refusal) ? V_SOURCE_PICTURE
                                                                                : V_SOURCE_END;
}

static void count_failure(const struct request *req)
{
    struct cells *c = metrics_cells(req->svc->metrics);
    unsigned refusal = refusal_of(req), fault = source_fault_of(req);
    if (refusal != V_REFUSAL_END)
        cells_add(c, M_REJECTED, metric_series(M_REJECTED, (unsigned)req->feature->class, refusal, 0), 1);
    else if (fault != V_SOURCE_END)
        cells_add(c, M_SOURCE_REJECTED, fault, 1);
}

static void count_success(const struct request *req, unsigned outcome)
{
    static const unsigned results[] = {[V_OUTCOME_RUN] = V_RESULT_MISS,
                                       [V_OUTCOME_HIT] = V_RESULT_HIT,
                                       [V_OUTCOME_TWIN] = V_RESULT_COALESCED};
    struct cells *c = metrics_cells(req->svc->metrics);
    unsigned result = params_keep(&req->validate.params) ? results[outcome] : V_RESULT_BYPASS;
    cells_add(c, M_CACHE_REQUESTS, metric_series(M_CACHE_REQUESTS, V_TIER_MEMORY, result, 0), 1);
    if (outcome == V_OUTCOME_TWIN)
        cells_add(c, M_FOLLOWERS, req->feature->id, 1);
}

static unsigned outcome_of(const struct request *req)
{
    if (!request_result(req))
        return V_OUTCOME_ERROR;
    return req->lookup.hit ? V_OUTCOME_HIT : req->join.collapsed ? V_OUTCOME_TWIN : V_OUTCOME_RUN;
}

void figures_of_request(const struct request *req, uint64_t total_ns)
{
    observe_spans(req);
    if (!*req->feature->route || req->ahead)
        return;
    unsigned outcome = outcome_of(req);
    cells_add(metrics_cells(req->svc->metrics), M_REQUESTS,
              metric_series(M_REQUESTS, req->feature->id, outcome, 0), 1);
    if (outcome == V_OUTCOME_ERROR) {
        count_failure(req);
        return;
    }
    count_success(req, outcome);
    observe_overhead(req, total_ns);
}

/* ---- slots and model runs ---- */

void figures_of_wait(const struct request *req)
{
    int class = metric_class(req->queue.limiter->name);
    if (class >= 0)
        cells_observe(metrics_cells(req->svc->metrics), M_QUEUE_WAIT, (unsigned)class,
                      loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_QUEUE]);
}

static unsigned run_outcome(const struct prediction *p)
{
    switch (-p->op.result) {
    case ERR_NONE:
        return V_UPSTREAM_SUCCEEDED;
    case ERR_CLIENT_GONE:
    case ERR_DEADLINE:
        return V_UPSTREAM_CANCELED;
    case ERR_UNKNOWN_OUTCOME:
        return V_UPSTREAM_UNKNOWN;
    case ERR_PROVIDER_UNAVAILABLE:
        return V_UPSTREAM_UNAVAILABLE;
    default:
        return V_UPSTREAM_FAILED;
    }
}

void figures_of_run(const struct request *req)
{
    int provider = metric_provider(req->queue.provider->ops->name);
    if (provider < 0)
        return;
    struct cells *c = metrics_cells(req->svc->metrics);
    unsigned where = (unsigned)provider, model = metric_model(req->feature);
    uint64_t ns = loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_RUN];
    unsigned outcome = run_outcome(req->run.prediction);
    cells_add(c, M_UPSTREAM_REQUESTS, metric_series(M_UPSTREAM_REQUESTS, where, model, outcome), 1);
    cells_observe(c, M_UPSTREAM_DURATION, metric_series(M_UPSTREAM_DURATION, where, model, 0), ns);
}
