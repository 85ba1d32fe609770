/* The whole of it on a loop and a real lane; what lies in the database is in test_writer.c. */
#include "history/history.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/db.h"
#include "loop/loop_uv.h"
#include "scratch.h"

struct rig {
    struct options opt;
    struct loop_uv *uv;
    struct lane *lane;
    struct history *history;
    struct error e;
    struct timer look;
    bool (*over)(struct rig *rig);
    uint64_t until_ns;
    unsigned bad, good, answers;
    char said[320];
    json_t *answer;
    enum err code;
};

static void tell(void *ctx, bool bad, const char *what)
{
    struct rig *rig = ctx;
    rig->bad += bad;
    rig->good += !bad;
    snprintf(rig->said, sizeof(rig->said), "%s", what);
}

static int open_history(struct rig *rig)
{
    static const char *const providers[] = {"local"};
    const struct history_config config = {.opt = &rig->opt,
                                          .loop = loop_uv_loop(rig->uv),
                                          .lane = rig->lane,
                                          .provider = providers,
                                          .provider_count = 1,
                                          .tell = tell,
                                          .ctx = rig};
    return history_new(&config, &rig->history, &rig->e);
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    rig->opt = (struct options){.data_dir = scratch_new(),
                                .database_url = "",
                                .db_timeout_ms = 300,
                                .db_queue_max = 4,
                                .history_keep_10s_h = 2,
                                .history_keep_1m_d = 7,
                                .history_keep_1h_d = 400,
                                .history_spill_bytes = 1 << 20,
                                .history_points_max = 1500};
    rig->uv = loop_uv_new();
    rig->lane = lane_new(&(struct lane_config){"db", 1, 5, NULL}, loop_uv_loop(rig->uv));
    *state = rig;
    return 0;
}

static void look(struct timer *t)
{
    struct rig *rig = CONTAINER_OF(t, struct rig, look);
    struct loop *loop = loop_uv_loop(rig->uv);
    uint64_t now = loop_now_ns(loop);
    if (rig->over(rig) || now > rig->until_ns)
        loop_uv_stop(rig->uv);
    else
        timer_arm(loop, t, now + 2 * NS_PER_MS, look);
}

static void run_until(struct rig *rig, bool (*over)(struct rig *rig))
{
    struct loop *loop = loop_uv_loop(rig->uv);
    rig->over = over;
    rig->until_ns = loop_now_ns(loop) + 30 * NS_PER_S;
    timer_arm(loop, &rig->look, loop_now_ns(loop), look);
    loop_uv_run(rig->uv);
    assert_true(over(rig));
}

static bool is_idle(struct rig *rig)
{
    return !history_busy(rig->history);
}

static bool has_answer(struct rig *rig)
{
    return rig->answers > 0;
}

static bool has_said_good(struct rig *rig)
{
    return rig->good > 0;
}

static bool has_said_bad(struct rig *rig)
{
    return rig->bad > 0;
}

static void add(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        history_add(rig->history, &(struct history_sample){.feature = &features[0],
                                                           .provider = "local",
                                                           .outcome = HISTORY_RUN,
                                                           .total_ns = 3000000,
                                                           .provider_ns = 1000000});
}

