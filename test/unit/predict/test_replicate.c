#include "replicate_rig.h"

static void test_inline(void **state)
{
    OPEN(g, A(201, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE);
    assert_string_equal(g.r.p.model, "nightmareai/real-esrgan");
    assert_string_equal(g.api.body[0], "{\"input\":{\"image\":\"data:image/jpeg;base64,/9j/IHBpY3R1cmU=\","
                                       "\"scale\":2,\"face_enhance\":false}}");
    const char *head = g.api.head[0];
    assert_non_null(strstr(head, "\r\nAuthorization: Bearer r8_secretsecret\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nPrefer: wait=10\r\n"));
    assert_non_null(strstr(head, "\r\nCancel-After: 59")); /* 600 s, less what has gone by */
    rig_close(&g);
}

static void test_finished_before_the_books(void **state) /* case 1 */
{
    OPEN(g,
         A(201, PREDICTION("\"status\":\"processing\",\"output\":[\"https://replicate.delivery/a.png\"]")));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE);
    rig_close(&g);
}

static void test_poll(void **state) /* case 2, and progress */
{
    OPEN(g, A(201, STARTING),
         A(200,
           PREDICTION("\"status\":\"processing\",\"output\":null,\"logs\":\" 45%|##  | 9/20 [00:03]\\n\"")),
         A(500, "<html>"), A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE GET GET GET);
    assert_string_equal(g.r.paid, "-p"); /* taken back while it starts, spent once it runs */
    assert_int_equal(g.r.p.done, 9);
    assert_int_equal(g.r.p.total, 20);
    rig_close(&g);
}

static void test_strange_polls(void **state) /* case 10: it is paid for, so it is waited for */
{
    OPEN(g, A(201, PROCESSING), A(200, "{\"id\":\"p1\",\"sta"), A(200, ""), RESET, A(502, "<html>"),
         A(200, "[]"), A(200, PREDICTION("\"status\":\"settled\",\"output\":null")), A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    assert_int_equal(atomic_load(&g.api.asked), 8);
    assert_memory_equal(g.api.log, CREATE, strlen(CREATE));
    assert_null(strstr(g.api.log + strlen(CREATE), "POST"));
    rig_close(&g);
}

#define GONE A(404, "{\"detail\":\"The requested resource could not be found.\"}")

static void test_forgotten(void **state) /* the server does not know it any more */
{
    OPEN(g, A(201, PROCESSING), GONE, GONE, GONE, GONE, GONE, GONE);
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    assert_true(g.r.p.paid);
    check_log(&g, CREATE GET GET GET GET CANCEL GET);
    rig_close(&g);
}

static void test_refused_polls(void **state) /* one odd answer means nothing, whatever it says */
{
    OPEN(g, A(201, PROCESSING), GONE, A(401, "{\"title\":\"Unauthenticated\"}"),
         A(422, "{\"detail\":\"no\"}"), A(200, PROCESSING), A(400, ""), A(403, ""), GONE, A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE GET GET GET GET GET GET GET GET);
    struct error e;
    assert_int_equal(g.r.provider->ops->available(g.r.provider, &features[FEATURE_CLARITY], &e),
                     -ERR_PROVIDER_UNAVAILABLE); /* new work waits for the account all the same */
    rig_close(&g);
}

static void test_lost_on_the_way_out(void **state) /* given up, but the cancel finds that it is done */
{
    OPEN(g, A(201, PROCESSING), GONE, GONE, GONE, GONE, A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE GET GET GET GET CANCEL);
    rig_close(&g);
}

static void test_throttled(void **state) /* case 6: everybody of the account waits */
{
    OPEN(g, A(429, THROTTLED), A(201, SUCCEEDED));
    uint64_t begun = clock_mono_ns();
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_true(clock_mono_ns() - begun >= 1500 * NS_PER_MS);
    check_output(&g);
    check_log(&g, CREATE CREATE);
    check_metrics(&g, "{\"creates\":2,\"outcomes\":{\"succeeded\":1,\"failed\":0,\"unavailable\":0,"
                      "\"canceled\":0,\"unknown\":0},"
                      "\"retries\":{\"throttled\":1,\"unsent\":0,\"server\":0,\"platform\":0},\"lookups\":0");
    rig_close(&g);
}

#define INTERRUPTED PREDICTION("\"status\":\"failed\",\"output\":null,\"error\":\"please retry (code: PA)\"")

static void test_each_trouble_has_tries_of_its_own(void **state)
{
    OPEN(g, A(429, ""), A(502, ""), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED),
         A(200, NOTHING_LISTED), A(201, INTERRUPTED), A(201, SUCCEEDED), A(201, INTERRUPTED),
         A(201, INTERRUPTED));
    g.r.opt.ai_retries = 1;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, CREATE CREATE LIST LIST LIST LIST CREATE CREATE);
    check_metrics(&g, "{\"creates\":4,\"outcomes\":{\"succeeded\":1,\"failed\":0,\"unavailable\":0,"
                      "\"canceled\":0,\"unknown\":0},"
                      "\"retries\":{\"throttled\":1,\"unsent\":0,\"server\":1,\"platform\":1},\"lookups\":1");
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM); /* and no more than that */
    assert_int_equal(atomic_load(&g.api.asked), 10);
    rig_close(&g);
}

