/* What an earlier process began: by the prediction's id, and by what it was about to send. Nothing is paid
 * twice. */
#include "base/mem.h"
#include "predict/replicate_run.h"
#include "replicate_rig.h"

enum { LARGE = 300000 };

#define GONE   A(404, "{\"detail\":\"The requested resource could not be found.\"}")
#define NONE   A(200, NOTHING_LISTED)
#define BAD    A(502, "<html>")
#define LOST   PREDICTION("\"status\":\"failed\",\"output\":null,\"error\":\"unexpected error (E9828)\"")
#define INTENT 1767225600 /* 2026-01-01T00:00:00Z */

static void make_large(struct rig *g)
{
    char *data = mem_zalloc(LARGE);
    memcpy(data, "\xff\xd8\xff", 3);
    blob_unref(g->r.p.input);
    g->r.p.input = blob_take(data, LARGE, free);
}

/* ---- by its id ---- */

static void test_still_running(void **state)
{
    OPEN(g, A(200, STARTING), A(200, PROCESSING), A(200, SUCCEEDED));
    g.r.p.resume_id = "p1";
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, GET GET GET);
    assert_string_equal(g.r.paid, "-p");
    assert_string_equal(g.r.notes, ""); /* who knew it need not be told */
    assert_string_equal(g.r.p.remote_id, "p1");
    rig_close(&g);
}

static void test_finished_meanwhile(void **state)
{
    OPEN(g, A(200, SUCCEEDED), A(200, PREDICTION("\"status\":\"failed\",\"error\":\"no\"")),
         A(200, PREDICTION("\"status\":\"succeeded\",\"output\":null,\"data_removed\":true")));
    g.r.p.resume_id = "p1";
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM); /* and nothing is made */
    assert_true(g.r.p.paid);
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM); /* its hour is over */
    assert_true(g.r.p.paid);
    check_log(&g, GET GET GET);
    rig_close(&g);
}

static void test_gone(void **state) /* whether it ran nobody can say */
{
    OPEN(g, GONE, GONE, GONE, GONE, GONE, GONE);
    g.r.p.resume_id = "p1";
    g.r.p.resume_intent_s = INTENT; /* the id counts for more */
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    assert_true(g.r.p.paid);
    check_log(&g, GET GET GET GET CANCEL GET);
    rig_close(&g);
}

static void test_whatever_rests(void **state) /* what is paid for is asked about */
{
    OPEN(g, A(402, "{\"title\":\"Insufficient credit\"}"), A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    g.r.p.resume_id = "p1";
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, CREATE GET);
    rig_close(&g);
}

static void test_lost_by_the_platform(void **state) /* another is made, of a picture that is sent anew */
{
    OPEN(g, A(200, LOST), A(201, "{\"id\":\"f1\",\"urls\":{\"get\":\"$/files/f1\"}}"), A(201, SUCCEEDED),
         A(204, ""));
    make_large(&g);
    g.r.p.resume_id = "p1";
    assert_int_equal(provider_rig_run(&g.r), 0);
    while (atomic_load(&g.api.asked) < 4)
        provider_rig_turn_ms(&g.r, 5);
    check_log(&g, GET "POST /v1/files\n" CREATE "DELETE /v1/files/f1\n");
    FREE_ON_EXIT char *notes = mem_printf("|;|%s/files/f1;p1|%s/files/f1;", g.api.base_url, g.api.base_url);
    assert_string_equal(g.r.notes, notes);
    rig_close(&g);
}

static void test_lost_and_perhaps_made_again(void **state) /* by the process that was killed */
{
#define LOST_P0 "{\"id\":\"p0\",\"status\":\"failed\",\"output\":null,\"error\":\"unexpected error (E9828)\"}"
    OPEN(g, A(200, LOST_P0), NONE, A(200, LISTED("\"status\":\"processing\"", INPUT)), A(200, SUCCEEDED),
         A(200, LOST_P0), NONE, NONE, NONE, NONE, A(201, SUCCEEDED));
    g.r.p.resume_id = "p0";
    g.r.p.resume_intent_s = INTENT;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(provider_rig_run(&g.r), 0);
        check_output(&g);
    }
#define GET_P0 "GET /v1/predictions/p0\n"
    check_log(&g, GET_P0 LIST LIST GET GET_P0 LIST LIST LIST LIST CREATE);
    rig_close(&g);
}

