/* What must hold on both engines: each test runs on the real thing. Then what is one engine's own. */
#include "journal/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "db/db.h"
#include "journal_rig.h"
#include "postgres.h"
#include "scratch.h"
#include "small_disk.h"

struct engine {
    const char *name;
    bool postgres;
};
static const struct engine engines[] = {{"sqlite", false}, {"postgres", true}};
static const struct engine *engine;
static char *database; /* PostgreSQL's, for all tests: to make one takes longer than most of them */

static int set_up(void **state)
{
    struct journal_rig *rig = journal_rig_new(database ? mem_strdup(database) : NULL, NULL);
    *state = rig;
    if (journal_rig_open(rig) < 0)
        fail_msg("%s", rig->e.reason);
    if (database)
        journal_rig_sql(rig, "DELETE FROM job");
    return 0;
}

static int tear_down(void **state)
{
    journal_rig_free(*state);
    return 0;
}

static struct journal_row job(const char *id)
{
    return (struct journal_row){.id = id,
                                .kind = JOURNAL_JOB,
                                .tenant = "mobile",
                                .feature = "clarity",
                                .request = "{\"scale\":2}",
                                .created_ms = 1000};
}

static void nothing(struct op *op)
{
    (void)op;
}

/* ---- rows ---- */

static void test_a_row_comes_back(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    const struct journal_row row = {.id = "a1",
                                    .kind = JOURNAL_REQUEST,
                                    .state = JOURNAL_RUNNING,
                                    .tenant = "it's — ü",
                                    .feature = "style",
                                    .parent = "b1",
                                    .request = "{\"a\":1}",
                                    .callback_url = "https://x/y",
                                    .idempotency_key = "k",
                                    .fingerprint = {1, 2, 0, 255},
                                    .priority = -1,
                                    .created_ms = 1LL << 42,
                                    .started_ms = 2,
                                    .provider = "replicate",
                                    .intent_ms = 3,
                                    .prediction = "p",
                                    .input_url = "https://in",
                                    .cost_nano = 5,
                                    .result = "{}",
                                    .error = "{\"code\":\"X\"}"};
    assert_int_equal(journal_rig_insert(rig, &row), 0);
    assert_int_equal(journal_rig_find(rig, "a1", &got), 0);
    const struct journal_row *r = &got.row;
    assert_int_equal(r->kind, row.kind);
    assert_int_equal(r->state, row.state);
    assert_string_equal(r->owner, "one");
    assert_string_equal(r->tenant, row.tenant);
    assert_string_equal(r->feature, row.feature);
    assert_string_equal(r->parent, row.parent);
    assert_string_equal(r->request, row.request);
    assert_string_equal(r->callback_url, row.callback_url);
    assert_string_equal(r->idempotency_key, row.idempotency_key);
    assert_memory_equal(r->fingerprint, row.fingerprint, DIGEST_BYTES);
    assert_int_equal(r->priority, -1);
    assert_int_equal(r->created_ms, row.created_ms);
    assert_int_equal(r->started_ms, 2);
    assert_string_equal(r->provider, row.provider);
    assert_int_equal(r->intent_ms, 3);
    assert_string_equal(r->prediction, "p");
    assert_string_equal(r->input_url, row.input_url);
    assert_int_equal(r->cost_nano, 5);
    assert_string_equal(r->result, "{}");
    assert_string_equal(r->error, row.error);
    assert_int_equal(journal_rig_find(rig, "a2", &got), -ERR_NOT_FOUND);
}

static void test_what_is_not_there_is_null(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    const struct journal_row row = {.id = "a"};
    assert_int_equal(journal_rig_insert(rig, &row), 0);
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    const char *const texts[] = {got.row.tenant,          got.row.parent,   got.row.callback_url,
                                 got.row.idempotency_key, got.row.provider, got.row.prediction,
                                 got.row.input_url,       got.row.result,   got.row.error};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        assert_null(texts[i]);
    assert_string_equal(got.row.request, "");
}

static void test_idempotency_keys(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_row a = job("a"), b = job("b"), c = job("c");
    a.idempotency_key = b.idempotency_key = c.idempotency_key = "key";
    a.fingerprint[0] = 0xab;
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    assert_int_equal(journal_rig_insert(rig, &b), -ERR_IDEMPOTENCY_CONFLICT);
    assert_string_equal(rig->told, "a ab");
    c.tenant = NULL; /* somebody else's key */
    assert_int_equal(journal_rig_insert(rig, &c), 0);
    assert_int_equal(journal_rig_insert(rig, &a), 0); /* asked again: it is there */
    journal_note_state(rig->j, "a", JOURNAL_COMPLETED, 7, "{}", NULL);
    assert_int_equal(journal_rig_insert(rig, &b), -ERR_IDEMPOTENCY_CONFLICT); /* as long as it is kept */
    journal_remove(rig->j, "a");
    assert_int_equal(journal_rig_insert(rig, &b), 0);
    struct journal_row plain[] = {job("d"), job("e")}; /* none is no key */
    assert_int_equal(journal_rig_insert(rig, &plain[0]), 0);
    assert_int_equal(journal_rig_insert(rig, &plain[1]), 0);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job"), 4);
}