static void test_throttled_for_too_long(void **state)
{
    OPEN(g, {.status = 429, .headers = "Retry-After: 60\r\n"}, A(201, SUCCEEDED));
    g.r.p.deadline_ns = clock_mono_ns() + 5 * NS_PER_S;
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(g.r.p.err.retry_after_s, 60);
    assert_false(g.r.p.paid);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE); /* asks nobody */
    assert_in_range(g.r.p.err.retry_after_s, 60, 61);
    check_log(&g, CREATE);
    rig_close(&g);
}

static void test_lost_and_found(void **state) /* case 13 */
{
    OPEN(g, RESET, A(200, "{\"next\":\"$/predictions?cursor=2\",\"results\":[]}"),
         A(200, LISTED("\"status\":\"processing\"", INPUT)), A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE LIST LIST GET);
    assert_non_null(strstr(g.api.log, "/v1/predictions?cursor=2\n"));
    assert_non_null(strstr(g.api.log, "/v1/predictions?created_after=20"));
    rig_close(&g);
}

static void test_lost(void **state) /* it may have run: nothing is paid twice */
{
    OPEN(g, RESET, A(200, NOTHING_LISTED),
         A(200, "{\"next\":\"http://elsewhere/v1/predictions\",\"results\":[]}"));
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    assert_true(g.r.p.paid);
    check_log(&g, CREATE LIST LIST);
    check_metrics(&g, "{\"creates\":1,\"outcomes\":{\"succeeded\":0,\"failed\":0,\"unavailable\":0,"
                      "\"canceled\":0,\"unknown\":1},"
                      "\"retries\":{\"throttled\":0,\"unsent\":0,\"server\":0,\"platform\":0},\"lookups\":1");
    rig_close(&g);
}

static void test_bad_gateway(void **state) /* four looks at the whole list, and it is not there */
{
    OPEN(g, A(502, "<html>"), A(200, NOTHING_LISTED),
         A(200, LISTED("\"status\":\"succeeded\"", "{\"scale\":4}")), A(502, "<html>"),
         A(200, NOTHING_LISTED), A(201, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE LIST LIST LIST LIST CREATE);
    rig_close(&g);
}

static void test_dropped(void **state) /* the same: nobody is at work on it any more */
{
    OPEN(g, RESET, A(200, NOTHING_LISTED), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED),
         A(200, NOTHING_LISTED), A(201, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE LIST LIST LIST LIST CREATE);
    rig_close(&g);
}

static void test_made_but_not_listed(void **state) /* a 2xx that cannot be read: it exists, wherever it is */
{
    OPEN(g, A(201, "{\"id\":"), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED),
         A(200, NOTHING_LISTED));
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    assert_true(g.r.p.paid);
    check_log(&g, CREATE LIST LIST LIST LIST);
    rig_close(&g);
}

