#include "loop/lane.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "scratch.h"
#include "tables/error.h"
#include "waiting_loop.h"

struct job {
    struct lane_job job;
    sem_t *begun, *may_end; /* NULL: at once */
    pthread_t thread;
    unsigned ran;
    bool saw_cancel;
    int result;      /* to be returned */
    int done_result; /* of the op */
};

static unsigned done_count;
static char order[16];

static int run(struct lane_job *lane_job)
{
    struct job *j = CONTAINER_OF(lane_job, struct job, job);
    j->ran++;
    j->thread = pthread_self();
    if (j->begun)
        sem_post(j->begun);
    if (j->may_end)
        sem_wait(j->may_end);
    j->saw_cancel = atomic_load(&lane_job->cancelled);
    return j->result;
}

static void job_done(struct op *op)
{
    struct job *j = CONTAINER_OF(op, struct job, job.op);
    j->done_result = op->result;
    done_count++;
}

static struct lane *lane_of(struct loop *loop, unsigned threads, size_t queue_max)
{
    done_count = 0;
    return lane_new(&(struct lane_config){"test", threads, queue_max, NULL}, loop);
}

static void test_job_runs_elsewhere_and_completes_here(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 1, 10);
    struct job j = {.result = -ERR_INTERNAL};
    assert_int_equal(lane_submit(lane, &j.job, run, job_done), 0);
    waiting_loop_run(&w, &done_count, 1);
    assert_int_equal(j.ran, 1);
    assert_int_equal(j.done_result, -ERR_INTERNAL);
    assert_false(pthread_equal(j.thread, pthread_self()));
    assert_int_equal(lane_submit(lane, &j.job, run, job_done), 0); /* its memory may be used again */
    waiting_loop_run(&w, &done_count, 2);
    assert_int_equal(j.ran, 2);
    lane_free(lane);
    waiting_loop_release(&w);
}

static void test_threads_work_at_the_same_time(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 2, 10);
    sem_t begun, may_end;
    sem_init(&begun, 0, 0);
    sem_init(&may_end, 0, 0);
    struct job j[2] = {{.begun = &begun, .may_end = &may_end}, {.begun = &begun, .may_end = &may_end}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(lane_submit(lane, &j[i].job, run, job_done), 0);
    sem_wait(&begun);
    sem_wait(&begun); /* both run */
    sem_post(&may_end);
    sem_post(&may_end);
    waiting_loop_run(&w, &done_count, 2);
    assert_false(pthread_equal(j[0].thread, j[1].thread));
    lane_free(lane);
    sem_destroy(&begun);
    sem_destroy(&may_end);
    waiting_loop_release(&w);
}

static void test_running_job_sees_its_cancellation(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 1, 10);
    sem_t begun, may_end;
    sem_init(&begun, 0, 0);
    sem_init(&may_end, 0, 0);
    struct job j = {.begun = &begun, .may_end = &may_end, .result = 0};
    assert_int_equal(lane_submit(lane, &j.job, run, job_done), 0);
    sem_wait(&begun);
    op_cancel(&j.job.op);
    assert_true(op_running(&j.job.op)); /* it ends when run returns */
    sem_post(&may_end);
    waiting_loop_run(&w, &done_count, 1);
    assert_true(j.saw_cancel);
    assert_int_equal(j.done_result, 0); /* its own result */
    lane_free(lane);
    sem_destroy(&begun);
    sem_destroy(&may_end);
    waiting_loop_release(&w);
}

static void test_queued_job_never_runs_when_cancelled(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 0, 10);
    struct job a = {0}, b = {0};
    assert_int_equal(lane_submit(lane, &a.job, run, job_done), 0);
    assert_int_equal(lane_submit(lane, &b.job, run, job_done), 0);
    op_cancel(&a.job.op);
    assert_int_equal(lane_queued(lane), 1);
    assert_int_equal(done_count, 0); /* not inside the cancel */
    loop_turn(&w.loop);
    assert_int_equal(a.done_result, -ERR_CLIENT_GONE);
    assert_int_equal(a.ran, 0);
    assert_true(lane_run_one(lane, 0));
    assert_false(lane_run_one(lane, 0));
    loop_turn(&w.loop);
    assert_int_equal(b.ran, 1);
    assert_int_equal(done_count, 2);
    lane_free(lane);
    waiting_loop_release(&w);
}

