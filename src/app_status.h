/* app_status.h: what is running right now, for /status.
 *
 * The core owns the requests, so it is the core that paints a picture of them, when it is asked to and never
 * else: what is told was painted after the question. One picture serves all who asked before it, and two are
 * at least STATUS_PAUSE_MS apart, so any number of questions costs the core a small part of its time.
 * Nobody's thread waits.
 *
 * Order: app_status_new, questions from any thread while the core's loop lives, app_status_close on the core
 * thread before its loop ends, app_status_free when nobody can ask any more. */
#pragma once

#include "base/macros.h"
#include "request/request.h"
#include "web/web.h"

enum { STATUS_PAUSE_MS = 10 };

struct app_status;

struct app_status *app_status_new(struct services *svc) MUST_CHECK;
void app_status_free(struct app_status *s); /* accepts NULL */

/* Any thread. The question is told the answer once, on the core thread; after app_status_close inside the
 * call, and then it is the last picture there was. */
void app_status_ask(struct app_status *s, struct status_question *q);

/* Core thread, inside a turn of its loop, when nothing runs any more. Who waits is told now; the loop hears
 * of no later question. Again: does nothing. */
void app_status_close(struct app_status *s);
