/* key.h: the name of a result: a SHA-256 over all that decides it. */
#pragma once

#include "request/request.h"

/* After the body is complete and the parameters are set. */
void request_key(struct request *req, uint8_t ret[static DIGEST_BYTES]);