static void test_cancel_between_run_and_mail(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 0, 10);
    struct job a = {.result = 0};
    assert_int_equal(lane_submit(lane, &a.job, run, job_done), 0);
    assert_true(lane_run_one(lane, 0));
    op_cancel(&a.job.op);
    op_cancel(&a.job.op);
    loop_turn(&w.loop);
    assert_int_equal(done_count, 1);
    assert_int_equal(a.done_result, 0);
    lane_free(lane);
    waiting_loop_release(&w);
}

static void test_full_queue_refuses(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 0, 2);
    struct job j[3] = {0};
    assert_int_equal(lane_submit(lane, &j[0].job, run, job_done), 0);
    assert_int_equal(lane_submit(lane, &j[1].job, run, job_done), 0);
    assert_int_equal(lane_submit(lane, &j[2].job, run, job_done), -ERR_QUEUE_FULL);
    assert_int_equal(j[2].job.op.state, OP_IDLE); /* nothing was started */
    assert_true(lane_run_one(lane, 0));
    assert_int_equal(lane_submit(lane, &j[2].job, run, job_done), 0);
    while (lane_run_one(lane, 0))
        ;
    loop_turn(&w.loop);
    assert_int_equal(done_count, 3);
    lane_free(lane);
    waiting_loop_release(&w);
}

static int run_and_note(struct lane_job *lane_job)
{
    const struct job *j = CONTAINER_OF(lane_job, struct job, job);
    size_t n = strlen(order);
    order[n] = (char)('0' + j->result);
    order[n + 1] = '\0';
    return 0;
}

static void test_jobs_are_taken_in_order_or_by_number(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 0, 10);
    struct job j[4];
    memset(j, 0, sizeof(j));
    order[0] = '\0';
    for (int i = 0; i < 4; i++) {
        j[i].result = i;
        assert_int_equal(lane_submit(lane, &j[i].job, run_and_note, job_done), 0);
    }
    assert_true(lane_run_one(lane, 2));
    assert_false(lane_run_one(lane, 3));
    while (lane_run_one(lane, 0))
        ;
    assert_string_equal(order, "2013");
    loop_turn(&w.loop);
    lane_free(lane);
    waiting_loop_release(&w);
}

static atomic_uint stopped;

static void thread_stop(void)
{
    stopped++;
}

static int look_at_thread(struct lane_job *lane_job)
{
    pthread_attr_t attr;
    size_t stack = 0;
    sigset_t blocked;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &stack);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    return stack >= 2 << 20 && sigismember(&blocked, SIGTERM) == 1 ? 0 : -1;
}

static void test_threads_have_stacks_and_no_signals(void **state)
{
    struct waiting_loop w;
    waiting_loop_init(&w);
    done_count = 0;
    stopped = 0;
    struct lane *lane = lane_new(&(struct lane_config){"test", 3, 10, thread_stop}, &w.loop);
    struct job j = {0};
    assert_int_equal(lane_submit(lane, &j.job, look_at_thread, job_done), 0);
    waiting_loop_run(&w, &done_count, 1);
    assert_int_equal(j.done_result, 0);
    sigset_t mine;
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0); /* the submitter's are as they were */
    lane_free(lane);
    assert_int_equal(stopped, 3);
    waiting_loop_release(&w);
}

static void test_many_jobs_many_threads(void **state)
{
    enum { JOBS = 3000 };
    static struct job j[JOBS];
    struct waiting_loop w;
    waiting_loop_init(&w);
    struct lane *lane = lane_of(&w.loop, 4, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(lane_submit(lane, &j[i].job, run, job_done), 0);
        if (i % 5 == 0)
            op_cancel(&j[i].job.op);
    }
    waiting_loop_run(&w, &done_count, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_true(j[i].ran <= 1);
        assert_int_equal(j[i].done_result, j[i].ran ? 0 : -ERR_CLIENT_GONE);
        assert_true(j[i].ran || i % 5 == 0);
    }
    lane_free(lane);
    lane_free(NULL);
    waiting_loop_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_runs_elsewhere_and_completes_here),
        cmocka_unit_test(test_threads_work_at_the_same_time),
        cmocka_unit_test(test_running_job_sees_its_cancellation),
        cmocka_unit_test(test_queued_job_never_runs_when_cancelled),
        cmocka_unit_test(test_cancel_between_run_and_mail),
        cmocka_unit_test(test_full_queue_refuses),
        cmocka_unit_test(test_jobs_are_taken_in_order_or_by_number),
        cmocka_unit_test(test_threads_have_stacks_and_no_signals),
        cmocka_unit_test(test_many_jobs_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
