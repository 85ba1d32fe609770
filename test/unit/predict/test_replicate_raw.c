/* Predictions in a caller's own words. */
#include "predict/replicate_raw.h"
#include "replicate_rig.h"

#define RAW_CREATE "POST /v1/models/o/n/predictions\n"
#define BODY       "{ \"input\": {\"n\": 1.50, \"text\":\"a\"},\"extra\":[ ] }"
#define RAW(rest)                                                                                            \
    "{\"id\":\"p1\",\"model\":\"o/n\",\"urls\":{\"get\":\"$/predictions/p1\","                               \
    "\"cancel\":\"$/predictions/p1/cancel\"}," rest "}"
#define RAW_STARTING RAW("\"status\":\"starting\",\"output\":null")
#define RAW_DONE     RAW("\"status\":\"succeeded\",\"output\":7")
#define RAW_LISTED(input)                                                                                    \
    "{\"next\":null,\"results\":[{\"id\":\"p1\",\"model\":\"o/n\",\"input\":" input                          \
    ",\"status\":\"starting\"}]}"

static struct raw_run raw;
static char heard[256]; /* a letter for each status that was told */

static void told(struct prediction *p, const struct replicate_answer *a, const void *body, size_t size)
{
    size_t n = strlen(heard);
    assert_ptr_equal(p->raw, &raw);
    assert_int_equal(((const char *)body)[size - 1], '}');
    heard[n] = "?spSFCA"[a->status];
    heard[n + 1] = '\0';
}

static void words(struct rig *g)
{
    raw = (struct raw_run){
        .path = "/models/o/n/predictions",
        .body = blob_copy(BODY, strlen(BODY)),
        .model = "o/n",
        .version = "",
        .deployment = "",
        .cancel_after = "",
        .told = told,
    };
    heard[0] = '\0';
    g->r.p.raw = &raw;
}

static void done(struct rig *g)
{
    blob_unref(raw.body);
    blob_unref(raw.said);
    rig_close(g);
}

static void test_sent_as_it_came(void **state)
{
    OPEN(g, A(201, RAW_STARTING), A(200, RAW("\"status\":\"processing\",\"output\":[1]")), A(200, RAW_DONE));
    words(&g);
    raw.cancel_after = "1m30s";
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, RAW_CREATE GET GET);
    assert_string_equal(g.api.body[0], BODY);
    assert_string_equal(heard, "spS"); /* the books are waited for */
    assert_non_null(strstr(g.api.head[0], "\r\nAuthorization: Bearer r8_secretsecret\r\n"));
    assert_non_null(strstr(g.api.head[0], "\r\nCancel-After: 1m30s\r\n"));
    assert_null(strstr(g.api.head[0], "\r\nPrefer"));
    done(&g);
}

static void test_wait(void **state)
{
    OPEN(g, A(201, RAW_DONE));
    words(&g);
    raw.wait_s = 33;
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_non_null(strstr(g.api.head[0], "\r\nPrefer: wait=33\r\n"));
    assert_null(strstr(g.api.head[0], "\r\nCancel-After"));
    assert_int_equal(g.r.p.output_count, 0);
    done(&g);
}

static void test_refused(void **state)
{
    OPEN(g, A(422, "{\"detail\":\"no\",\"status\":422}"), A(404, "{\"detail\":\"none\"}"), A(413, "<html>"),
         A(402, "{\"detail\":\"pay\"}"));
    words(&g);
    assert_int_equal(provider_rig_run(&g.r), -ERR_VALIDATION);
    assert_int_equal(raw.status, 422);
    assert_memory_equal(raw.said->data, "{\"detail\":\"no\"", 14);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(raw.status, 404); /* no version is looked for: that is the caller's matter */
    assert_int_equal(provider_rig_run(&g.r), -ERR_PAYLOAD_TOO_LARGE);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE); /* the account's breaker is open */
    check_log(&g, RAW_CREATE RAW_CREATE RAW_CREATE RAW_CREATE);
    assert_string_equal(heard, "");
    done(&g);
}

static void test_throttled(void **state)
{
    OPEN(g, A(429, THROTTLED), A(201, RAW_DONE));
    words(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, RAW_CREATE RAW_CREATE);
    done(&g);
}

