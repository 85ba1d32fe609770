/* answer_headers.h: what an answer says about how it came to be. */
#pragma once

#include "http/server/http.h"
#include "request/request.h"

/* Cache-Status (RFC 9211): whether it was remembered, else why not. Nothing for a request that never got as
 * far as the cache. */
void answer_cache_status(const struct request *req, struct reply *r);
/* Server-Timing (W3C): milliseconds in each stage that was reached, and in all. */
void answer_budget_warning(const struct request *req, struct reply *r);
void answer_server_timing(const struct request *req, struct reply *r);