static void test_intents(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    struct journal_row a = job("a"), b = job("b");
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    a.provider = "replicate";
    a.intent_ms = 5;
    a.request = "not written: the row has it";
    assert_int_equal(journal_rig_intent(rig, &a), 0);
    journal_note_run(rig->j, "a", NULL, "https://in");
    journal_note_run(rig->j, "a", "p1", NULL);
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_string_equal(got.row.prediction, "p1");
    assert_string_equal(got.row.input_url, "https://in");
    assert_string_equal(got.row.request, "{\"scale\":2}");
    assert_int_equal(got.row.intent_ms, 5);
    a.provider = "cog";
    a.intent_ms = 6;
    journal_note_run(rig->j, "a", "p2", NULL); /* in the same group, before and behind */
    struct journal_write w = {0};
    journal_intent(rig->j, &w, &a, nothing);
    journal_note_run(rig->j, "a", NULL, "https://two");
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(w.op.result, 0);
    assert_string_equal(got.row.provider, "cog");
    assert_int_equal(got.row.intent_ms, 6);
    assert_null(got.row.prediction);
    assert_string_equal(got.row.input_url, "https://two");
    b.kind = JOURNAL_REQUEST; /* is not there yet */
    b.intent_ms = 9;
    b.state = JOURNAL_RUNNING;
    assert_int_equal(journal_rig_intent(rig, &b), 0);
    assert_int_equal(journal_rig_find(rig, "b", &got), 0);
    assert_int_equal(got.row.kind, JOURNAL_REQUEST);
    assert_string_equal(got.row.request, "{\"scale\":2}");
}

static struct journal_row step(const char *id, const char *parent)
{
    struct journal_row row = job(id);
    row.kind = JOURNAL_STEP;
    row.state = JOURNAL_RUNNING;
    row.parent = parent;
    row.provider = "replicate";
    row.intent_ms = 5;
    return row;
}

/* Each is there when its run is about to be paid, is found behind its job, and goes with the job's end. */
static void test_steps(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    struct journal_row a = job("a"), b = job("b"), child = job("child");
    struct journal_row one = step("a.panel-1-1", "a"), two = step("a.board-1", "a"), other = step("b.x", "b");
    child.parent = "a"; /* no step: it stays */
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    assert_int_equal(journal_rig_insert(rig, &b), 0);
    assert_int_equal(journal_rig_insert(rig, &child), 0);
    assert_int_equal(journal_rig_intent(rig, &one), 0);
    assert_int_equal(journal_rig_intent(rig, &two), 0);
    assert_int_equal(journal_rig_intent(rig, &other), 0);
    journal_note_run(rig->j, one.id, "p1", NULL);
    assert_int_equal(journal_rig_find(rig, one.id, &got), 0);
    assert_int_equal(got.row.kind, JOURNAL_STEP);
    assert_int_equal(got.row.state, JOURNAL_RUNNING);
    assert_string_equal(got.row.parent, "a");
    assert_string_equal(got.row.prediction, "p1");
    one.intent_ms = 9; /* it is done again: one row all the same */
    assert_int_equal(journal_rig_intent(rig, &one), 0);
    assert_int_equal(journal_rig_find(rig, one.id, &got), 0);
    assert_null(got.row.prediction);
    assert_int_equal(got.row.intent_ms, 9);
    journal_rig_close(rig);
    assert_int_equal(journal_rig_open(rig), 0);
    journal_start(rig->j);
    journal_rig_turn_until(rig, &rig->started, 1);
    static const char *const found[] = {"a", "a.board-1", "a.panel-1-1", "b", "b.x", "child"};
    assert_int_equal(rig->found_count, ARRAY_LEN(found));
    for (unsigned i = 0; i < ARRAY_LEN(found); i++)
        assert_string_equal(rig->found[i], found[i]);
    journal_drop_steps(rig->j, "a");
    journal_note_state(rig->j, "a", JOURNAL_COMPLETED, 7, "{}", NULL);
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(got.row.state, JOURNAL_COMPLETED);
    assert_int_equal(rig->ended, 1);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job WHERE kind = 3 AND parent = 'a'"), 0);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job"), 4);
    journal_note_run(rig->j, one.id, "late", NULL); /* makes no row */
    struct journal_row orphan = step("c.x", "c");
    assert_int_equal(journal_rig_intent(rig, &orphan), -ERR_NOT_FOUND);
    assert_int_equal(journal_rig_find(rig, orphan.id, &got), -ERR_NOT_FOUND);
    journal_drop_steps(rig->j, "b"); /* alone: b goes on */
    assert_int_equal(journal_rig_find(rig, "b", &got), 0);
    assert_int_equal(got.row.state, JOURNAL_QUEUED);
    assert_int_equal(journal_rig_find(rig, other.id, &got), -ERR_NOT_FOUND);
    assert_int_equal(rig->ended, 1);
}

/* In one group, and with the row itself. */
static void test_steps_of_a_row_that_goes(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    struct journal_row a = job("a"), one = step("a.outline", "a");
    struct journal_write w[2] = {0};
    journal_note_run(rig->j, "nobody", "p", NULL); /* is a group alone; the next are one */
    journal_insert(rig->j, &w[0], &a, nothing);
    journal_intent(rig->j, &w[1], &one, nothing);
    journal_drop_steps(rig->j, "a");
    journal_remove(rig->j, "a");
    assert_int_equal(journal_rig_find(rig, "a", &got), -ERR_NOT_FOUND);
    assert_int_equal(w[0].op.result, 0);
    assert_int_equal(w[1].op.result, 0);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job"), 0);
}

