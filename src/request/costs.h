/* costs.h: what a request's model runs cost, and what it has saved. Core thread, but for costs_saved. */
#pragma once

#include "request/request.h"

/* What a run of the request, whose feature or step f is, at this provider is thought to cost; of one picture
 * while its fields are not known yet. Any thread that owns the request. */
int64_t costs_estimate(const struct request *req, const struct feature *f, const struct provider *provider);
/* The same of any run, of so many pictures. Any thread. */
int64_t costs_of_any(const struct services *svc, const struct feature *f, const struct provider *provider,
                     unsigned images);
/* 070's: its prediction is over. Counts what that costs, and returns it. */
int64_t costs_of_run(struct request *req);
/* 110's: it is answered, perhaps without a run. Counts what that saves, and returns it, with what its run
 * here has saved. The thread that owns the request. */
int64_t costs_saved(const struct request *req);
/* In the answer: what its own run has cost, or that of its step. 0 for a hit. */
int64_t costs_of_request(const struct request *req);
