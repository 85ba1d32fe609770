/* lane.h: a bounded pool of threads for work that blocks: decoding, inference, file writes.
 *
 * Order: lane_new, lane_submit for each job, lane_free (waits for running jobs; none may be queued).
 * A job runs once on a lane thread (stack ≥ 2 MiB) and completes on the core thread through its op.
 * Cancelling a queued job takes it out of the queue; a running one sees job->cancelled and decides itself. A
 * full queue refuses. threads = 0 makes a manual lane: the simulator runs jobs by lane_run_one. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "loop/op.h"

struct lane;

struct lane_job {
    struct op op;                     /* result: what run returned, or -ERR_CLIENT_GONE if it never ran */
    struct message mail;              /* carries the result back */
    struct list node;                 /* in the lane's queue */
    int (*run)(struct lane_job *job); /* on a lane thread */
    struct lane *lane;
    int run_result;
    atomic_bool cancelled;
};

struct lane_config {
    const char *name; /* of the threads, ≤ 15 characters */
    unsigned threads; /* 0: manual */
    size_t queue_max;
    void (*thread_stop)(void); /* by each thread before it ends; NULL: none */
};

struct lane *lane_new(const struct lane_config *config, struct loop *loop) MUST_CHECK;
void lane_free(struct lane *lane);

/* 0, or -ERR_QUEUE_FULL (then nothing was started). Core thread. */
int lane_submit(struct lane *lane, struct lane_job *job, int (*run)(struct lane_job *job),
                op_done_fn *on_done) MUST_CHECK;
size_t lane_queued(struct lane *lane);
bool lane_run_one(struct lane *lane, size_t nth); /* manual lanes: runs the nth queued job; false: none */
