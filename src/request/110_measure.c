/* 110 measure: counters, histograms and the access record; runs for every request. */
#include "base/clock.h"
#include "base/log.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "request/costs.h"
#include "request/figures.h"
#include "request/prefetch.h"
#include "request/stage.h"

static double stage_ms(const struct request *req, enum stage_id stage)
{
    return (double)request_stage_ns(req, stage) / (double)NS_PER_MS;
}

/* How far the model came, in its own units; absent if it never said. */
static struct log_field run_field(const struct request *req, const char *key, unsigned value)
{
    return req->run.total ? F_INT(key, value) : (struct log_field){0};
}

/* For those who can repair it: the caller is not told about our insides. */
static const char *advice(enum err code)
{
    return code == ERR_STORAGE_FAILED ? "run `limner check`: it says what is wrong" : NULL;
}

/* A part of another's work is not stored. */
static const char *key_of(const struct result *r)
{
    return r && *r->output[0].key ? r->output[0].key : NULL;
}

static void write_record(const struct request *req, uint64_t total_ns)
{
    const struct result *result = request_result(req);
    const char *how = !result ? "error" : req->lookup.hit ? "hit" : req->join.collapsed ? "twin" : "run";
    LOG(LOG_INFO, req->ahead ? "ahead" : "request", F_STR("id", req->id),
        F_STR("feature", req->feature->name), F_STR("outcome", how),
        F_STR("error", result ? NULL : err_row(req->err.code)->code),
        F_STR("reason", result ? NULL : req->err.reason),
        F_STR("advice", result ? NULL : advice(req->err.code)), F_STR("model", result ? result->model : NULL),
        F_STR("key", key_of(result)), F_NUM("total_ms", (double)total_ns / (double)NS_PER_MS),
        F_NUM("receive_ms", stage_ms(req, STAGE_RECEIVE)),
        F_NUM("prescale_ms", stage_ms(req, STAGE_PRESCALE)), F_NUM("queue_ms", stage_ms(req, STAGE_QUEUE)),
        F_NUM("run_ms", stage_ms(req, STAGE_RUN)), run_field(req, "run_done", req->run.done),
        run_field(req, "run_total", req->run.total), F_NUM("store_ms", stage_ms(req, STAGE_STORE)));
}

static enum history_outcome outcome_of(const struct request *req)
{
    if (!request_result(req))
        return err_row(req->err.code)->cause == CAUSE_CLIENT ? HISTORY_REFUSED : HISTORY_FAILED;
    if (req->lookup.hit)
        return HISTORY_HIT;
    return req->join.collapsed ? HISTORY_TWIN : HISTORY_RUN;
}

/* A failed request is the provider's that was to run it. */
static void keep(const struct request *req, uint64_t total_ns, int64_t saved_nano)
{
    const struct result *result = request_result(req);
    const struct provider *provider = req->queue.provider;
    struct history_sample sample = {
        .feature = req->feature, .outcome = outcome_of(req), .total_ns = total_ns};
    sample.provider = result ? result->ran_on : provider ? provider->ops->name : NULL;
    sample.provider_ns = result && sample.outcome == HISTORY_RUN ? result->run_ns : 0;
    sample.cost_nano = req->join.collapsed ? 0 : (uint64_t)costs_of_request(req);
    sample.saved_nano = (uint64_t)saved_nano;
    history_add(req->svc->history, &sample);
}

enum verdict measure_enter(struct request *req)
{
    uint64_t total_ns = loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_RECEIVE];
    enum outcome outcome = OUTCOME_ERROR;
    if (request_result(req)) {
        outcome = req->lookup.hit ? OUTCOME_CACHED : OUTCOME_SUCCESS;
        req->err.code = ERR_NONE;
    }
    int64_t saved_nano = req->ahead ? 0 : costs_saved(req); /* nobody has asked */
    bool ran = req->settle.result && !req->join.collapsed;
    if (ran)
        metrics_ran(req->svc->metrics, req->feature, req->settle.result->run_ns);
    if (*req->feature->route && !req->ahead) { /* else it is a step of another request, which is counted */
        metrics_finished(req->svc->metrics, req->feature, outcome, total_ns);
        keep(req, total_ns, saved_nano);
    }
    figures_of_request(req, total_ns);
    prefetch_finished(req->svc->prefetch, req);
    if (req->svc->log_requests)
        write_record(req, total_ns);
    return NEXT;
}
