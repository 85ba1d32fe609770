/* handshake.h: whether a request may become a WebSocket, and what the answer proves (RFC 6455, 4.2). Front
 * thread. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "http/server/http.h"

enum { HANDSHAKE_PROOF = 29 }; /* with its NUL */

/* 0 or a negative ERR_. origins: CORS_ORIGINS. */
int handshake_check(const struct exchange *x, const char *origins, struct error *e) MUST_CHECK;
/* Of a request that was checked. */
void handshake_proof(const struct exchange *x, char ret[static HANDSHAKE_PROOF]);
