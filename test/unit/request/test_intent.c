/* 067: which row of the journal stands for a run that is about to be paid for. */
#include "request/intent.h"

#include <string.h>

#include "base/mem.h"
#include "journal_rig.h"
#include "request/job_desk.h"
#include "request/stage.h"
#include "scratch.h"

struct rig {
    struct journal_rig *journal;
    struct options opt;
    struct job_desk desk;
    struct services svc;
    struct provider provider;
    unsigned done;
};

static const struct provider_ops paid = {.name = "replicate", .bills = true};
static const struct provider_ops free_of_charge = {.name = "local"};
static struct rig *the_rig; /* an op's owner is its request */

static const char *id_of(const struct job *job)
{
    return (const char *)job;
}

static int64_t created_of(const struct job *job)
{
    return 4711;
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    const struct journal_row job = {.id = "j1", .kind = JOURNAL_JOB, .request = "{}"};
    rig->journal = journal_rig_new(NULL, NULL);
    assert_int_equal(journal_rig_open(rig->journal), 0);
    assert_int_equal(journal_rig_insert(rig->journal, &job), 0);
    rig->desk.id = id_of;
    rig->desk.created_ms = created_of;
    rig->svc = (struct services){
        .opt = &rig->opt, .loop = &rig->journal->w.loop, .journal = rig->journal->j, .desk = &rig->desk};
    rig->provider.ops = &paid;
    *state = the_rig = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    journal_rig_free(rig->journal);
    free(rig);
    return 0;
}

/* A request that has a provider and, if it works for a job, the job "j1". */
static struct request *request(struct rig *rig, bool for_a_job, const char *row)
{
    static char job[] = "j1";
    struct request *req = NEW(struct request);
    req->svc = &rig->svc;
    req->feature = &features[FEATURE_COMIC_PANEL];
    req->id = "r1";
    req->tenant = "mobile";
    req->job = for_a_job ? (struct job *)(void *)job : NULL;
    req->row = row;
    req->queue.provider = &rig->provider;
    params_init(&req->validate.params, req->feature);
    return req;
}

static void release(struct request *req)
{
    arena_release(&req->arena);
    free(req);
}

static void written(struct op *op)
{
    (void)op;
    the_rig->done++;
}

/* Through the stage; NEXT also if there was nothing to write. */
static enum verdict enter(struct rig *rig, struct request *req)
{
    enum verdict v = intent_enter(req);
    if (v != WAIT)
        return v;
    req->waiting->on_done = written;
    rig->done = 0;
    journal_rig_turn_until(rig->journal, &rig->done, 1);
    return intent_done(req);
}

/* Besides the job's own. */
static int64_t rows(struct rig *rig)
{
    return journal_rig_number(rig->journal, "SELECT COUNT(*) FROM job WHERE id <> 'j1'");
}

/* A part of a job's work has a row of its own below the job's, and leaves the end to the job. */
static void test_a_part(void **state)
{
    struct rig *rig = *state;
    struct journal_copy got;
    struct request *req = request(rig, true, "j1_panel-1-2");
    assert_int_equal(enter(rig, req), NEXT);
    assert_int_equal(journal_rig_find(rig->journal, "j1_panel-1-2", &got), 0);
    assert_int_equal(got.row.created_ms, 4711); /* as old as its job, so that it is read behind it */
    assert_int_equal(got.row.kind, JOURNAL_STEP);
    assert_int_equal(got.row.state, JOURNAL_RUNNING);
    assert_string_equal(got.row.parent, "j1");
    assert_string_equal(got.row.tenant, "mobile");
    assert_string_equal(got.row.feature, "comicPanel");
    assert_string_equal(got.row.provider, "replicate");
    assert_string_equal(got.row.request, "");
    assert_true(got.row.intent_ms > 0);
    assert_string_equal(intent_row(req), "j1_panel-1-2");
    intent_note_run(req, "p1", NULL);
    intent_over(req);
    assert_int_equal(journal_rig_find(rig->journal, "j1_panel-1-2", &got), 0);
    assert_string_equal(got.row.prediction, "p1");
    assert_int_equal(got.row.state, JOURNAL_RUNNING);
    assert_int_equal(rows(rig), 1);
    release(req);
    struct request *again = request(rig, true, "j1_panel-1-2"); /* it is drawn once more */
    assert_int_equal(enter(rig, again), NEXT);
    assert_int_equal(journal_rig_find(rig->journal, "j1_panel-1-2", &got), 0);
    assert_null(got.row.prediction);
    assert_int_equal(rows(rig), 1);
    release(again);
}