static void test_states(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    struct journal_row a = job("a");
    int64_t before = (int64_t)clock_wall_ms();
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    journal_note_state(rig->j, "a", JOURNAL_RUNNING, -1, NULL, NULL);
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    int64_t began = got.row.started_ms;
    assert_int_equal(got.row.state, JOURNAL_RUNNING);
    assert_true(began >= before);
    assert_int_equal(got.row.ended_ms, 0);
    assert_int_equal(rig->ended, 0);
    while ((int64_t)clock_wall_ms() == began)
        ;
    journal_note_state(rig->j, "a", JOURNAL_RUNNING, 5, NULL, NULL); /* it began once */
    journal_note_state(rig->j, "a", JOURNAL_RUNNING, -1, NULL, "{\"code\":\"CANCELED\"}");
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(rig->noted, 1);
    assert_int_equal(rig->ended, 0);
    assert_string_equal(got.row.error, "{\"code\":\"CANCELED\"}");
    journal_note_state(rig->j, "a", JOURNAL_FAILED, -1, NULL, "{\"code\":\"X\"}");
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(got.row.state, JOURNAL_FAILED);
    assert_int_equal(got.row.started_ms, began);
    assert_true(got.row.ended_ms > began);
    assert_int_equal(got.row.cost_nano, 5);
    assert_string_equal(got.row.error, "{\"code\":\"X\"}");
    assert_null(got.row.result);
    assert_int_equal(rig->ended, 1);
    assert_string_equal(rig->ended_id, "a");
    journal_note_state(rig->j, "nobody", JOURNAL_FAILED, -1, NULL, NULL); /* has no effect */
    journal_remove(rig->j, "a");
    assert_int_equal(journal_rig_find(rig, "a", &got), -ERR_NOT_FOUND);
    assert_int_equal(rig->ended, 3);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job"), 0);
}

/* Its end is still to be told: it is open as long as that. */
static void test_callbacks(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    struct journal_row a = job("a"), b = job("b");
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    assert_int_equal(journal_rig_insert(rig, &b), 0);
    journal_note_state(rig->j, "b", JOURNAL_COMPLETED, 0, "{}", NULL);
    journal_note_state(rig->j, "a", JOURNAL_COMPLETED, 0, "{}", NULL);
    journal_note_callback(rig->j, "a", 1LL << 42, "[1]");
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(got.row.callback_due_ms, 1LL << 42);
    assert_string_equal(got.row.callback_log, "[1]");
    for (unsigned open = 1; open + 1 > 0; open--) {
        journal_rig_close(rig);
        assert_int_equal(journal_rig_open(rig), 0);
        journal_start(rig->j);
        journal_rig_turn_until(rig, &rig->started, 1);
        assert_int_equal(rig->found_count, open);
        journal_note_callback(rig->j, "a", 0, NULL); /* told; the log stays */
    }
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_string_equal(got.row.callback_log, "[1]");
}

/* ---- many ---- */

struct many {
    struct journal_write w;
    struct journal_row row;
    char id[32];
};

static unsigned many_done;

static void one_of_many(struct op *op)
{
    assert_int_equal(op->result, 0);
    many_done++;
}

/* Rows n00000 … at once; the older the greater. */
static struct many *insert_many(struct journal_rig *rig, unsigned count, const char *prefix,
                                const char *parent)
{
    struct many *m = mem_zalloc(count * sizeof(*m));
    many_done = 0;
    for (unsigned i = 0; i < count; i++) {
        snprintf(m[i].id, sizeof(m[i].id), "%s%05u", prefix, i);
        m[i].row = job(m[i].id);
        m[i].row.parent = parent;
        m[i].row.created_ms = 1000 + (count - i) / 2;
        journal_insert(rig->j, &m[i].w, &m[i].row, one_of_many);
    }
    journal_rig_turn_until(rig, &many_done, count);
    return m;
}

static void test_children(void **state)
{
    struct journal_rig *rig = *state;
    free(insert_many(rig, 450, "n", "batch"));
    free(insert_many(rig, 3, "m", "other"));
    free(insert_many(rig, 3, "x", NULL));
    assert_int_equal(journal_rig_children(rig, "batch"), 450);
    assert_int_equal(journal_rig_children(rig, "other"), 3);
    assert_int_equal(journal_rig_children(rig, "none"), 0);
    assert_int_equal(journal_rig_children(rig, ""), 0);
}

static void test_a_restart_tells_what_is_open(void **state)
{
    struct journal_rig *rig = *state;
    unsigned count = 450; /* several steps of reading */
    free(insert_many(rig, count, "n", NULL));
    journal_note_state(rig->j, "n00007", JOURNAL_COMPLETED, 0, "{}", NULL);
    journal_note_state(rig->j, "n00008", JOURNAL_CANCELED, 0, NULL, NULL);
    journal_note_state(rig->j, "n00009", JOURNAL_RUNNING, -1, NULL, NULL);
    journal_rig_close(rig); /* writes what nobody waits for */
    assert_int_equal(journal_rig_open(rig), 0);
    free(insert_many(rig, 5, "new", NULL)); /* ours: not told */
    journal_start(rig->j);
    journal_rig_turn_until(rig, &rig->started, 1);
    assert_int_equal(rig->found_count, count - 2);
    assert_string_equal(rig->found[0], "n00449");
    assert_string_equal(rig->found[count - 3], "n00000");
    journal_rig_close(rig);
    assert_int_equal(journal_rig_open(rig), 0); /* and again, as nothing has become of them */
    journal_start(rig->j);
    journal_rig_turn_until(rig, &rig->started, 1);
    assert_int_equal(rig->found_count, count + 3);
    assert_int_equal(rig->started, 1);
}

