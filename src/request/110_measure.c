/* 110 measure: counters, histograms and the access record; runs for every request. */
#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"
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

static void write_record(const struct request *req, uint64_t total_ns)
{
    const struct result *result = request_result(req);
    const char *how = !result ? "error" : req->lookup.hit ? "hit" : req->join.collapsed ? "twin" : "run";
    LOG(LOG_INFO, "request", F_STR("id", req->id), F_STR("feature", req->feature->name),
        F_STR("outcome", how), F_STR("error", result ? NULL : err_row(req->err.code)->code),
        F_STR("reason", result ? NULL : req->err.reason), F_STR("model", result ? result->model : NULL),
        F_STR("key", result ? result->output[0].key : NULL),
        F_NUM("total_ms", (double)total_ns / (double)NS_PER_MS),
        F_NUM("receive_ms", stage_ms(req, STAGE_RECEIVE)),
        F_NUM("prescale_ms", stage_ms(req, STAGE_PRESCALE)), F_NUM("queue_ms", stage_ms(req, STAGE_QUEUE)),
        F_NUM("run_ms", stage_ms(req, STAGE_RUN)), run_field(req, "run_done", req->run.done),
        run_field(req, "run_total", req->run.total), F_NUM("store_ms", stage_ms(req, STAGE_STORE)));
}

enum verdict measure_enter(struct request *req)
{
    uint64_t total_ns = loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_RECEIVE];
    enum outcome outcome = OUTCOME_ERROR;
    if (request_result(req)) {
        outcome = req->lookup.hit ? OUTCOME_CACHED : OUTCOME_SUCCESS;
        req->err.code = ERR_NONE;
    }
    bool ran = req->settle.result && !req->join.collapsed;
    if (ran)
        metrics_ran(req->svc->metrics, req->feature, req->settle.result->run_ns);
    metrics_finished(req->svc->metrics, req->feature, outcome, total_ns);
    if (req->svc->log_requests)
        write_record(req, total_ns);
    return NEXT;
}
