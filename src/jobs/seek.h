/* seek.h: a job by its id and for whoever asks: in memory, or else as the journal has it. Private to this
 * folder; core thread.
 *
 * Order: fill jobs and who (owned: freed at the end); job_find; if that is NULL job_seek_row, and in its
 * on_done job_seek_refusal, then `copy` is there; job_seek_release at the end. */
#pragma once

#include "jobs/job.h"

struct job_seek {
    struct jobs *jobs;
    char *who; /* the tenant that asks; NULL: none */
    struct journal_read read;
    struct job *copy; /* of the row; whoever takes it leaves NULL here */
};

void job_seek_row(struct job_seek *s, const char *id, op_done_fn *on_done); /* on read.op */
/* Why there is nothing to show: job is what was found, or NULL. NONE: it may be shown. *ret_why: in words. */
enum err job_seek_refusal(const struct job_seek *s, const struct job *job, const char **ret_why);
void job_seek_release(struct job_seek *s);
