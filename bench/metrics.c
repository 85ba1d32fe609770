/* metrics.c: what a cache hit costs in metrics, on as many threads at once as are given.
 *
 *     bench-metrics [THREADS]
 *
 * Prints JSON: ns a hit of all that is counted for it (arrival, end, spans, the exchange), and of a rendering
 * of each document. The clock's own cost is not in it: a hit reads it twice for the exchange. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "request/figures.h"
#include "request/stage.h"

enum { ROUNDS = 2000000, THREADS_MAX = 64, RENDERINGS = 200, DOCUMENT_MAX = 8 << 20 };

struct worker {
    pthread_t thread;
    struct services *svc;
    uint64_t ns; /* of its CPU */
};

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* A hit of 100 µs, most of it for receiving. */
static void make_hit(struct request *req, struct services *svc, struct result *result)
{
    static const enum stage_id passed[] = {STAGE_RECEIVE, STAGE_FETCH, STAGE_VALIDATE, STAGE_LOOKUP};
    uint64_t at = NS_PER_S;
    *req = (struct request){.svc = svc, .feature = &features[FEATURE_CLARITY]};
    req->receive.admitted_ns = at + 2000;
    for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
        req->entered_ns[passed[i]] = at;
        req->left_ns[passed[i]] = at += i == 0 ? 80000 : 5000;
    }
    params_init(&req->validate.params, req->feature);
    req->lookup.hit = result;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct result *result = result_new();
    struct request req;
    struct metrics *m = w->svc->metrics;
    make_hit(&req, w->svc, result);
    uint64_t before = cpu_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t total = 100000 + i % 1000;
        struct http_figures f = {
            metric_feature_route(req.feature), "POST", "an-id", 200, total, i, 136000, 700};
        metrics_arrived(m, req.feature);
        metrics_finished(m, req.feature, OUTCOME_CACHED, total);
        figures_of_request(&req, total);
        figures_of_exchange(m, &f);
    }
    w->ns = cpu_ns() - before;
    result_unref(result);
    return NULL;
}

static double render_us(struct metrics *m, int format)
{
    uint64_t before = cpu_ns();
    for (unsigned i = 0; i < RENDERINGS; i++) {
        BUF_ON_EXIT struct buf b;
        buf_init(&b, DOCUMENT_MAX);
        if (format < 0)
            metrics_json(m, NS_PER_S, &(struct metrics_cache){.size = 1, .max_size = 1, .ttl_ms = 1}, &b);
        else
            metrics_text(m, (enum exposition)format, &b);
    }
    return (double)(cpu_ns() - before) / 1000 / RENDERINGS;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)MIN(strtoul(argv[1], NULL, 10), (unsigned long)THREADS_MAX) : 1;
    struct services svc = {.metrics = metrics_new(0)};
    struct worker worker[THREADS_MAX];
    uint64_t ns = 0;
    for (unsigned i = 0; i < threads; i++) {
        worker[i].svc = &svc;
        if (pthread_create(&worker[i].thread, NULL, work, &worker[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(worker[i].thread, NULL);
        ns += worker[i].ns;
    }
    printf(
        "{\"threads\":%u,\"hit_ns\":%.1f,\"json_us\":%.1f,\"prometheus_us\":%.1f,\"openmetrics_us\":%.1f}\n",
        threads, threads ? (double)ns / ROUNDS / threads : 0, render_us(svc.metrics, -1),
        render_us(svc.metrics, EXPOSITION_PROMETHEUS), render_us(svc.metrics, EXPOSITION_OPENMETRICS));
    metrics_free(svc.metrics);
    return 0;
}