/* Another process of ours went on for a while, with a clock of its own: what it took meanwhile is found; what
 * has ended here since is not told again, though that is not written yet. */
static void test_a_second_start_looks_again(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_row ended = job("a"), open = job("b"), late = job("c");
    late.created_ms = 500;
    assert_int_equal(journal_rig_insert(rig, &ended), 0);
    assert_int_equal(journal_rig_insert(rig, &open), 0);
    journal_rig_close(rig);
    assert_int_equal(journal_rig_open(rig), 0);
    journal_start(rig->j);
    journal_rig_turn_until(rig, &rig->started, 1);
    assert_int_equal(rig->found_count, 2);
    struct journal_rig *other =
        journal_rig_new(rig->url ? mem_strdup(rig->url) : NULL, mem_strdup(rig->folder));
    assert_int_equal(journal_rig_open(other), 0);
    assert_int_equal(journal_rig_insert(other, &late), 0);
    journal_rig_leave(other);
    rig->found_count = 0;
    journal_start(rig->j); /* is reading already when the end is noted */
    journal_note_state(rig->j, "a", JOURNAL_COMPLETED, 0, "{}", NULL);
    journal_rig_turn_until(rig, &rig->started, 2);
    assert_int_equal(rig->found_count, 2);
    assert_string_equal(rig->found[0], "c");
    assert_string_equal(rig->found[1], "b");
}

static void test_old_rows_go(void **state)
{
    struct journal_rig *rig = *state;
    unsigned gone = 0;
    free(insert_many(rig, 450, "n", NULL));
    struct journal_row left = step("n00004_x", "n00004"), going_on = step("n00003_x", "n00003");
    assert_int_equal(journal_rig_intent(rig, &left), 0);
    assert_int_equal(journal_rig_intent(rig, &going_on), 0);
    FREE_ON_EXIT char *old = mem_printf("UPDATE job SET state = 2, open = 0, ended_ms = %lld",
                                        (long long)clock_wall_ms() - 2 * 3600 * 1000 - 1000);
    journal_rig_close(rig);
    journal_rig_sql(rig, old);
    journal_rig_sql(
        rig,
        "UPDATE job SET state = 1, open = 1, ended_ms = 0 WHERE id IN ('n00003', 'n00003_x', 'n00004_x')");
    journal_rig_sql(rig, "UPDATE job SET ended_ms = ended_ms + 3600000 WHERE id = 'n00004'");
    rig->config.keep_h = 2;
    assert_int_equal(journal_rig_open(rig), 0);
    uint64_t start = clock_mono_ns();
    while (!gone) {
        assert_true(clock_mono_ns() - start < 30 * NS_PER_S);
        waiting_loop_step(&rig->w);
        gone = journal_rig_number(rig, "SELECT COUNT(*) FROM job") == 3;
    }
    struct journal_copy got;
    assert_int_equal(journal_rig_find(rig, "n00003", &got), 0);
    assert_int_equal(journal_rig_find(rig, "n00003_x", &got), 0);
    assert_int_equal(journal_rig_find(rig, "n00004", &got), 0); /* but not what was a step of it */
}

/* ---- trouble ---- */

/* Somebody else holds the file, or the server is gone. */
static struct db *take_away(struct journal_rig *rig)
{
    struct db *db = NULL;
    if (engine->postgres) {
        postgres_kill();
        return NULL;
    }
    const struct db_config config = {.url = "", .path = rig->path, .timeout_ms = 1000};
    assert_int_equal(db_new(&config, &db, &rig->e), 0);
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_begin(db, DB_LOCK_NONE, &rig->e), 0);
    return db;
}

static void give_back(struct db *db)
{
    if (engine->postgres)
        postgres_again();
    if (db)
        db_rollback(db);
    db_free(db);
}

/* A server that is killed would forget what it has not written to its disk. */
static void open_for_trouble(struct journal_rig *rig)
{
    journal_rig_close(rig);
    rig->config.timeout_ms = 100;
    rig->config.owner_s = 1; /* PostgreSQL is tried again each quarter of a second */
    rig->config.to_disk = true;
    assert_int_equal(journal_rig_open(rig), 0);
}

