/* app_status.h: what is running right now, for /status.
 *
 * The core owns the requests; other threads read a picture of them that the core paints on its tick, and only
 * while somebody looks. */
#pragma once

#include "base/buf.h"
#include "base/macros.h"
#include "request/request.h"

struct app_status;

struct app_status *app_status_new(void) MUST_CHECK;
void app_status_free(struct app_status *s);                          /* accepts NULL */
void app_status_publish(struct app_status *s, struct services *svc); /* core thread */
void app_status_read(struct app_status *s, struct buf *out);         /* any thread */
