/* pages.h: the addresses of jobs. Private to this folder; called on front threads. */
#pragma once

#include "jobs/job.h"

enum job_path_what {
    JOB_PATH_NONE,
    JOB_PATH_STATUS,
    JOB_PATH_EVENTS,
    JOB_PATH_CANCEL,
    JOB_PATH_CALLBACK,
    JOB_PATH_CHILDREN
};

struct job_path {
    char id[JOURNAL_ID_MAX + 1];
    enum job_path_what what;
};

bool job_path_parse(const char *path, struct job_path *ret) MUST_CHECK; /* false: it is none */
/* who: the tenant that asks; NULL: none. Any thread; tenant and kind never change. */
bool job_is_for(const struct job *job, const char *who);

/* GET /api/jobs/{id}/children, which is there: answers x from the core. */
void job_children_page(struct exchange *x, const struct job *batch);

/* GET /api/jobs/{id}/events: answers x, now or from the core. */
void job_readers_stop(struct jobs *j); /* core thread: all are told that the server goes away */
void job_events_page(struct jobs *j, struct exchange *x, const struct job_path *path, const char *who);