static void test_a_wrong_id(void **state) /* it never reaches an address; the intent is what is left */
{
    OPEN(g, A(200, LISTED("\"status\":\"processing\"", INPUT)), A(200, SUCCEEDED));
    g.r.p.resume_id = "../p1";
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), 0);
    g.r.p.resume_intent_s = 0;
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    assert_true(g.r.p.paid);
    check_log(&g, LIST GET);
    rig_close(&g);
}

/* ---- whether it may be paid ---- */

static enum may_pay later_or(const struct prediction *p, enum may_pay then)
{
    struct provider_rig *r = CONTAINER_OF(p, struct provider_rig, p);
    const struct rig *g = r->ctx;
    assert_false(p->paid);
    assert_string_equal(g->api.log, "");
    return r->asked++ == 0 ? PAY_LATER : then;
}

static enum may_pay soon(const struct prediction *p)
{
    return later_or(p, PAY_NOW);
}

static enum may_pay never(const struct prediction *p)
{
    return later_or(p, PAY_NEVER);
}

static void test_it_waits_until_it_may_be_paid(void **state)
{
    OPEN(g, A(201, SUCCEEDED));
    g.r.p.may_pay = soon;
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_true(g.r.asked >= 2); /* before the place in the bucket, and after */
    check_output(&g);
    check_log(&g, CREATE);
    rig_close(&g);
}

static void test_it_may_not_be_paid(void **state)
{
    OPEN(g, A(201, SUCCEEDED));
    g.r.p.may_pay = never;
    assert_int_equal(provider_rig_run(&g.r), -ERR_DATABASE);
    assert_int_equal(g.r.asked, 2);
    g.r.asked = 0;
    g.r.p.deadline_ns = clock_mono_ns() + 200 * NS_PER_MS; /* it is over before it is asked again */
    assert_int_equal(provider_rig_run(&g.r), -ERR_DATABASE);
    assert_int_equal(g.r.asked, 1);
    assert_false(g.r.p.paid);
    check_log(&g, "");
    rig_close(&g);
}

/* ---- by what was about to be sent ---- */

static void test_made(void **state)
{
    OPEN(g, NONE, A(200, LISTED("\"status\":\"processing\"", INPUT)), A(200, SUCCEEDED));
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, LIST LIST GET);
    assert_non_null(strstr(g.api.log, "/v1/predictions?created_after=2025-12-31T23:59:00Z\n"));
    assert_string_equal(g.r.notes, "p1|;");
    rig_close(&g);
}

/* Ours is months ahead of the server's, or was set back meanwhile. */
static void test_a_wrong_clock(void **state)
{
    static const char then[] = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    const struct api_step found = A(200, LISTED("\"status\":\"processing\"", INPUT));
    const struct api_step nothing = {.status = 200, .body = NOTHING_LISTED, .headers = then};
    OPEN(g, nothing, found, A(200, SUCCEEDED), nothing, NONE, NONE, NONE, NONE, A(201, SUCCEEDED));
    g.r.p.resume_intent_s = clock_wall_s();
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_non_null(strstr(g.api.log, "created_after=2025-12-31T23:5"));
    g.r.p.resume_intent_s = clock_wall_s() + 3600;
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_non_null(strstr(g.api.log, "created_after=2025-12-30T23:59:00Z"));
    check_log(&g, LIST LIST GET LIST LIST LIST LIST LIST CREATE);
    rig_close(&g);
}

static void test_not_made(void **state)
{
    OPEN(g, NONE, NONE, NONE, NONE, A(201, SUCCEEDED));
    g.r.opt.ai_retries = 0; /* it is no further try */
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, LIST LIST LIST LIST CREATE);
    assert_string_equal(g.r.paid, "-"); /* what may have been paid for was not */
    assert_string_equal(g.r.notes, "p1|;");
    rig_close(&g);
}

static void
test_what_came_to_nothing_is_not_taken(void **state) /* it may be a twin's, whose end is not ours */
{
    OPEN(g, NONE, NONE, NONE, A(200, LISTED("\"status\":\"canceled\"", INPUT)), A(201, SUCCEEDED),
         A(200, LISTED("\"status\":\"failed\"", INPUT)), NONE, NONE,
         A(200, LISTED("\"status\":\"aborted\"", INPUT)), A(201, SUCCEEDED));
    g.r.p.resume_intent_s = INTENT;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(provider_rig_run(&g.r), 0);
        check_output(&g);
    }
    check_log(&g, LIST LIST LIST LIST CREATE LIST LIST LIST LIST CREATE);
    rig_close(&g);
}

