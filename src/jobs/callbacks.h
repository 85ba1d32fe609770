/* callbacks.h: tells the address that a job named how it ended, as Standard Webhooks have it.
 *
 * Happy path: job_end begins it, a post at once, a 2xx ends it. Failure modes: no answer, or another one: it
 * is tried again after 5 s, 30 s, 2 min, 10 min, 30 min, and each hour or two, for CALLBACK_HOURS in all; a
 * 410 ends it at once, as the receiver wishes no more. Each try is in the log, which is in the journal with
 * the time of the next one: after a restart it goes on. Bounds: CALLBACK_CONCURRENCY posts at once, of 10 s
 * at most each, so a receiver that hangs holds up only that many.
 *
 * The address is a caller's word: it goes through the guard of outgoing calls. Core thread. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "jobs/job.h"

struct callbacks;

int callbacks_new(struct jobs *j, struct callbacks **ret,
                  struct error *e) MUST_CHECK; /* VALIDATION: the secret */
void callbacks_stop(struct callbacks *all);    /* what is due later is left to the next start */
bool callbacks_busy(const struct callbacks *all);
void callbacks_free(struct callbacks *all); /* accepts NULL; not while busy */
unsigned callbacks_pending(const struct callbacks *all);

/* A job that is over and has an address: now, or, after a restart, when it is due. The job stays in memory
 * until that is over. */
void callback_begin(struct job *job);
bool callback_again(
    struct job *job); /* somebody asks for it; false: it is being told right now, or has no address */
void callback_put(struct buf *b, const struct job *job); /* {"url","state","next_ms"?,"attempts":[…]} */
void callback_free(struct job *job);                     /* at the end of the program */
