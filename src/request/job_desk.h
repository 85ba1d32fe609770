/* job_desk.h: what the stages need of the jobs, which are made of requests and so lie above them.
 *
 * A request that is to be a job stops at 025: the desk takes over what it asks for, writes that down, and the
 * request ends with the job's answer. The job then makes a request of its own, with `job` set. Core thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "loop/op.h"
#include "tables/error.h"

struct buf;
struct exchange;
struct job;
struct reply;
struct request;
struct run_resume;

struct job_ticket {
    struct op op; /* 0: there is something to answer; else err says why it was not taken */
    struct error err;
    struct job *job; /* the desk's; NULL: none */
    void *state;     /* likewise */
};

struct job_desk {
    /* Takes req's bodies and fields as they are. Its ticket completes when the job is written down, or, if
     * the caller wishes to wait, when the job is over or the wait is. Cancelling it gives up the wait, not
     * the job. */
    void (*submit)(struct job_desk *d, struct request *req, op_done_fn *on_done);
    /* 200 with the result, the job's error, or 202. */
    struct reply *(*reply)(struct job_desk *d, const struct request *req, const struct exchange *x,
                           const char *base_url);
    const char *(*id)(const struct job *job);
    /* What an earlier process knew of a part of the job's work, by the part's row; told once. NULL: nothing.
     */
    const struct run_resume *(*resume)(struct job *job, const char *row);
    bool (*has_parts)(const struct job *job); /* an earlier process has begun some */
    int64_t (*created_ms)(const struct job *job);
    /* A request works for the job, whatever becomes of it meanwhile. */
    void (*hold)(struct job *job);
    void (*let_go)(struct job *job);
    void (*release)(struct job_desk *d, struct request *req); /* of the ticket; accepts one that has none */
};
