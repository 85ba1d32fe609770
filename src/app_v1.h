/* app_v1.h: Replicate's own API, where there is an account to serve it with. Part of app.c's start. */
#pragma once

#include "base/macros.h"
#include "request/receive.h"
#include "v1/v1.h"

/* gate: web and access are there; web is told. *ret stays NULL without a Replicate account. VALIDATION:
 * V1_CLASSES. */
int app_v1_start(struct gate *gate, struct v1 **ret, struct error *e) MUST_CHECK;
