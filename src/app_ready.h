/* app_ready.h: whether new work is taken, and what is not as it should be, for /readyz. Any thread. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "app_shared.h"
#include "base/buf.h"
#include "request/request.h"

/* Zeroed at first. */
struct app_ready {
    _Atomic uint64_t store_checked_ns; /* when the store was asked last whether it can store */
    _Atomic bool store_ok;             /* and what it said */
};

/* Appends {"status":…,"checks":{…}}. true: new work is taken; degraded is no reason not to. May write a small
 * file. */
bool app_ready(struct app_ready *r, struct services *svc, struct app_shared *shared, struct buf *out);
