/* A lane: threads that take jobs from one bounded queue.
 *
 * Happy path: the core submits, a thread runs the job and posts it back, the core completes its op.
 * Failure modes: a full queue refuses at once; a job that is cancelled while queued leaves the queue and
 * completes without running; one cancelled while running completes when run returns.
 * Invariants: under the mutex a job is either in the queue or with exactly one thread; only the core thread
 * submits, cancels and completes. */
#include "loop/lane.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "tables/error.h"

enum { STACK_BYTES = 4 << 20 };

struct lane {
    struct lane_config config;
    struct loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct list queue;
    size_t queued;
    bool stopping;
    pthread_t *threads;
};

static void deliver_result(struct message *m)
{
    struct lane_job *job = CONTAINER_OF(m, struct lane_job, mail);
    op_complete(&job->op, job->run_result);
}

static void run_job(struct lane *lane, struct lane_job *job)
{
    job->run_result = job->run(job);
    loop_post(lane->loop, &job->mail, deliver_result);
}

static struct lane_job *take_job(struct lane *lane, struct list *node)
{
    list_remove(node);
    lane->queued--;
    return CONTAINER_OF(node, struct lane_job, node);
}

static void *thread_main(void *arg)
{
    struct lane *lane = arg;
    pthread_mutex_lock(&lane->mutex);
    for (;;) {
        while (list_empty(&lane->queue) && !lane->stopping)
            pthread_cond_wait(&lane->work, &lane->mutex);
        if (list_empty(&lane->queue))
            break;
        struct lane_job *job = take_job(lane, lane->queue.next);
        pthread_mutex_unlock(&lane->mutex);
        run_job(lane, job);
        pthread_mutex_lock(&lane->mutex);
    }
    pthread_mutex_unlock(&lane->mutex);
    if (lane->config.thread_stop)
        lane->config.thread_stop();
    return NULL;
}

/* Lane threads take no signals: those are the core's. */
static void start_threads(struct lane *lane)
{
    sigset_t all, before;
    pthread_attr_t attr;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    lane->threads = mem_zalloc((lane->config.threads + 1) * sizeof(pthread_t));
    for (unsigned i = 0; i < lane->config.threads; i++) {
        CHECK(pthread_create(&lane->threads[i], &attr, thread_main, lane) == 0);
        pthread_setname_np(lane->threads[i], lane->config.name);
    }
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct lane *lane_new(const struct lane_config *config, struct loop *loop)
{
    struct lane *lane = NEW(struct lane);
    lane->config = *config;
    lane->loop = loop;
    pthread_mutex_init(&lane->mutex, NULL);
    pthread_cond_init(&lane->work, NULL);
    list_init(&lane->queue);
    start_threads(lane);
    return lane;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    pthread_mutex_lock(&lane->mutex);
    CHECK(list_empty(&lane->queue));
    lane->stopping = true;
    pthread_cond_broadcast(&lane->work);
    pthread_mutex_unlock(&lane->mutex);
    for (unsigned i = 0; i < lane->config.threads; i++)
        pthread_join(lane->threads[i], NULL);
    pthread_cond_destroy(&lane->work);
    pthread_mutex_destroy(&lane->mutex);
    free(lane->threads);
    free(lane);
}

static void cancel_job(struct op *op)
{
    struct lane_job *job = CONTAINER_OF(op, struct lane_job, op);
    struct lane *lane = job->lane;
    pthread_mutex_lock(&lane->mutex);
    bool queued = list_linked(&job->node);
    if (queued)
        take_job(lane, &job->node);
    pthread_mutex_unlock(&lane->mutex);
    atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
    if (queued)
        op_complete(&job->op, -ERR_CLIENT_GONE);
}

int lane_submit(struct lane *lane, struct lane_job *job, int (*run)(struct lane_job *job),
                op_done_fn *on_done)
{
    pthread_mutex_lock(&lane->mutex);
    bool full = lane->queued >= lane->config.queue_max;
    if (!full) {
        op_begin(&job->op, lane->loop, on_done, cancel_job);
        job->run = run;
        job->lane = lane;
        atomic_store_explicit(&job->cancelled, false, memory_order_relaxed);
        list_push_back(&lane->queue, &job->node);
        lane->queued++;
        pthread_cond_signal(&lane->work);
    }
    pthread_mutex_unlock(&lane->mutex);
    return full ? -ERR_QUEUE_FULL : 0;
}

size_t lane_queued(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    size_t n = lane->queued;
    pthread_mutex_unlock(&lane->mutex);
    return n;
}

bool lane_run_one(struct lane *lane, size_t nth)
{
    CHECK(lane->config.threads == 0);
    pthread_mutex_lock(&lane->mutex);
    struct lane_job *job = NULL;
    LIST_FOREACH (node, &lane->queue) {
        if (nth-- == 0) {
            job = take_job(lane, node);
            break;
        }
    }
    pthread_mutex_unlock(&lane->mutex);
    if (job)
        run_job(lane, job);
    return job != NULL;
}