static void test_doubtful(void **state) /* listed, but with another word for its picture */
{
    OPEN(g, RESET,
         A(200, LISTED("\"status\":\"processing\"",
                       "{\"image\":\"https://a/b.png\",\"scale\":2,\"face_enhance\":false,\"upscale\":2}")),
         A(200, NOTHING_LISTED), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED));
    assert_int_equal(provider_rig_run(&g.r), -ERR_UNKNOWN_OUTCOME);
    assert_true(g.r.p.paid);
    check_log(&g, CREATE LIST LIST LIST LIST);
    rig_close(&g);
}

static void test_settled(void **state) /* the server is done with it and has nothing: safe */
{
    OPEN(g, A(500, "<html>"), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED), A(200, NOTHING_LISTED),
         A(200, NOTHING_LISTED), A(201, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE LIST LIST LIST LIST CREATE);
    check_metrics(&g, "{\"creates\":2,\"outcomes\":{\"succeeded\":1,\"failed\":0,\"unavailable\":0,"
                      "\"canceled\":0,\"unknown\":0},"
                      "\"retries\":{\"throttled\":0,\"unsent\":0,\"server\":1,\"platform\":0},\"lookups\":1");
    rig_close(&g);
}

static void test_unreadable(void **state) /* accepted, but with an answer cut short: it exists */
{
    OPEN(g, A(201, "{\"id\":\"p1\",\"sta"), A(200, LISTED("\"status\":\"processing\"", INPUT)),
         A(200, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE LIST GET);
    rig_close(&g);
}

static void test_unreadable_and_failed(void **state) /* what became of it is told, not made again */
{
    const struct api_step listed = A(200, LISTED("\"status\":\"failed\"", INPUT));
    OPEN(g, A(201, "{\"id\":\"p1\",\"sta"), listed, listed, listed, listed,
         A(200, PREDICTION("\"status\":\"failed\",\"error\":\"NSFW content detected.\"")));
    assert_int_equal(provider_rig_run(&g.r), -ERR_CONTENT_FILTERED);
    check_log(&g, CREATE LIST LIST LIST LIST GET);
    rig_close(&g);
}

static void test_unsent(void **state)
{
    OPEN(g, A(201, SUCCEEDED));
    g.r.opt.breaker_failures = 1;
    provider_free(g.r.provider);
    g.r.opt.replicate_base_url = "http://127.0.0.1:1/v1"; /* nobody listens there */
    provider_rig_open(&g.r, provider_replicate_new);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_false(g.r.p.paid);
    assert_non_null(strstr(g.r.p.err.reason, "127.0.0.1"));
    struct error e = {0};
    assert_int_equal(g.r.provider->ops->available(g.r.provider, g.r.p.feature, &e),
                     -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(e.retry_after_s, 30);
    check_log(&g, "");
    check_metrics(&g, "{\"creates\":3,\"outcomes\":{\"succeeded\":0,\"failed\":0,\"unavailable\":1,"
                      "\"canceled\":0,\"unknown\":0},"
                      "\"retries\":{\"throttled\":0,\"unsent\":2,\"server\":0,\"platform\":0},\"lookups\":0");
    rig_close(&g);
}

#define MODELS_404 A(404, "{\"detail\":\"The requested resource could not be found.\",\"status\":404}")
#define BAD_VERSION                                                                                          \
    A(422, "{\"title\":\"Invalid version or not permitted\",\"detail\":\"The specified version does not "    \
           "exist\"}")
#define MODEL(version) A(200, "{\"is_official\":false,\"latest_version\":{\"id\":\"" version "\"}}")

static void test_versions(void **state) /* case 9 */
{
    OPEN(g, MODELS_404, MODEL("v1"), A(201, SUCCEEDED), A(201, SUCCEEDED), BAD_VERSION, MODEL("v2"),
         A(201, SUCCEEDED), BAD_VERSION, MODEL("v2"), BAD_VERSION);
#define MODEL_LINE "GET /v1/models/nightmareai/real-esrgan\n"
#define BY_VERSION "POST /v1/predictions\n"
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(provider_rig_run(&g.r), 0);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE); /* once a run, no more */
    check_log(&g, CREATE MODEL_LINE BY_VERSION BY_VERSION BY_VERSION MODEL_LINE BY_VERSION BY_VERSION
                      MODEL_LINE BY_VERSION);
    assert_memory_equal(g.api.body[2], "{\"version\":\"v1\",", 16);
    assert_memory_equal(g.api.body[6], "{\"version\":\"v2\",", 16);
    rig_close(&g);
}

static unsigned notices;

static void on_notice(const char *provider, const char *event, const char *model, const char *said)
{
    assert_string_equal(event, "pinned version gone");
    assert_string_equal(model, "cjwbw/real-esrgan");
    assert_non_null(strstr(said, "d0ee3d70"));
    assert_non_null(strstr(said, " v2 runs instead"));
    notices++;
}

static struct provider *with_notices(const struct remote_config *config)
{
    struct remote_config telling = *config;
    telling.notice = on_notice;
    return provider_replicate_new(&telling);
}

static void test_pinned_version_gone(void **state) /* it costs one detour, not one each time; it is told */
{
    OPEN(g, A(201, SUCCEEDED), BAD_VERSION, MODEL("v2"), A(201, SUCCEEDED), A(201, SUCCEEDED), BAD_VERSION,
         MODEL("v2"), A(201, SUCCEEDED));
    const char *pinned = features[FEATURE_BEAUTIFY].version;
    params_init(&g.r.params, &features[FEATURE_BEAUTIFY]);
    g.r.p.feature = &features[FEATURE_BEAUTIFY];
    provider_free(g.r.provider);
    provider_rig_open(&g.r, with_notices);
    notices = 0;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(provider_rig_run(&g.r), 0);
        assert_string_equal(g.r.p.version, i == 0 ? "" : "v2");
    }
    assert_int_equal(notices, 1);
#define PINNED_MODEL "GET /v1/models/cjwbw/real-esrgan\n"
    check_log(&g,
              BY_VERSION BY_VERSION PINNED_MODEL BY_VERSION BY_VERSION BY_VERSION PINNED_MODEL BY_VERSION);
    assert_non_null(strstr(g.api.body[1], pinned));
    assert_memory_equal(g.api.body[4], "{\"version\":\"v2\",", 16);
    rig_close(&g);
}

