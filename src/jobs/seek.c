#include "jobs/seek.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/pages.h"

static void take_row(struct journal_read *r, const struct journal_row *row)
{
    struct job_seek *s = CONTAINER_OF(r, struct job_seek, read);
    if (!s->copy)
        s->copy = job_of_row(s->jobs, row);
}

void job_seek_row(struct job_seek *s, const char *id, op_done_fn *on_done)
{
    memcpy(s->read.id, id, strlen(id) + 1);
    s->read.row = take_row;
    journal_find(s->jobs->svc->journal, &s->read, on_done);
}

enum err job_seek_refusal(const struct job_seek *s, const struct job *job, const char **ret_why)
{
    if (!job && s->read.op.result == -ERR_DATABASE) {
        *ret_why = "Jobs that are not under way cannot be read now";
        return ERR_DATABASE;
    }
    *ret_why = "There is no such job";
    return job && job_is_for(job, s->who) ? ERR_NONE : ERR_NOT_FOUND;
}

void job_seek_release(struct job_seek *s)
{
    if (s->copy)
        job_free(TAKE(s->copy));
    free(TAKE(s->who));
}
