/* jobs.h: work that was accepted: it outlives the request that asked for it, and the process.
 *
 * A job is a row in the journal, its pictures in DATA_DIR/jobs, and, while it is worked on, a request of its
 * own. At most JOBS_ACTIVE_MAX of a class are worked on at once; the rest are some hundred bytes each.
 *
 * Order: jobs_new; jobs_desk goes into struct services and jobs_pages into struct web; journal_start tells
 * each open row to jobs_found and then jobs_started, which begins their work and sweeps what no row needs
 * (again, if it is started again); what it says has ended goes to jobs_written; jobs_stop begins no more;
 * jobs_left says how many are left to the next start; jobs_free. Core thread, but for the pages, which are
 * called on front threads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "journal/journal.h"
#include "request/job_desk.h"
#include "request/request.h"
#include "web/web.h"

struct jobs;

struct jobs_config {
    struct services *svc; /* borrowed, like the lane; its journal is set before jobs_started */
    struct lane *disk;
    const char *owner; /* this gateway */
};

int jobs_new(const struct jobs_config *config, struct jobs **ret, struct error *e) MUST_CHECK;
void jobs_cut(struct jobs *j);  /* before the server stops: connections that will not end by themselves */
void jobs_free(struct jobs *j); /* accepts NULL; what is left is forgotten here, not in the journal */
struct job_desk *jobs_desk(struct jobs *j);

void jobs_found(struct jobs *j, const struct journal_row *row);
void jobs_started(struct jobs *j);
void jobs_taken(struct jobs *j); /* what was found since then begins */
/* Another process works on jobs of the same DATA_DIR, as one that takes over from the other: pictures are
 * left where they are. When it has ended, the next jobs_started sweeps. */
void jobs_share(struct jobs *j, bool shared);
/* The journal has its end (over), or that it is to be canceled: it may be told. */
void jobs_written(struct jobs *j, const char *id, bool over);
void jobs_stop(struct jobs *j);
/* After that: requests of jobs that are under way, which the next start takes up again. */
unsigned jobs_left(const struct jobs *j);
bool jobs_has_readers(const struct jobs *j); /* of events */
/* Somebody is being told something (events, a callback), or an archive is being read. */
bool jobs_busy(const struct jobs *j);

void jobs_tick(struct jobs *j); /* now and then: the gauges */
/* GET /ws: answers x. who: as below. A front thread. */
void jobs_socket(void *jobs, struct exchange *x, const char *who);
/* The addresses below /api/jobs; who: the tenant. The exchange is complete; answered now, or suspended and
 * answered from the core. */
void jobs_page(void *jobs, enum route_id route, struct exchange *x, struct blob *body, const char *who);
/* The same for POST /api/batch with an archive; takes a reference of its own. */
void jobs_archive(void *jobs, struct exchange *x, struct body *archive, const char *who);