static void test_no_credit(void **state) /* case 7 */
{
    OPEN(g, A(402, "{\"title\":\"Insufficient credit\",\"detail\":\"You have insufficient credit\"}"),
         A(201, SUCCEEDED));
    BUF_ON_EXIT struct buf said;
    buf_init(&said, 1000);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_string_equal(g.r.p.err.reason, "");
    assert_int_equal(g.r.p.err.retry_after_s, 300);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE); /* asks nobody */
    assert_in_range(g.r.p.err.retry_after_s, 299, 300);
    g.r.provider->ops->describe(g.r.provider, &said);
    assert_string_equal(buf_text(&said), ",\"replicate.account\":\"open\"");
    check_log(&g, CREATE);
    rig_close(&g);
}

#define LOST                                                                                                 \
    PREDICTION("\"status\":\"failed\",\"output\":null,\"error\":\"Director: unexpected error (E9828)\"")

static void test_platform_fails(void **state) /* case 5: one new prediction, within the budget */
{
    OPEN(g, A(201, LOST), A(201, LOST), A(201, SUCCEEDED));
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, CREATE CREATE CREATE);
    check_metrics(&g, "{\"creates\":3,\"outcomes\":{\"succeeded\":1,\"failed\":0,\"unavailable\":0,"
                      "\"canceled\":0,\"unknown\":0},"
                      "\"retries\":{\"throttled\":0,\"unsent\":0,\"server\":0,\"platform\":2},\"lookups\":0");
    rig_close(&g);
}

