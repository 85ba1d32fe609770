/* Which jobs there are. Invariants: a job that is not over is in the map and in `open`; one that is over is
 * in the map and in `over`, until JOBS_RECENT_MAX newer ones are; then it is in the journal only. */
#include "jobs/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/batch.h"
#include "jobs/callbacks.h"
#include "jobs/desk.h"
#include "jobs/job.h"
#include "jobs/pages.h"
#include "jobs/socket.h"
#include "metrics/metrics.h"

static struct list *bucket_of(const struct jobs *j, const char *id)
{
    return (struct list *)&j->bucket[hash_text(id) % JOB_BUCKETS];
}

struct job *job_find(const struct jobs *j, const char *id)
{
    const struct list *bucket = bucket_of(j, id);
    LIST_FOREACH (node, bucket) {
        struct job *job = CONTAINER_OF(node, struct job, in_bucket);
        if (strcmp(job->id, id) == 0)
            return job;
    }
    return NULL;
}

bool job_is_over(const struct job *job)
{
    return job->state >= JOURNAL_COMPLETED;
}

bool job_has_picture(const struct job *job, unsigned i)
{
    return i < job->picture_count && job->picture[i].kept;
}

bool job_keeps(const struct job *job, unsigned i)
{
    return job_has_picture(job, i) && job->kind != JOURNAL_REQUEST;
}

void job_add_picture(struct job *job, unsigned i, const uint8_t digest[static DIGEST_BYTES])
{
    if (i >= job->picture_count) {
        job->picture = mem_realloc(job->picture, (i + 1) * sizeof(*job->picture));
        for (; job->picture_count <= i; job->picture_count++)
            job->picture[job->picture_count] = (struct job_picture){0};
    }
    job->picture[i].kept = true;
    memcpy(job->picture[i].digest, digest, DIGEST_BYTES);
}

void job_forget_pictures(struct job *job)
{
    free(TAKE(job->picture));
    job->picture_count = 0;
}

void job_enter(struct job *job)
{
    CHECK(!job_is_over(job) || job_has_left(job));
    list_push_back(bucket_of(job->jobs, job->id), &job->in_bucket);
    job->jobs->open++;
}

void job_enter_over(struct job *job)
{
    CHECK(job_is_over(job) && !job->ending);
    job->written = true;
    job_events_add(job, job_state_name(job));
    list_push_back(bucket_of(job->jobs, job->id), &job->in_bucket);
    list_push_back(&job->jobs->over, &job->in_over);
    job->jobs->over_count++;
}

void job_free(struct job *job)
{
    CHECK(job->pins == 0 && !job->req && !job->has_slot && !limiter_is_waiting(&job->slot) &&
          list_empty(&job->waiters));
    list_remove(&job->in_bucket);
    list_remove(&job->in_over);
    job_batch_free(job);
    job_steps_drop(job);
    batch_pictures_forget(&job->pictures);
    job_events_release(&job->events);
    result_unref(job->outcome.result);
    free(job->outcome.meta);
    job_forget_pictures(job);
    char *const texts[] = {job->tenant,     job->request_id, job->base_url, job->callback,
                           job->key,        job->parent,     job->request,  job->provider,
                           job->prediction, job->input_url,  job->told_log};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    free(job);
}

/* Somebody listens to one that is to make room, or it is still to be told: then it stays a while longer. */
static void forget_old(struct timer *t)
{
    struct jobs *j = CONTAINER_OF(t, struct jobs, forget);
    LIST_FOREACH_SAFE (node, &j->over) {
        struct job *job = CONTAINER_OF(node, struct job, in_over);
        if (j->over_count <= (unsigned)j->svc->opt->jobs_recent_max)
            return;
        if (!list_empty(&job->events.listeners) || job->telling || job->pins > 0 || !job->written)
            continue;
        j->over_count--;
        job_free(job);
    }
}

/* Not at once: whoever has ended it may not be done with it. */
static void forget_soon(struct jobs *j)
{
    if (j->over_count > (unsigned)j->svc->opt->jobs_recent_max && j->forget.slot == 0)
        timer_arm(j->svc->loop, &j->forget, loop_now_ns(j->svc->loop), forget_old);
}

void job_retire(struct job *job)
{
    struct jobs *j = job->jobs;
    j->open--;
    list_push_back(&j->over, &job->in_over);
    j->over_count++;
    forget_soon(j);
}