static void test_away_and_back(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    struct journal_row a = job("a"), b = job("b");
    open_for_trouble(rig);
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    assert_true(journal_is_up(rig->j));
    struct db *other = take_away(rig);
    journal_note_state(rig->j, "a", JOURNAL_RUNNING, -1, NULL, NULL);
    assert_int_equal(journal_rig_insert(rig, &b), -ERR_DATABASE);
    assert_false(journal_is_up(rig->j));
    assert_int_equal(rig->bad, 1);
    journal_note_run(rig->j, "a", "p1", NULL);
    journal_note_state(rig->j, "a", JOURNAL_COMPLETED, 9, "{\"r\":1}", NULL);
    assert_true(journal_waits(rig->j));
    assert_int_equal(journal_rig_insert(rig, &b), -ERR_DATABASE);
    assert_int_equal(rig->ended, 0); /* as long as it is not written */
    give_back(other);
    journal_rig_turn_until(rig, &rig->good, 1);
    journal_rig_turn_until(rig, &rig->ended, 1);
    assert_true(journal_is_up(rig->j));
    assert_false(journal_waits(rig->j));
    assert_int_equal(rig->bad, 1);
    assert_int_equal(journal_rig_insert(rig, &b), 0);
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(got.row.state, JOURNAL_COMPLETED);
    assert_true(got.row.started_ms > 0);
    assert_int_equal(got.row.cost_nano, 9);
    assert_string_equal(got.row.prediction, "p1");
    assert_string_equal(got.row.result, "{\"r\":1}");
}

static void test_an_end_without_a_database(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_row a = job("a");
    open_for_trouble(rig);
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    struct db *other = take_away(rig);
    journal_note_state(rig->j, "a", JOURNAL_COMPLETED, -1, NULL, NULL);
    journal_rig_close(rig);
    assert_non_null(strstr(rig->told, "1 changes"));
    give_back(other);
    assert_int_equal(journal_rig_open(rig), 0);
    journal_start(rig->j);
    journal_rig_turn_until(rig, &rig->started, 1);
    assert_int_equal(rig->found_count, 1); /* it is still open */
}

/* One that the database refuses fails alone. SQLite refuses nothing. */
static void test_a_refused_row(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_row a = job("a"), bad = job("b"), c = job("c");
    struct journal_write w[2] = {0};
    struct journal_copy got;
    bad.request = "\xff\xfe";
    journal_rig_insert(rig, &a);
    journal_insert(rig->j, &w[0], &bad, nothing);
    journal_note_state(rig->j, "a", JOURNAL_FAILED, -1, NULL, "\xff");
    journal_insert(rig->j, &w[1], &c, nothing);
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(w[0].op.result, engine->postgres ? -ERR_INTERNAL : 0);
    assert_int_equal(w[1].op.result, 0);
    assert_int_equal(got.row.state, engine->postgres ? JOURNAL_QUEUED : JOURNAL_FAILED);
    assert_int_equal(rig->bad, engine->postgres ? 1 : 0);
    assert_int_equal(journal_rig_find(rig, "c", &got), 0);
}

static unsigned rows_read;

static void count_row(struct journal_read *r, const struct journal_row *row)
{
    assert_string_equal(row->parent, r->id);
    rows_read++;
}

/* In a group that is done again without a row that the database refused. */
static void test_read_twice_told_once(void **state)
{
    static struct journal_read read;
    struct journal_rig *rig = *state;
    free(insert_many(rig, 450, "n", "batch"));
    rows_read = 0;
    read = (struct journal_read){.id = "batch", .row = count_row};
    journal_note_run(rig->j, "nobody", "p", NULL); /* is a group alone; the next two are one */
    journal_children(rig->j, &read, nothing);
    journal_note_state(rig->j, "n00001", JOURNAL_FAILED, -1, NULL, "\xff");
    while (op_running(&read.op))
        waiting_loop_step(&rig->w);
    assert_int_equal(read.op.result, 0);
    assert_int_equal(rows_read, 450);
    assert_int_equal(rig->bad, engine->postgres ? 1 : 0);
}

/* ---- kill -9 ---- */

enum { WRITERS = 64 };

struct writer {
    struct journal_rig *rig;
    struct journal_write w;
    struct journal_row row;
    char id[UUID_TEXT];
};

static int acked; /* a pipe */

static void write_next(struct writer *w);

static void writer_done(struct op *op)
{
    struct writer *w = op->owner;
    if (op->result == 0 && write(acked, w->id, sizeof(w->id)) != sizeof(w->id))
        _exit(3);
    write_next(w);
}

static void write_next(struct writer *w)
{
    uuid_make(w->id);
    w->row = job(w->id);
    w->w = (struct journal_write){.op.owner = w};
    journal_insert(w->rig->j, &w->w, &w->row, writer_done);
}

static _Noreturn void write_until_killed(char *url, char *folder)
{
    struct journal_rig *rig = journal_rig_new(url, folder);
    static struct writer writer[WRITERS];
    unsigned never = 0;
    if (journal_rig_open(rig) < 0)
        _exit(4);
    for (unsigned i = 0; i < WRITERS; i++) {
        writer[i].rig = rig;
        write_next(&writer[i]);
    }
    for (;;)
        journal_rig_turn_until(rig, &never, 1);
}

static void killed_once(char *url, char *folder, unsigned after, unsigned *rows)
{
    int fds[2];
    char id[UUID_TEXT];
    unsigned seen = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        acked = fds[1];
        close(fds[0]);
        write_until_killed(url, folder);
    }
    close(fds[1]);
    FILE *in = fdopen(fds[0], "r");
    struct journal_rig *rig = NULL;
    char(*ids)[UUID_TEXT] = mem_zalloc(100000 * sizeof(*ids));
    while (fread(id, sizeof(id), 1, in) == 1) {
        assert_true(seen < 100000);
        memcpy(ids[seen++], id, sizeof(id));
        if (seen == after)
            kill(pid, SIGKILL);
    }
    fclose(in);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(seen >= after);
    rig = journal_rig_new(url ? mem_strdup(url) : NULL, mem_strdup(folder));
    assert_int_equal(journal_rig_open(rig), 0);
    for (unsigned i = 0; i < seen; i++) {
        struct journal_copy got;
        assert_int_equal(journal_rig_find(rig, ids[i], &got), 0);
    }
    *rows += seen;
    assert_true(journal_rig_number(rig, "SELECT COUNT(*) FROM job") >= *rows);
    journal_rig_leave(rig);
    free(ids);
}

