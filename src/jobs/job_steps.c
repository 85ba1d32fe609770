#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/job.h"

/* What an earlier process knew of one part of a job's work. */
struct job_step {
    struct list node;
    bool taken;
    char *row;
    char *provider, *prediction;
    struct run_resume resume;
};

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

static bool is_known(const struct job *job, const char *row)
{
    LIST_FOREACH (node, &job->steps)
        if (strcmp(CONTAINER_OF(node, struct job_step, node)->row, row) == 0)
            return true;
    return false;
}

bool job_has_steps(const struct job *job)
{
    return !list_empty(&job->steps);
}

/* Rows come in the order in which they were written: a job's before those of its parts, which say that they
 * are as old. After a second start they come again. Without a job here the row is nobody's, or will be: the
 * journal sweeps it. */
void job_step_found(struct jobs *j, const struct journal_row *row)
{
    struct job *job = row->parent ? job_find(j, row->parent) : NULL;
    if (!job || job_is_over(job))
        return;
    if (is_known(job, row->id))
        return;
    struct job_step *s = NEW(struct job_step);
    s->row = mem_strdup(row->id);
    s->provider = copy(row->provider);
    s->prediction = copy(row->prediction);
    s->resume = (struct run_resume){s->provider, s->prediction, NULL, row->intent_ms};
    list_push_back(&job->steps, &s->node);
}

const struct run_resume *job_step_take(struct job *job, const char *row)
{
    LIST_FOREACH (node, &job->steps) {
        struct job_step *s = CONTAINER_OF(node, struct job_step, node);
        if (s->taken || strcmp(s->row, row) != 0)
            continue;
        s->taken = true;
        return &s->resume;
    }
    return NULL;
}

void job_steps_drop(struct job *job)
{
    struct list *node;
    while ((node = list_pop_front(&job->steps))) {
        struct job_step *s = CONTAINER_OF(node, struct job_step, node);
        free(s->row);
        free(s->provider);
        free(s->prediction);
        free(s);
    }
}