/* To the end of a process, and the beginning of the next one. */
static void end(struct rig *rig)
{
    history_stop(rig->history);
    history_stop(rig->history); /* once more does nothing */
    if (history_busy(rig->history))
        run_until(rig, is_idle);
    history_free(TAKE(rig->history));
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    if (rig->history) /* a failed test leaves it in the midst of its work */
        end(rig);
    lane_free(rig->lane);
    loop_uv_free(rig->uv);
    scratch_free((char *)(uintptr_t)rig->opt.data_dir);
    free(rig);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

static void begin(struct rig *rig)
{
    if (open_history(rig) < 0)
        fail_msg("%s", rig->e.reason);
    history_start(rig->history);
}

/* ---- asking ---- */

struct asked {
    struct history_question question;
    struct rig *rig;
};

static void take_answer(struct history_question *q, struct blob *data, const struct error *e)
{
    struct asked *a = CONTAINER_OF(q, struct asked, question);
    struct rig *rig = a->rig;
    rig->answers++;
    rig->code = e ? e->code : ERR_NONE;
    json_decref(rig->answer);
    rig->answer = data ? json_loadb((const char *)data->data, data->size, 0, NULL) : NULL;
    free(a);
}

static void ask(struct rig *rig)
{
    struct asked *a = NEW(struct asked);
    int64_t now = clock_wall_s();
    a->rig = rig;
    a->question.answer = take_answer;
    /* With what begins in this very second: there may be no other step yet. */
    a->question.query =
        (struct history_query){.from = now - 3600, .to = now + 1, .quantiles = 1, .quantile = {0.5}};
    strcpy(a->question.query.quantile_name[0], "50");
    assert_int_equal(history_plan(&rig->opt, now, &a->question.query, &rig->e), 0);
    history_ask(rig->history, &a->question);
}

/* ---- from process to process ---- */

static struct history_totals totals_of(struct rig *rig)
{
    struct history_totals totals;
    history_totals(rig->history, &totals);
    return totals;
}

static void test_totals_go_on(void **state)
{
    struct rig *rig = *state;
    for (unsigned i = 0; i < 3; i++) {
        begin(rig);
        struct history_totals totals = totals_of(rig);
        assert_true(totals.known);
        assert_in_range(totals.since_s, clock_wall_s() - 60, clock_wall_s());
        assert_int_equal(totals.feature[0].requests[HISTORY_RUN], 5 * i);
        assert_int_equal(totals.feature[0].latency_us, 15000 * i);
        add(rig, 5);
        end(rig);
    }
    assert_int_equal(rig->bad + rig->good, 0);
}

static void test_a_question(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    add(rig, 5);
    end(rig);
    begin(rig);
    ask(rig);
    run_until(rig, has_answer);
    const json_t *series = json_array_get(json_object_get(rig->answer, "series"), 0);
    const json_t *whole = json_object_get(series, "whole");
    assert_int_equal(json_integer_value(json_object_get(whole, "requests")), 5);
    double p50 = json_number_value(json_object_get(json_object_get(whole, "latency_ms"), "p50"));
    assert_true(p50 > 2.97 && p50 < 3.03);
    json_decref(rig->answer);
    rig->answer = NULL;
    end(rig);
}

/* More of them than places: refused at once; after the end: refused at once too. */
static void test_questions_are_bounded(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    for (unsigned i = 0; i < 4; i++)
        ask(rig);
    assert_int_equal(rig->answers, 0);
    ask(rig);
    assert_int_equal(rig->answers, 1);
    assert_int_equal(rig->code, ERR_QUEUE_FULL);
    history_stop(rig->history);
    ask(rig);
    assert_int_equal(rig->answers, 2);
    assert_int_equal(rig->code, ERR_DRAINING);
    run_until(rig, is_idle);
    assert_int_equal(rig->answers, 6);
    json_decref(rig->answer);
    rig->answer = NULL;
}

/* ---- a database that is away ---- */

static struct db *lock_database(struct rig *rig)
{
    FREE_ON_EXIT char *path = mem_printf("%s/limner.db", rig->opt.data_dir);
    struct db *db;
    assert_int_equal(db_new(&(struct db_config){.url = "", .path = path, .timeout_ms = 1000}, &db, &rig->e),
                     0);
    assert_int_equal(db_connect(db, &rig->e), 0);
    assert_int_equal(db_begin(db, DB_LOCK_HISTORY, &rig->e), 0);
    return db;
}

/* The process ends while another one holds the lock: what it counted waits for the next one. */
static void test_locked_at_the_end(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    add(rig, 5);
    struct db *other = lock_database(rig);
    end(rig);
    assert_int_equal(rig->bad, 1);
    assert_non_null(strstr(rig->said, "locked"));
    begin(rig); /* still locked: no reason not to start */
    assert_false(totals_of(rig).known);
    assert_false(history_state(rig->history).ok);
    assert_int_equal(history_state(rig->history).waiting, 1);
    end(rig);
    db_rollback(other);
    db_free(other);
    begin(rig);
    assert_int_equal(totals_of(rig).feature[0].requests[HISTORY_RUN], 5);
    assert_true(history_state(rig->history).ok);
    assert_int_equal(history_state(rig->history).waiting, 0);
    end(rig);
}

/* It is said once when it goes and once when it is back. */
static void test_away_and_back(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    struct db *other = lock_database(rig);
    add(rig, 5);
    run_until(rig, has_said_bad); /* at the end of the ten seconds */
    assert_int_equal(history_state(rig->history).waiting, 1);
    db_rollback(other);
    db_free(other);
    run_until(rig, has_said_good);
    assert_int_equal(rig->bad, 1);
    assert_true(history_state(rig->history).ok);
    assert_int_equal(history_state(rig->history).waiting, 0);
    end(rig);
}

static void test_what_stops_a_start(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT char *path = mem_printf("%s/limner.db", rig->opt.data_dir);
    rig->opt.database_url = "mysql://h/d";
    assert_int_equal(open_history(rig), -ERR_VALIDATION);
    rig->opt.database_url = "";
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (unsigned i = 0; i < 1000; i++)
        fputs("this is no database ", file);
    fclose(file);
    assert_int_equal(open_history(rig), -ERR_INTERNAL);
    assert_non_null(strstr(rig->e.reason, "damaged"));
    assert_int_equal(unlink(path), 0);
    begin(rig);
    end(rig);
}

/* ---- the plan of a question ---- */

static void test_plans(void **state)
{
    enum { NOW = 1000000007, H = 3600, D = 86400 };
    struct rig *rig = *state;
    static const struct {
        int64_t from, to;
        unsigned asked, step;
        const char *fault;
    } cases[] = {
        {NOW - H, NOW, 0, 10, ""},
        {NOW - 3 * H, NOW, 0, 60, ""}, /* ten seconds are kept for two hours */
        {NOW - 3 * H, NOW - 2 * H, 0, 60, ""},
        {NOW - D, NOW, 0, 60, ""},
        {NOW - 3 * D, NOW, 0, 300, ""}, /* 4,320 minutes are too many points */
        {NOW - 7 * D + 60, NOW, 0, 900, ""},
        {NOW - 30 * D, NOW, 0, H, ""},
        {NOW - 300 * D, NOW, 0, 6 * H, ""},
        {NOW - 400 * D, NOW, 0, D, ""},
        {NOW - 2000 * D, NOW, 0, 0, "from"},
        {NOW - 30 * D, NOW, 10, 0, "step"},
        {NOW - 3 * H, NOW, 10, 10, ""},      /* asked for: as far as it is there */
        {NOW - H, NOW + 10 * D, 10, 10, ""}, /* nothing is there of tomorrow */
        {NOW, NOW - H, 0, 0, "from"},
        {NOW - H, NOW - H, 0, 0, "from"},
        {NOW + H, NOW + 2 * H, 0, 0, "from"},
        {-5, NOW, 0, 0, "from"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct history_query q = {.from = cases[i].from, .to = cases[i].to, .step_s = cases[i].asked};
        int r = history_plan(&rig->opt, NOW, &q, &rig->e);
        if (*cases[i].fault) {
            assert_int_equal(r, -ERR_VALIDATION);
            assert_string_equal(rig->e.field, cases[i].fault);
            continue;
        }
        assert_int_equal(r, 0);
        assert_int_equal(q.step_s, cases[i].step);
        assert_int_equal(q.from % q.step_s + q.to % q.step_s, 0);
        assert_true(q.from <= cases[i].from && q.from > cases[i].from - q.step_s);
        assert_true(q.to < NOW + 1 + q.step_s && (q.to - q.from) / q.step_s <= 1500);
    }
    assert_int_equal(history_step("1h"), H);
    assert_int_equal(history_step("2h"), 0);
}

/* Steps begin in [from, to): one that begins now is asked for with the second behind it. */
static void test_a_step_that_begins_now(void **state)
{
    enum { NOW = 1000000010 };
    struct rig *rig = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct history_query q = {.from = NOW - 3600, .to = NOW + i};
        assert_int_equal(history_plan(&rig->opt, NOW, &q, &rig->e), 0);
        assert_int_equal(q.to, NOW + 10 * i);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_totals_go_on),
        TEST(test_a_question),
        TEST(test_questions_are_bounded),
        TEST(test_locked_at_the_end),
        TEST(test_away_and_back),
        TEST(test_what_stops_a_start),
        TEST(test_plans),
        TEST(test_a_step_that_begins_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