static void test_killed_in_the_middle(void **state)
{
    char *folder = scratch_new();
    unsigned rows = 0;
    for (unsigned round = 0; round < 5; round++)
        killed_once(database, folder, 20 + 77 * round, &rows);
    scratch_free(folder);
}

/* ---- SQLite ---- */

static void test_a_damaged_file(void **state)
{
    struct journal_rig *rig = *state;
    free(insert_many(rig, 300, "n", NULL));
    journal_rig_close(rig);
    CLOSE_ON_EXIT int fd = open(rig->path, O_WRONLY | O_CLOEXEC);
    for (off_t at = 0; at < 60 * 4096; at += 8)
        assert_int_equal(pwrite(fd, "damaged!", 8, 8192 + at), 8);
    assert_int_equal(journal_rig_open(rig), -ERR_INTERNAL);
    assert_non_null(strstr(rig->e.reason, "is damaged"));
    assert_non_null(strstr(rig->e.reason, "limner repair"));
}

static void test_locked_at_the_start(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_row a = job("a");
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    journal_rig_close(rig);
    unlink(rig->path); /* an empty one must be written at once */
    rig->config.timeout_ms = 100;
    rig->config.path = rig->path;
    struct db *other;
    const struct db_config config = {.url = "", .path = rig->path, .timeout_ms = 1000, .as_it_is = true};
    assert_int_equal(db_new(&config, &other, &rig->e), 0);
    assert_int_equal(db_connect(other, &rig->e), 0);
    assert_int_equal(db_begin(other, DB_LOCK_NONE, &rig->e), 0);
    assert_int_equal(journal_rig_open(rig), 0);
    assert_int_equal(rig->bad, 1);
    assert_non_null(strstr(rig->told, "locked by another program"));
    assert_false(journal_is_up(rig->j));
    journal_start(rig->j);
    db_rollback(other);
    db_free(other);
    journal_rig_turn_until(rig, &rig->started, 1);
    assert_int_equal(rig->good, 1);
    assert_true(journal_is_up(rig->j));
}

/* While there is one thread: it mounts. */
static void test_a_full_disk(void **state)
{
    (void)state;
    char *folder = scratch_new();
    if (!small_disk_mount(folder, 2 << 20)) {
        scratch_free(folder);
        skip();
    }
    FREE_ON_EXIT char *filler = mem_printf("%s/filler", folder);
    FREE_ON_EXIT char *big = mem_zalloc(100001);
    struct journal_rig *rig = journal_rig_new(NULL, folder);
    struct journal_copy got;
    struct journal_row a = job("a"), b = job("b");
    memset(big, 'x', 100000);
    assert_int_equal(journal_rig_open(rig), 0);
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, big, 4096) == 4096)
        ;
    close(fd);
    b.request = big;
    journal_note_run(rig->j, "a", "p1", NULL);
    assert_int_equal(journal_rig_insert(rig, &b), -ERR_DATABASE);
    assert_non_null(strstr(rig->told, "no room left"));
    journal_note_state(rig->j, "a", JOURNAL_COMPLETED, 1, big, NULL);
    assert_int_equal(unlink(filler), 0);
    journal_rig_turn_until(rig, &rig->good, 1);
    assert_int_equal(journal_rig_find(rig, "a", &got), 0);
    assert_int_equal(got.row.state, JOURNAL_COMPLETED);
    assert_string_equal(got.row.prediction, "p1");
    assert_int_equal(journal_rig_find(rig, "b", &got), -ERR_NOT_FOUND);
    assert_int_equal(journal_rig_insert(rig, &b), 0);
    journal_rig_close(rig);
    small_disk_unmount(folder);
    journal_rig_free(rig);
}

/* Its one gateway may have got another name. */
static void test_another_name(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    free(insert_many(rig, 3, "n", NULL));
    journal_rig_close(rig);
    rig->config.owner = "two";
    assert_int_equal(journal_rig_open(rig), 0);
    journal_start(rig->j);
    journal_rig_turn_until(rig, &rig->started, 1);
    assert_int_equal(rig->found_count, 3);
    assert_int_equal(journal_rig_find(rig, "n00001", &got), 0);
    assert_string_equal(got.row.owner, "two");
}

static void test_to_the_disk(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_row a = job("a");
    journal_rig_close(rig);
    rig->config.to_disk = true;
    assert_int_equal(journal_rig_open(rig), 0);
    assert_int_equal(journal_rig_insert(rig, &a), 0);
}

/* ---- PostgreSQL ---- */

static struct journal_rig *another(struct journal_rig *rig, const char *owner)
{
    struct journal_rig *other = journal_rig_new(mem_strdup(rig->url), NULL);
    other->config.owner = owner;
    other->config.owner_s = rig->config.owner_s;
    assert_int_equal(journal_rig_open(other), 0);
    journal_start(other->j);
    journal_rig_turn_until(other, &other->started, 1);
    return other;
}