/* ---- the whole ---- */

static int make_inputs(const struct jobs_config *config, struct inputs **ret, struct error *e)
{
    const struct options *opt = config->svc->opt;
    FREE_ON_EXIT char *root =
        *opt->jobs_dir ? mem_strdup(opt->jobs_dir) : mem_printf("%s/jobs", opt->data_dir);
    const struct inputs_config inputs = {
        .root = root,
        .owner = config->owner,
        .spool = config->svc->spool,
        .lane = config->disk,
        .loop = config->svc->loop,
        .to_disk = opt->journal_sync == JOURNAL_SYNC_DISK,
    };
    return inputs_new(&inputs, ret, e);
}

int jobs_new(const struct jobs_config *config, struct jobs **ret, struct error *e)
{
    const struct options *opt = config->svc->opt;
    struct inputs *inputs;
    int r = make_inputs(config, &inputs, e);
    if (r < 0)
        return r;
    struct jobs *j = NEW(struct jobs);
    j->svc = config->svc;
    j->inputs = inputs;
    j->disk = config->disk;
    j->desk = desk_ops;
    list_init(&j->over);
    for (unsigned i = 0; i < JOB_RANKS; i++)
        list_init(&j->found[i]);
    list_init(&j->readers);
    j->sockets = jobs_sockets_new(j);
    for (size_t i = 0; i < JOB_BUCKETS; i++)
        list_init(&j->bucket[i]);
    for (int c = 0; c < CLASS_COUNT; c++) {
        j->limiter[c] = limiter_new(class_name((enum class)c), (size_t)opt->jobs_active_max,
                                    (size_t)opt->jobs_max, config->svc->loop);
        j->limiter[c]->low_every = (size_t)opt->queue_low_every;
    }
    r = callbacks_new(j, &j->callbacks, e);
    if (r < 0)
        jobs_free(j);
    else
        *ret = j;
    return r;
}

struct job_desk *jobs_desk(struct jobs *j)
{
    return &j->desk;
}

static void free_all(struct list *bucket)
{
    LIST_FOREACH_SAFE (node, bucket) {
        callback_free(CONTAINER_OF(node, struct job, in_bucket));
        job_free(CONTAINER_OF(node, struct job, in_bucket));
    }
}

void jobs_free(struct jobs *j)
{
    if (!j)
        return;
    timer_disarm(j->svc->loop, &j->forget);
    for (size_t i = 0; i < JOB_BUCKETS; i++)
        free_all(&j->bucket[i]);
    for (int c = 0; c < CLASS_COUNT; c++)
        limiter_free(j->limiter[c]);
    callbacks_free(j->callbacks);
    websockets_free(j->sockets);
    inputs_free(j->inputs);
    free(j);
}

/* ---- from an earlier process ---- */

/* Whoever sent it has gone with the process, and with it the picture: whether it was paid for cannot be found
 * out here any more. The row stays, so that somebody who compares it with the provider's bill can. */
static void lose_request(struct job *job)
{
    LOG(LOG_WARN, "a run whose outcome is not known", F_STR("row", job->id),
        F_STR("feature", job->feature->name), F_STR("provider", job->provider),
        F_INT("begun_ms", (uint64_t)job->intent_ms));
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 1024);
    struct error e;
    error_set(&e, ERR_UNKNOWN_OUTCOME, "%s", "");
    job_error_json(&e, 0, &text);
    journal_note_state(job->jobs->svc->journal, job->id, JOURNAL_FAILED, job->outcome.cost_nano, NULL,
                       buf_text(&text));
    job_free(job);
}

/* Runs whose id is known come first, so that who has to be looked for is not mistaken for one of these; then
 * those that may have been paid for, so that no twin begins anew what they only have to find. */
static unsigned rank_of(const struct job *job)
{
    return job->prediction ? 0 : job->provider ? 1 : 2;
}

static unsigned begin_found(struct jobs *j)
{
    unsigned count = 0;
    for (unsigned i = 0; i < JOB_RANKS; i++) {
        struct list *node;
        while ((node = list_pop_front(&j->found[i]))) {
            job_begin(CONTAINER_OF(node, struct job, in_over));
            count++;
        }
    }
    return count;
}