static void test_cannot_be_known(void **state)
{
#define DOUBTFUL "{\"image\":\"https://a/b.png\",\"scale\":2,\"face_enhance\":false}"
    OPEN(g, NONE, NONE, NONE, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
         A(200, LISTED("\"status\":\"processing\"", DOUBTFUL)), NONE, NONE, NONE);
    g.r.p.resume_intent_s = INTENT;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
        assert_true(g.r.p.paid);
    }
    check_log(&g, LIST LIST LIST LIST LIST LIST LIST LIST LIST LIST LIST LIST LIST LIST);
    rig_close(&g);
}

static void test_the_last_look_is_a_good_one(void **state)
{
    OPEN(g, NONE, NONE, NONE, BAD, BAD, NONE, A(201, SUCCEEDED));
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, LIST LIST LIST LIST LIST LIST CREATE);
    rig_close(&g);
}

#define AT_URL "{\"image\":\"https://in/1.jpg\",\"scale\":2,\"face_enhance\":false}"

static void test_a_picture_at_its_address(void **state)
{
    OPEN(g, A(200, LISTED("\"status\":\"processing\"", AT_URL)), A(200, SUCCEEDED));
    make_large(&g);
    g.r.p.resume_intent_s = INTENT;
    g.r.p.resume_input_url = "https://in/1.jpg";
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, LIST GET);
    rig_close(&g);
}

static void test_a_picture_at_an_unknown_address(void **state)
{
    OPEN(g, A(200, LISTED("\"status\":\"processing\"", AT_URL)), NONE, NONE, NONE, NONE, NONE, NONE, NONE,
         A(201, "{\"id\":\"f1\",\"urls\":{\"get\":\"$/files/f1\"}}"), A(201, SUCCEEDED), A(204, ""));
    make_large(&g);
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME); /* it may be that one */
    assert_int_equal(provider_rig_run(&g.r), 0);                    /* there is none like it */
    while (atomic_load(&g.api.asked) < 11)
        provider_rig_turn_ms(&g.r, 5);
    check_log(&g, LIST LIST LIST LIST LIST LIST LIST LIST "POST /v1/files\n" CREATE "DELETE /v1/files/f1\n");
    rig_close(&g);
}

static void test_without_the_picture(void **state) /* it is followed, but not made anew */
{
    OPEN(g, A(200, PROCESSING), A(200, SUCCEEDED), A(200, LOST));
    blob_unref(TAKE(g.r.p.input));
    g.r.p.resume_id = "p1";
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM);
    assert_true(g.r.p.paid);
    g.r.p.resume_id = "../p1";
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    check_log(&g, GET GET GET);
    rig_close(&g);
}

static void test_of_another_version(void **state) /* the pinned one may have been gone then */
{
    OPEN(g,
         A(200, "{\"next\":null,\"results\":[{\"id\":\"p1\",\"model\":\"cjwbw/real-esrgan\",\"version\":"
                "\"v2\",\"input\":{\"image\":\"data:image/jpeg;base64,/9j/IHBpY3R1cmU=\",\"upscale\":2}}]}"),
         NONE, NONE, NONE);
    params_init(&g.r.params, &features[FEATURE_BEAUTIFY]);
    g.r.p.feature = &features[FEATURE_BEAUTIFY];
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    rig_close(&g);
}

static void test_one_for_two(void **state) /* what is somebody's is not found by another */
{
    OPEN(g, A(200, SUCCEEDED), A(200, LISTED("\"status\":\"succeeded\"", INPUT)), NONE, NONE, NONE,
         A(201, SUCCEEDED));
    g.r.p.resume_id = "p1";
    assert_int_equal(provider_rig_run(&g.r), 0);
    g.r.p.resume_id = NULL;
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, GET LIST LIST LIST LIST CREATE);
    rig_close(&g);
}

/* ---- by its mark ---- */

#define HOOKED(id, mark, input)                                                                              \
    "{\"id\":\"" id "\",\"model\":\"nightmareai/real-esrgan\",\"input\":" input                              \
    ",\"webhook\":\"https://old.example/hooks/replicate" mark "\"}"
#define PAGE(entries) A(200, "{\"next\":null,\"results\":[" entries "]}")

static void open_hooks(struct rig *g)
{
    provider_free(g->r.provider);
    g->r.opt.public_base_url = "https://limner.example";
    provider_rig_open(&g->r, provider_replicate_new);
    g->r.p.mark = "job-7";
}

