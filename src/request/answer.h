/* answer.h: the JSON of a finished request, in the contract's shape. */
#pragma once

#include "base/macros.h"
#include "http/server/http.h"
#include "request/request.h"

/* base_url: where the client reaches this server, without a slash at the end. */
struct reply *answer_reply(const struct request *req, const struct exchange *x,
                           const char *base_url) MUST_CHECK;