static void test_broken_connection(void **state) /* it was made after all, so there is no second one */
{
    OPEN(g, RESET, A(200, RAW_LISTED("{\"n\":1.5,\"text\":\"a\",\"more\":1}")), A(200, RAW_DONE));
    words(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, RAW_CREATE LIST GET);
    done(&g);
}

static void test_another_is_not_ours(void **state) /* … and a second one once it is sure that there is none */
{
    OPEN(g, A(502, "<html>"), A(200, RAW_LISTED("{\"n\":2,\"text\":\"a\"}")), A(200, NOTHING_LISTED),
         A(200, NOTHING_LISTED), A(200, NOTHING_LISTED), A(201, RAW_DONE));
    words(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, RAW_CREATE LIST LIST LIST LIST RAW_CREATE);
    done(&g);
}

static void test_by_version(void **state)
{
    OPEN(g, RESET,
         A(200, "{\"next\":null,\"results\":[{\"id\":\"x\",\"model\":\"a/"
                "b\",\"version\":\"v2\",\"input\":{\"n\":1.5,"
                "\"text\":\"a\"}},{\"id\":\"p1\",\"model\":\"a/"
                "b\",\"version\":\"v1\",\"input\":{\"n\":1.5,\"text\":"
                "\"a\"}}]}"),
         A(200, RAW_DONE));
    words(&g);
    raw.path = "/predictions";
    raw.model = "";
    raw.version = "v1";
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, "POST /v1/predictions\n" LIST GET);
    done(&g);
}

#define LOST RAW("\"status\":\"failed\",\"output\":null,\"error\":\"please retry (code: PA)\"")

static void test_lost_by_the_platform(void **state)
{
    OPEN(g, A(201, LOST), A(201, RAW_DONE), A(201, LOST));
    words(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_string_equal(heard, "S"); /* nobody hears of the one that was lost */
    raw.once = true;
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM);
    assert_string_equal(heard, "SF");
    check_log(&g, RAW_CREATE RAW_CREATE RAW_CREATE);
    done(&g);
}

static bool once_heard(struct provider_rig *r)
{
    return strcmp(heard, "p") == 0;
}

static void test_cancel(void **state)
{
    OPEN(g, A(201, RAW("\"status\":\"processing\",\"output\":null")), A(200, RAW("\"status\":\"canceled\"")));
    words(&g);
    g.r.cancel_when = once_heard;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    assert_string_equal(heard, "pC");
    check_log(&g, RAW_CREATE CANCEL);
    done(&g);
}

static bool let_go(struct provider_rig *r)
{
    if (strcmp(heard, "s") != 0)
        return false;
    return replicate_raw_let_go(&r->p);
}

static void test_let_go(void **state) /* it goes on upstream */
{
    OPEN(g, A(201, RAW_STARTING));
    words(&g);
    g.r.cancel_when = let_go;
    assert_int_equal(provider_rig_run(&g.r), -ERR_CLIENT_GONE);
    check_log(&g, RAW_CREATE);
    done(&g);
}

static void test_a_breaker_of_its_own(void **state)
{
    OPEN(g, A(201, LOST), A(201, LOST), A(201, LOST), A(201, LOST), A(201, LOST), A(201, RAW_DONE));
    words(&g);
    raw.once = true;
    for (int64_t i = 0; i < g.r.opt.breaker_failures; i++)
        assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM);
    assert_int_equal(provider_rig_run(&g.r), -ERR_PROVIDER_UNAVAILABLE);
    assert_true(g.r.p.err.retry_after_s > 0);
    raw.model = "o/other";
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_int_equal(atomic_load(&g.api.asked), 6);
    done(&g);
}

static void test_known_models(void **state)
{
    assert_ptr_equal(replicate_raw_feature("nightmareai/real-esrgan", ""), &features[FEATURE_CLARITY]);
    assert_non_null(replicate_raw_feature("", features[FEATURE_BEAUTIFY].version));
    assert_null(replicate_raw_feature("", ""));
    assert_null(replicate_raw_feature("o/n", "v"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent_as_it_came),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_broken_connection),
        cmocka_unit_test(test_another_is_not_ours),
        cmocka_unit_test(test_by_version),
        cmocka_unit_test(test_lost_by_the_platform),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_let_go),
        cmocka_unit_test(test_a_breaker_of_its_own),
        cmocka_unit_test(test_known_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
