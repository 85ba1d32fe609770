/* figures.h: what a request adds to the metrics of the Prometheus formats. Cheap: a few atomic additions for
 * each part of the way that it went. */
#pragma once

#include "http/server/http.h"
#include "metrics/metrics.h"
#include "request/request.h"

void figures_of_exchange(struct metrics *m, const struct http_figures *f);

/* In 110: how it ended, where it spent its time, why it was not let in. A step of another request adds the
 * time of its stages only. */
void figures_of_request(const struct request *req, uint64_t total_ns);

/* In 060, when it has got its slot. */
void figures_of_wait(const struct request *req);
/* In 070, when a model run is over, however it ended: its prediction is there still. */
void figures_of_run(const struct request *req);
