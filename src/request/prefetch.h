/* prefetch.h: runs what a caller is likely to ask for next, before he asks. Opt-in (PREFETCH=on).
 *
 * A request that was answered says which step was done on which picture (prefetch_finished, any thread, never
 * waits). The core learns from it what follows what (history/follows.h), and if one step is likely enough,
 * the picture is still known (uploads.h), the class is idle and the day's budget allows it, makes a request
 * of its own for that step: with its own key, twins, slot and stored object, and nobody who waits for it.
 * It gives way: a real request that finds no free slot takes the one of a request made ahead, which stops;
 * one that may have cost something already keeps its slot, so that no more run than may. Core thread, but for
 * prefetch_finished and prefetch_hit. All accept NULL: nothing is done. */
#pragma once

#include "base/macros.h"
#include "history/history.h"
#include "request/request.h"

struct prefetch;

struct prefetch *prefetch_new(struct services *svc) MUST_CHECK; /* svc as app.c has filled it */
void prefetch_free(struct prefetch *p);
void prefetch_start(struct prefetch *p);
void prefetch_stop(struct prefetch *p); /* what runs ahead is told that nobody wants it */
bool prefetch_busy(const struct prefetch *p);

void prefetch_finished(struct prefetch *p, const struct request *req);
/* The cache gave r to req: was it made ahead, and is this the first to ask? */
void prefetch_hit(const struct request *req, struct result *r);
/* 100's: before r enters the cache. */
void prefetch_made(const struct request *req, struct result *r);
bool prefetch_is_asked_for(const struct request *req); /* one made ahead: a twin waits for it */
/* 060's: a real request needs a slot of l, and none is free. What waits there to run ahead stops, and so does
 * one that holds a slot, unless it may have cost something. */
void prefetch_yield(struct prefetch *p, struct limiter *l);
/* 060's: one made ahead knows where it will run: does the day's budget cover that? */
bool prefetch_affords(const struct request *req);
void prefetch_holds(struct prefetch *p, struct request *req); /* a request made ahead has got its slot */
