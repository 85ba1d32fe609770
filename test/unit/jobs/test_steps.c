/* What a job knows of parts of its work that an earlier process began. */
#include <string.h>

#include "base/mem.h"
#include "jobs/job.h"
#include "journal_rig.h"
#include "scratch.h"

struct rig {
    struct journal_rig *journal;
    struct services svc;
    struct jobs jobs;
    struct job *job;
};

/* As much of all jobs as a step sees of them. */
static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    rig->journal = journal_rig_new(NULL, NULL);
    assert_int_equal(journal_rig_open(rig->journal), 0);
    const struct journal_row job = {.id = "j1", .kind = JOURNAL_JOB, .request = "{}"};
    assert_int_equal(journal_rig_insert(rig->journal, &job), 0);
    rig->svc = (struct services){.journal = rig->journal->j};
    rig->jobs.svc = &rig->svc;
    for (unsigned i = 0; i < JOB_BUCKETS; i++)
        list_init(&rig->jobs.bucket[i]);
    rig->job = job_new(&rig->jobs, &features[FEATURE_STORY_COMIC]);
    snprintf(rig->job->id, sizeof(rig->job->id), "j1");
    job_enter(rig->job);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    job_free(rig->job);
    journal_rig_free(rig->journal);
    free(rig);
    return 0;
}

/* It is in the journal, and is told as at a start. */
static void find(struct rig *rig, const char *id, const char *parent, const char *prediction)
{
    const struct journal_row row = {.id = id,
                                    .kind = JOURNAL_STEP,
                                    .state = JOURNAL_RUNNING,
                                    .parent = parent,
                                    .provider = "replicate",
                                    .prediction = prediction,
                                    .intent_ms = 77};
    assert_int_equal(journal_rig_insert(rig->journal, &row), 0);
    jobs_found(&rig->jobs, &row);
}

static int is_there(struct rig *rig, const char *id)
{
    struct journal_copy got;
    return journal_rig_find(rig->journal, id, &got);
}

static void test_each_is_told_once(void **state)
{
    struct rig *rig = *state;
    find(rig, "j1_outline", "j1", "p1");
    find(rig, "j1_panel-1-1", "j1", NULL);
    assert_null(job_step_take(rig->job, "j1_panel-1-2"));
    const struct run_resume *r = job_step_take(rig->job, "j1_outline");
    assert_non_null(r);
    assert_string_equal(r->provider, "replicate");
    assert_string_equal(r->prediction, "p1");
    assert_null(r->input_url);
    assert_int_equal(r->intent_ms, 77);
    assert_null(job_step_take(rig->job, "j1_outline")); /* what it says has been looked at */
    r = job_step_take(rig->job, "j1_panel-1-1");
    assert_non_null(r);
    assert_null(r->prediction);
    assert_int_equal(is_there(rig, "j1_outline"), 0); /* the rows stay until the job is over */
    job_steps_drop(rig->job);
    assert_null(job_step_take(rig->job, "j1_panel-1-1"));
}

/* A second start tells what is open again. */
static void test_told_again(void **state)
{
    struct rig *rig = *state;
    find(rig, "j1_outline", "j1", "p1");
    assert_non_null(job_step_take(rig->job, "j1_outline"));
    find(rig, "j1_outline", "j1", "p1");
    assert_null(job_step_take(rig->job, "j1_outline"));
}

/* Its job may be another gateway's, which will find it. */
static void test_without_its_job_it_is_nobodys(void **state)
{
    struct rig *rig = *state;
    const struct journal_row elsewhere = {.id = "j2", .kind = JOURNAL_JOB, .request = "{}"};
    assert_int_equal(journal_rig_insert(rig->journal, &elsewhere), 0);
    find(rig, "j2_outline", "j2", "p1");
    assert_int_equal(is_there(rig, "j2_outline"), 0);
    assert_false(job_has_steps(rig->job));
    find(rig, "j1_outline", "j1", "p1");
    assert_true(job_has_steps(rig->job));
    rig->job->state = JOURNAL_FAILED;
    find(rig, "j1_board-1", "j1", "p1");
    assert_null(job_step_take(rig->job, "j1_board-1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_is_told_once),
        TEST(test_told_again),
        TEST(test_without_its_job_it_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
