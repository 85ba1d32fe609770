/* app_jobs.h: the journal and the jobs, at start and at the end. Core thread. */
#pragma once

#include "jobs/jobs.h"
#include "loop/lane.h"
#include "request/request.h"
#include "tables/options.h"

struct app_jobs {
    struct services *svc;
    struct lane *lane; /* the journal's */
    struct jobs *jobs; /* NULL: there are none */
    bool stopped;
};

/* Fills svc->journal and svc->desk. Waits for the database; before the loop runs. */
int app_make_jobs(struct services *svc, struct lane *disk, struct app_jobs *ret, struct error *e) MUST_CHECK;
/* Takes up what an earlier process has left. alone: it has ended; else it goes on, but has nothing to do now.
 */
void app_jobs_start(struct app_jobs *a, bool alone);
void app_jobs_share(struct app_jobs *a); /* instead of the start: an earlier process works on its jobs yet */
void app_jobs_leave(struct app_jobs *a); /* both: another process goes on with them */
void app_jobs_stop(struct app_jobs *a);  /* begins no more work; the journal goes on */
bool app_jobs_quiet(const struct app_jobs *a); /* all that was noted is written */
/* Requests that only jobs wait for: the next start takes them up. */
unsigned app_jobs_left(const struct app_jobs *a);
bool app_jobs_busy(const struct app_jobs *a); /* after the stop: somebody is still being told */
/* It is late: readers that take nothing are cut. true: wait until that has come to the core. */
bool app_jobs_cut_readers(struct app_jobs *a, struct http *http);
bool app_jobs_written(struct app_jobs *a); /* after that: tells the journal to end, and whether it has */
void app_jobs_tick(struct app_jobs *a);
void app_jobs_cut(struct app_jobs *a); /* before http_stop */
void app_jobs_free(struct app_jobs *a);
