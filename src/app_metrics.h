/* app_metrics.h: the gauges that app.c's parts are asked for. */
#pragma once

#include "http/server/http.h"
#include "request/request.h"

/* Slots, queues and connections. Core thread, at each tick. http: NULL: none. */
void app_metrics_tick(struct services *svc, const struct http *http);

/* What any thread may look at, before /metrics is rendered. */
void app_metrics_sample(struct services *svc);