static void test_breaker(void **state)
{
    OPEN(g, A(201, LOST), A(201, LOST), A(201, SUCCEEDED), A(201, SUCCEEDED));
    provider_free(g.r.provider);
    g.r.opt.ai_retries = 0;
    g.r.opt.breaker_failures = 2;
    g.r.opt.breaker_open_ms = 100;
    provider_rig_open(&g.r, provider_replicate_new);
    struct error e = {0};
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM);
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(g.r.p.err.retry_after_s, 1);
    /* the same model under another feature rests too, another model does not */
    assert_true(g.r.provider->ops->available(g.r.provider, &features[FEATURE_ENHANCE], &e) < 0);
    assert_int_equal(g.r.provider->ops->available(g.r.provider, &features[FEATURE_STYLE], &e), 0);
    provider_rig_turn_ms(&g.r, 110);
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, CREATE CREATE CREATE CREATE);
    rig_close(&g);
}

static void check_end(const char *answer, int result, bool paid)
{
    OPEN(g, A(201, answer));
    assert_int_equal(provider_rig_run(&g.r), result);
    assert_int_equal(g.r.p.paid, paid);
    assert_int_equal(g.r.p.output_count, 0);
    check_log(&g, CREATE);
    rig_close(&g);
}

static void test_ends(void **state) /* cases 3, 4 and 5 */
{
    check_end(PREDICTION("\"status\":\"aborted\",\"output\":null"), -ERR_DEADLINE, false);
    check_end(CANCELED, -ERR_DEADLINE, true);
    check_end(PREDICTION("\"status\":\"succeeded\",\"output\":[null]"), -ERR_UPSTREAM, true);
    check_end(PREDICTION("\"status\":\"succeeded\",\"output\":\"a cat\""), -ERR_UPSTREAM, true);
    check_end(PREDICTION("\"status\":\"failed\",\"error\":\"NSFW content detected\""), -ERR_CONTENT_FILTERED,
              true);
    check_end(PREDICTION("\"status\":\"failed\",\"error\":null"), -ERR_UPSTREAM, true);
}

static void test_refused(void **state)
{
#define TOO_LARGE A(422, "{\"invalid_fields\":[{\"field\":\"input.scale\",\"description\":\"too large\"}]}")
    OPEN(g, TOO_LARGE, TOO_LARGE);
    assert_int_equal(provider_rig_run(&g.r),
                     -ERR_UPSTREAM); /* nobody asked for this scale: it is the default */
    assert_string_equal(g.r.p.err.field, "");
    assert_false(g.r.p.paid);
    provider_rig_set(&g.r, "scale", "4");
    assert_int_equal(provider_rig_run(&g.r), -ERR_VALIDATION);
    assert_string_equal(g.r.p.err.field, "scale");
    assert_string_equal(g.r.p.err.reason, "The model refused the input: too large");
    assert_false(g.r.p.paid);
    rig_close(&g);
}

static void test_outputs(void **state) /* case 11 */
{
    OPEN(g,
         A(201, PREDICTION("\"status\":\"succeeded\",\"output\":[\"note\",\"data:image/png;base64,"
                           "iVBORw0KGgoAAAANSUhEUg==\",\"https://h/2\",\"https://h/3\",\"https://h/4\","
                           "\"https://h/5\",\"https://h/6\",\"https://h/7\",\"https://h/8\",\"https://h/9\","
                           "\"https://h/10\",\"https://h/11\",\"https://h/12\",\"https://h/13\","
                           "\"https://h/14\",\"https://h/15\"]")));
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_int_equal(g.r.p.output_count, RESULT_OUTPUTS_MAX); /* the text is none */
    assert_int_equal(g.r.p.output[0].blob->size, 16);
    assert_int_equal(g.r.p.output[0].type, IMAGE_PNG);
    assert_null(g.r.p.output[0].url);
    assert_string_equal(g.r.p.output[11].url, "https://h/12");
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_finished_before_the_books),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_strange_polls),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_refused_polls),
        cmocka_unit_test(test_lost_on_the_way_out),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_each_trouble_has_tries_of_its_own),
        cmocka_unit_test(test_throttled_for_too_long),
        cmocka_unit_test(test_lost_and_found),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_bad_gateway),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_made_but_not_listed),
        cmocka_unit_test(test_doubtful),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_unreadable_and_failed),
        cmocka_unit_test(test_unsent),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_pinned_version_gone),
        cmocka_unit_test(test_no_credit),
        cmocka_unit_test(test_platform_fails),
        cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