void jobs_found(struct jobs *j, const struct journal_row *row)
{
    if (row->kind == JOURNAL_STEP) {
        job_step_found(j, row);
        return;
    }
    if (job_find(j, row->id))
        return; /* it was found before */
    struct job *job = job_of_row(j, row);
    if (!job) {
        LOG(LOG_ERROR, "a job in the journal cannot be read", F_STR("job", row->id));
        journal_note_state(j->svc->journal, row->id, JOURNAL_FAILED, row->cost_nano, NULL,
                           "{\"code\":\"INTERNAL_ERROR\",\"message\":\"The job cannot be read back\"}");
        return;
    }
    if (job->kind == JOURNAL_REQUEST && !job->prediction) {
        lose_request(job);
        return;
    }
    if (job_is_over(job) && !job_has_left(job)) { /* only its callback is not */
        job_enter_over(job);
        callback_begin(job);
        return;
    }
    for (unsigned i = 0; i < job->picture_count; i++)
        if (job_keeps(job, i))
            inputs_adopt(j->inputs, job->picture[i].digest);
    if (job->kind == JOURNAL_BATCH)
        job_batch_adopt(job);
    if (job_has_left(job))
        job_events_add(job, job_state_name(job));
    else
        job->state = JOURNAL_QUEUED;
    job_enter(job);
    if (job->kind != JOURNAL_BATCH && *job->feature->route)
        metrics_arrived(j->svc->metrics, job->feature);
    list_push_back(&j->found[rank_of(job)], &job->in_over);
}

void jobs_taken(struct jobs *j)
{
    unsigned taken_over = begin_found(j);
    if (taken_over)
        LOG(LOG_INFO, "jobs taken over", F_INT("jobs", taken_over));
}

void jobs_started(struct jobs *j)
{
    unsigned swept = inputs_sweep(j->inputs), taken_up = begin_found(j);
    if (taken_up || swept)
        LOG(LOG_INFO, "jobs taken up", F_INT("jobs", taken_up), F_INT("pictures_swept", swept));
}

void jobs_written(struct jobs *j, const char *id, bool over)
{
    struct job *job = job_find(j, id);
    if (!job)
        return;
    job_written(job, over && job->ending);
    forget_soon(j);
}

void jobs_share(struct jobs *j, bool shared)
{
    inputs_share(j->inputs, shared);
    if (!shared)
        inputs_wait(j->inputs); /* rows are about to be read */
}

/* ---- the end ---- */

static void stop_waiting(struct job *job)
{
    timer_disarm(job->jobs->svc->loop, &job->patience);
    timer_disarm(job->jobs->svc->loop, &job->late);
    if (!job->has_slot && limiter_is_waiting(&job->slot))
        op_cancel(&job->slot.op);
}

/* What waits for its turn waits for the next start; who waits for an answer is told now. */
void jobs_stop(struct jobs *j)
{
    j->stopped = true;
    for (size_t i = 0; i < JOB_BUCKETS; i++)
        LIST_FOREACH_SAFE (node, &j->bucket[i]) {
            struct job *job = CONTAINER_OF(node, struct job, in_bucket);
            stop_waiting(job);
            job_wake(job);
        }
    job_readers_stop(j);
    callbacks_stop(j->callbacks);
    websockets_stop(j->sockets);
}

void jobs_tick(struct jobs *j)
{
    struct cells *c = metrics_cells(j->svc->metrics);
    cells_set(c, M_JOBS, V_JOB_QUEUED, j->open - j->running);
    cells_set(c, M_JOBS, V_JOB_RUNNING, j->running);
    cells_set(c, M_CALLBACKS_WAITING, 0, callbacks_pending(j->callbacks));
    cells_set(c, M_EVENT_READERS, 0, j->reading + websockets_open(j->sockets));
}

bool jobs_has_readers(const struct jobs *j)
{
    return !list_empty(&j->readers);
}

bool jobs_busy(const struct jobs *j)
{
    return callbacks_busy(j->callbacks) || websockets_open(j->sockets) > 0 || j->unpacking > 0;
}

void jobs_cut(struct jobs *j)
{
    websockets_cut(j->sockets);
}

/* Those of a step of theirs, too; but not what only finishes for the cache, as its client has gone. */
unsigned jobs_left(const struct jobs *j)
{
    unsigned left = 0;
    LIST_FOREACH (node, &j->svc->live) {
        const struct request *req = CONTAINER_OF(node, struct request, node);
        left += req->job != NULL; /* also one whose job was canceled: its row is open as long as it works */
    }
    return left;
}