/* However many rows there are, a job is told with all of its steps before it may begin. */
static void test_steps_come_with_their_job(void **state)
{
    struct journal_rig *rig = *state;
    enum { JOBS = 230, STEPS = 3 };
    char id[JOBS * STEPS][24], parent[JOBS][16];
    free(insert_many(rig, JOBS, "n", NULL));
    for (unsigned i = 0; i < JOBS * STEPS; i++) {
        snprintf(parent[i / STEPS], sizeof(parent[0]), "n%05u", i / STEPS);
        snprintf(id[i], sizeof(id[0]), "n%05u_%u", i / STEPS, i % STEPS);
        struct journal_row one = step(id[i], parent[i / STEPS]);
        one.created_ms = 1000 + (JOBS - i / STEPS) / 2; /* as its job */
        assert_int_equal(journal_rig_intent(rig, &one), 0);
    }
    rig->config.owner_s = 1;
    struct journal_rig *two = another(rig, "two");
    unsigned batches = 0, told = 0;
    uint64_t start = clock_mono_ns();
    while (told < JOBS * (1 + STEPS)) {
        assert_true(clock_mono_ns() - start < 30 * NS_PER_S);
        waiting_loop_step(&two->w);
        if (two->taken == batches)
            continue;
        batches = two->taken;
        for (unsigned i = told; i < two->found_count; i += 1 + STEPS)
            for (unsigned k = 1; k <= STEPS; k++)
                assert_memory_equal(two->found[i + k], two->found[i], strlen("n00000")); /* right behind it */
        told = two->found_count;
        assert_int_equal(told % (1 + STEPS), 0);
    }
    assert_true(batches > 1);
    journal_rig_leave(two);
}

static void test_taking_over(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_copy got;
    free(insert_many(rig, 450, "n", NULL));
    journal_note_state(rig->j, "n00003", JOURNAL_COMPLETED, 0, NULL, NULL);
    journal_note_state(rig->j, "n00004", JOURNAL_RUNNING, 0, NULL, NULL);
    assert_int_equal(journal_rig_find(rig, "n00003", &got), 0);
    assert_true(journal_holds(rig->j));
    rig->config.owner_s = 1;
    journal_rig_sql(rig, "INSERT INTO job_owner VALUES ('gone', 0) ON CONFLICT DO NOTHING");
    struct journal_rig *two = another(rig, "two"), *three = another(rig, "three");
    free(insert_many(two, 2, "t", NULL)); /* of one that lives */
    uint64_t start = clock_mono_ns();
    while (two->found_count + three->found_count < 449) { /* the first one says nothing any more */
        assert_true(clock_mono_ns() - start < 30 * NS_PER_S);
        waiting_loop_step(&two->w);
        waiting_loop_step(&three->w);
    }
    for (unsigned i = 0; i < two->found_count; i++)
        for (unsigned k = 0; k < three->found_count; k++)
            assert_string_not_equal(two->found[i], three->found[k]);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job WHERE owner = 'one'"), 1);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job_owner WHERE owner = 'gone'"), 0);
    struct journal_row lost = job("n00004"), mine = job("q");
    struct journal_row lost_step = step("n00004.x", "n00004"), theirs = step("n00004.y", "n00004");
    bool second_has_it = journal_rig_intent(two, &theirs) == 0;
    assert_int_equal(journal_rig_intent(three, &theirs), second_has_it ? -ERR_NOT_FOUND : 0);
    assert_int_equal(journal_rig_intent(rig, &lost_step), -ERR_NOT_FOUND); /* nor is what has not begun */
    journal_drop_steps(rig->j, "n00004");                                  /* they are not ours to drop */
    assert_int_equal(journal_rig_intent(rig, &lost), -ERR_NOT_FOUND);      /* what was ours is not */
    journal_note_state(rig->j, "n00004", JOURNAL_FAILED, 0, NULL, NULL);
    assert_int_equal(journal_rig_find(rig, "n00004", &got), 0);
    assert_int_equal(got.row.state, JOURNAL_RUNNING);
    assert_int_equal(journal_rig_find(rig, theirs.id, &got), 0);
    assert_int_equal(journal_rig_find(rig, lost_step.id, &got), -ERR_NOT_FOUND);
    assert_int_equal(journal_rig_intent(rig, &mine), 0);
    journal_rig_free(two);
    journal_rig_free(three);
}

static void open_patiently(struct journal_rig *rig)
{
    journal_rig_close(rig);
    rig->config.timeout_ms = 60000;
    assert_int_equal(journal_rig_open(rig), 0);
}

static void break_connections(struct journal_rig *rig, const char *which)
{
    FREE_ON_EXIT char *sql = mem_printf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                                        "pg_backend_pid() AND datname = current_database()%s",
                                        which);
    journal_rig_sql(rig, sql);
}

static void test_a_connection_that_broke(void **state) /* nobody sees anything of it */
{
    struct journal_rig *rig = *state;
    struct journal_row a = job("a"), b = job("b");
    open_patiently(rig);
    assert_int_equal(journal_rig_insert(rig, &a), 0);
    break_connections(rig, "");
    journal_note_run(rig->j, "a", "p1", NULL);
    assert_int_equal(journal_rig_insert(rig, &b), 0);
    assert_int_equal(rig->bad, 0);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job WHERE prediction = 'p1'"), 1);
}

