#include "app_metrics.h"

#include <stdatomic.h>

#include "history/history.h"
#include "metrics/metrics.h"

static void set_limiter(struct cells *c, enum metric_value class, const struct limiter *l)
{
    cells_set(c, M_QUEUE_DEPTH, (unsigned)class, l->waiting);
    cells_set(c, M_QUEUE_LIMIT, (unsigned)class, l->queue_max);
    cells_set(c, M_INFLIGHT, (unsigned)class, l->running);
    cells_set(c, M_INFLIGHT_LIMIT, (unsigned)class, l->slots);
}

void app_metrics_tick(struct services *svc, const struct http *http)
{
    struct cells *c = metrics_cells(svc->metrics);
    metrics_turn(svc->metrics, loop_now_ns(svc->loop));
    for (int i = 0; i < CLASS_COUNT; i++)
        set_limiter(c, (enum metric_value)i, svc->class_limiter[i]);
    set_limiter(c, V_CLASS_LOCAL, svc->local_limiter);
    set_limiter(c, V_CLASS_STEP, svc->step_limiter);
    set_limiter(c, V_CLASS_FETCH, svc->fetch_limiter);
    if (!http)
        return;
    cells_set(c, M_CONNECTIONS, 0, http_connections(http));
    cells_set(c, M_CONNECTIONS_LIMIT, 0, http_connections_max(http));
}

void app_metrics_sample(struct services *svc)
{
    struct cells *c = metrics_cells(svc->metrics);
    struct imaging_memory memory;
    imaging_memory(&memory);
    cells_set(c, M_VIPS_MEMORY, 0, memory.bytes);
    cells_set(c, M_VIPS_MEMORY_PEAK, 0, memory.peak_bytes);
    cells_set(c, M_VIPS_ALLOCS, 0, memory.blocks);
    if (svc->history) {
        struct history_state history = history_state(svc->history);
        cells_set(c, M_HISTORY_WAITING, 0, history.waiting);
        cells_set(c, M_HISTORY_DROPPED, 0, history.dropped);
    }
    cells_set(c, M_REQUESTS_OPEN, 0, atomic_load(&svc->open));
    budgets_sample(svc->budgets, c);
    cells_set(c, M_DRAINING, 0, atomic_load(&svc->draining));
}