static void test_the_mark_is_sent(void **state)
{
    OPEN(g, A(201, SUCCEEDED), A(201, SUCCEEDED));
    open_hooks(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_non_null(
        strstr(g.api.body[0], ",\"webhook\":\"https://limner.example/hooks/replicate?job=job-7\""));
    g.r.p.mark = "no/mark";
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_non_null(strstr(g.api.body[1], ",\"webhook\":\"https://limner.example/hooks/replicate\""));
    rig_close(&g);
}

static void test_found_by_its_mark(void **state) /* among its twins, and whatever became of its picture */
{
    OPEN(g,
         PAGE(HOOKED("p8", "?job=job-8", INPUT) "," HOOKED("p77", "?job=job-77", INPUT) "," HOOKED(
             "p1", "?job=job-7", "{\"image\":\"https://a/b\"}")),
         A(200, SUCCEEDED));
    open_hooks(&g);
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, LIST GET);
    rig_close(&g);
}

static void test_only_twins(void **state)
{
#define TWINS PAGE(HOOKED("p8", "?job=job-8", INPUT))
    OPEN(g, TWINS, TWINS, TWINS, TWINS, A(201, SUCCEEDED), PAGE(HOOKED("p2", "", INPUT)), A(200, SUCCEEDED));
    open_hooks(&g);
    g.r.p.resume_intent_s = INTENT;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, LIST LIST LIST LIST CREATE);
    assert_int_equal(provider_rig_run(&g.r), 0); /* one without a mark is judged by what it is */
    assert_string_equal(g.r.p.remote_id, "p1");
    assert_int_equal(atomic_load(&g.api.asked), 7);
    rig_close(&g);
}

/* ---- and it may be cancelled ---- */

static bool once_asked(struct provider_rig *r)
{
    struct rig *g = r->ctx;
    if (atomic_load(&g->api.held) == 0)
        return false;
    api_script_let_go(&g->api);
    return true;
}

static void test_cancelled_while_looking(void **state)
{
    OPEN(g, {.status = 200, .body = LISTED("\"status\":\"processing\"", INPUT), .act = API_HOLD},
         A(200, CANCELED));
    g.r.p.resume_intent_s = INTENT;
    g.r.cancel_when = once_asked;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    check_log(&g, LIST CANCEL);
    rig_close(&g);
}

static void test_cancelled_and_not_made(void **state)
{
    OPEN(g, {.status = 200, .body = NOTHING_LISTED, .act = API_HOLD}, NONE, NONE, NONE);
    g.r.p.resume_intent_s = INTENT;
    g.r.cancel_when = once_asked;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    assert_false(g.r.p.paid);
    check_log(&g, LIST LIST LIST LIST);
    rig_close(&g);
}

/* ---- what is told of a run that is begun here ---- */

static void test_notes(void **state)
{
    OPEN(g, A(201, LOST), A(201, STARTING), A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_string_equal(g.r.notes, "p1|;|;p1|;");
    check_log(&g, CREATE CREATE GET);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_still_running),
        cmocka_unit_test(test_finished_meanwhile),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_whatever_rests),
        cmocka_unit_test(test_it_waits_until_it_may_be_paid),
        cmocka_unit_test(test_it_may_not_be_paid),
        cmocka_unit_test(test_lost_by_the_platform),
        cmocka_unit_test(test_lost_and_perhaps_made_again),
        cmocka_unit_test(test_a_wrong_id),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_a_wrong_clock),
        cmocka_unit_test(test_not_made),
        cmocka_unit_test(test_what_came_to_nothing_is_not_taken),
        cmocka_unit_test(test_cannot_be_known),
        cmocka_unit_test(test_the_last_look_is_a_good_one),
        cmocka_unit_test(test_a_picture_at_its_address),
        cmocka_unit_test(test_a_picture_at_an_unknown_address),
        cmocka_unit_test(test_without_the_picture),
        cmocka_unit_test(test_of_another_version),
        cmocka_unit_test(test_one_for_two),
        cmocka_unit_test(test_the_mark_is_sent),
        cmocka_unit_test(test_found_by_its_mark),
        cmocka_unit_test(test_only_twins),
        cmocka_unit_test(test_cancelled_while_looking),
        cmocka_unit_test(test_cancelled_and_not_made),
        cmocka_unit_test(test_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