/* In the middle of a group, which waits for the key that another gateway is about to take. */
static void test_a_connection_that_breaks_inside(void **state)
{
    static struct journal_row a, b;
    static struct journal_write w[2];
    struct journal_rig *rig = *state;
    struct db *other;
    const struct db_config config = {.url = rig->url, .path = "", .timeout_ms = 60000};
    open_patiently(rig);
    assert_int_equal(db_new(&config, &other, &rig->e), 0);
    assert_int_equal(db_connect(other, &rig->e), 0);
    assert_int_equal(db_begin(other, DB_LOCK_NONE, &rig->e), 0);
    assert_int_equal(
        db_write(other, &rig->e,
                 "INSERT INTO job (id, kind, state, owner, run, tenant, feature, parent, request, "
                 "callback_url, idempotency_key, fingerprint, priority, created_ms, started_ms, "
                 "ended_ms, provider, intent_ms, prediction, input_url, cost_nano, result, error, "
                 "callback_due_ms, callback_log, open) VALUES ('b2', 0, 0, 'x', 0, 'mobile', '', "
                 "'', '', '', 'key', '', 0, 0, 0, 0, '', 0, '', '', 0, '', '', 0, '', 1)",
                 NULL, 0),
        1);
    a = job("a");
    b = job("b");
    b.idempotency_key = "key";
    journal_note_run(rig->j, "nobody", "p", NULL); /* is a group alone; the next two are one */
    journal_insert(rig->j, &w[0], &a, nothing);
    journal_insert(rig->j, &w[1], &b, nothing);
    unsigned waits = 0;
    while (!waits) {
        loop_turn(&rig->w.loop);
        waits = journal_rig_number(rig, "SELECT COUNT(*) FROM pg_locks WHERE NOT granted") > 0;
    }
    break_connections(rig, " AND wait_event_type = 'Lock'");
    db_rollback(other);
    db_free(other);
    while (op_running(&w[0].op) || op_running(&w[1].op))
        waiting_loop_step(&rig->w);
    assert_int_equal(w[0].op.result, 0);
    assert_int_equal(w[1].op.result, 0);
    assert_int_equal(rig->bad, 0);
    assert_int_equal(journal_rig_number(rig, "SELECT COUNT(*) FROM job"), 2);
}

static void test_holding(void **state)
{
    struct journal_rig *rig = *state;
    struct journal_row a = job("a");
    journal_rig_close(rig);
    rig->config.owner_s = 1;
    rig->config.timeout_ms = 100;
    assert_int_equal(journal_rig_open(rig), 0);
    assert_true(journal_holds(rig->j));
    unsigned hold = journal_hold(rig->j);
    postgres_kill();
    assert_int_equal(journal_rig_insert(rig, &a), -ERR_DATABASE);
    uint64_t start = clock_mono_ns();
    while (journal_holds(rig->j)) {
        assert_true(clock_mono_ns() - start < 30 * NS_PER_S);
        waiting_loop_step(&rig->w);
    }
    assert_true(clock_mono_ns() - start < 20 * NS_PER_S);
    assert_int_equal(journal_hold(rig->j), hold);
    while (clock_mono_ns() - start < 2 * NS_PER_S) /* now its rows may be another's */
        waiting_loop_step(&rig->w);
    postgres_again();
    journal_rig_turn_until(rig, &rig->good, 1);
    assert_true(journal_holds(rig->j));
    assert_int_not_equal(journal_hold(rig->j), hold);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest both[] = {
        cmocka_unit_test(test_killed_in_the_middle),
        TEST(test_a_row_comes_back),
        TEST(test_what_is_not_there_is_null),
        TEST(test_idempotency_keys),
        TEST(test_intents),
        TEST(test_steps),
        TEST(test_steps_of_a_row_that_goes),
        TEST(test_states),
        TEST(test_callbacks),
        TEST(test_children),
        TEST(test_a_restart_tells_what_is_open),
        TEST(test_a_second_start_looks_again),
        TEST(test_old_rows_go),
        TEST(test_away_and_back),
        TEST(test_an_end_without_a_database),
        TEST(test_a_refused_row),
        TEST(test_read_twice_told_once),
    };
    const struct CMUnitTest sqlite[] = {
        cmocka_unit_test(test_a_full_disk),
        TEST(test_a_damaged_file),
        TEST(test_locked_at_the_start),
        TEST(test_another_name),
        TEST(test_to_the_disk),
    };
    const struct CMUnitTest postgres[] = {TEST(test_taking_over),
                                          TEST(test_steps_come_with_their_job),
                                          TEST(test_holding),
                                          TEST(test_a_connection_that_broke),
                                          TEST(test_a_connection_that_breaks_inside),
                                          TEST(test_to_the_disk)};
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        engine = &engines[i];
        if (engine->postgres && !postgres_start()) {
            assert_null(getenv("CI"));
            print_message("journal: PostgreSQL cannot be had here\n");
            continue;
        }
        print_message("journal on %s\n", engine->name);
        database = engine->postgres ? postgres_database() : NULL;
        failed += cmocka_run_group_tests(both, NULL, NULL);
        failed += engine->postgres ? cmocka_run_group_tests(postgres, NULL, NULL)
                                   : cmocka_run_group_tests(sqlite, NULL, NULL);
        free(TAKE(database));
        if (engine->postgres)
            postgres_stop();
    }
    return failed;
}