/* It is looked at first: its row still says where. */
static void test_a_part_that_an_earlier_process_began(void **state)
{
    struct rig *rig = *state;
    struct journal_copy got;
    const struct run_resume known = {"replicate", "p1", NULL, 5};
    struct request *first = request(rig, true, "j1_board-1");
    assert_int_equal(enter(rig, first), NEXT);
    intent_note_run(first, "p1", NULL);
    release(first);
    struct request *req = request(rig, true, "j1_board-1");
    req->intent.resume = intent_copy(&known, &req->arena);
    assert_true(intent_resumes(req));
    assert_true(intent_needs_no_picture(req));
    assert_int_equal(intent_enter(req), NEXT);
    assert_string_equal(intent_row(req), "j1_board-1");
    assert_int_equal(journal_rig_find(rig->journal, "j1_board-1", &got), 0);
    assert_string_equal(got.row.prediction, "p1");
    release(req);
}

static void test_a_job_that_runs_a_model_itself(void **state)
{
    struct rig *rig = *state;
    struct journal_copy got;
    struct request *req = request(rig, true, NULL);
    assert_int_equal(enter(rig, req), NEXT);
    assert_int_equal(journal_rig_find(rig->journal, "j1", &got), 0);
    assert_int_equal(got.row.kind, JOURNAL_JOB);
    assert_string_equal(got.row.provider, "replicate");
    assert_string_equal(intent_row(req), "j1");
    assert_int_equal(rows(rig), 0);
    release(req);
}

/* Its row goes when it is over. */
static void test_a_request_that_somebody_waits_for(void **state)
{
    struct rig *rig = *state;
    struct request *req = request(rig, false, NULL);
    assert_int_equal(enter(rig, req), NEXT);
    assert_int_equal(rows(rig), 1);
    assert_int_equal(journal_rig_number(rig->journal, "SELECT kind FROM job WHERE id <> 'j1'"),
                     JOURNAL_REQUEST);
    FREE_ON_EXIT char *id = mem_strdup(intent_row(req));
    struct journal_copy got;
    intent_over(req);
    assert_int_equal(journal_rig_find(rig->journal, id, &got), -ERR_NOT_FOUND);
    release(req);
}

static void test_what_costs_nothing_has_no_row(void **state)
{
    struct rig *rig = *state;
    rig->provider.ops = &free_of_charge;
    struct request *req = request(rig, true, "j1_panel-1-1");
    assert_int_equal(intent_enter(req), NEXT);
    assert_int_equal(rows(rig), 0);
    release(req);
}

/* Another gateway has the job now, and pays for its parts: those that we began, and those that we did not. */
static void test_a_part_that_was_taken_over(void **state)
{
    struct rig *rig = *state;
    static const char *const parts[] = {"j1_panel-1-1", "j1_panel-1-2"};
    struct request *req = request(rig, true, parts[0]);
    assert_int_equal(enter(rig, req), NEXT);
    release(req);
    journal_rig_sql(rig->journal, "UPDATE job SET owner = 'two'");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        req = request(rig, true, parts[i]);
        assert_int_equal(enter(rig, req), FAIL);
        assert_int_equal(req->err.code, ERR_UNKNOWN_OUTCOME);
        release(req);
    }
    assert_int_equal(rows(rig), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_part),
        TEST(test_a_part_that_an_earlier_process_began),
        TEST(test_a_job_that_runs_a_model_itself),
        TEST(test_a_request_that_somebody_waits_for),
        TEST(test_what_costs_nothing_has_no_row),
        TEST(test_a_part_that_was_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
