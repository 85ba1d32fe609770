#include "predict/replicate_answer.h"

#include <string.h>

#include "base/mem.h"
#include "scratch.h"

#define BASE "http://127.0.0.1:9/v1"
#define HEAD "{\"id\":\"a0b1c2d3e4f5g6h7j8k9m0n1p2\",\"model\":\"o/n\",\"input\":{\"image\":\"https://x/y\"},"
#define URLS                                                                                                 \
    "\"urls\":{\"cancel\":\"" BASE "/predictions/a0/cancel\",\"get\":\"" BASE                                \
    "/predictions/a0\",\"web\":\"https://replicate.com/p/a0\"},"
#define STAMP "\"created_at\":\"2026-01-02T03:04:05.678Z\""
/* The fixtures: created, ready but not finalised, done, failed, aborted, expired. */
#define CREATED HEAD URLS "\"logs\":\"\",\"output\":null,\"error\":null,\"status\":\"starting\"," STAMP "}"
#define READY   HEAD URLS "\"output\":\"https://h/xezq/a/out.png\",\"status\":\"processing\"," STAMP "}"
#define DONE                                                                                                 \
    HEAD URLS "\"version\":\"hidden\",\"status\":\"succeeded\",\"output\":[\"https://h/o.png\"],"            \
              "\"completed_at\":\"2026-01-02T03:04:05.123456789Z\","                                         \
              "\"metrics\":{\"predict_time\":1.23,\"total_time\":4.56}," STAMP "}"
#define FAILED(error) HEAD "\"status\":\"failed\",\"output\":null,\"error\":" error "}"
#define ABORTED       HEAD "\"status\":\"aborted\",\"output\":null,\"completed_at\":\"2026-01-02T03:04:05Z\"}"
#define EXPIRED                                                                                              \
    "{\"id\":\"a0\",\"output\":null,\"input\":{},\"logs\":null,\"data_removed\":true,\"status\":"            \
    "\"succeeded\"}"
#define WITH(status, output) "{\"id\":\"a0\",\"status\":\"" status "\",\"output\":" output "}"

static int try_call(enum replicate_call call, const char *body, size_t size, struct replicate_answer *a,
                    struct error *e)
{
    FREE_ON_EXIT char *copy = mem_alloc(size ? size : 1);
    memcpy(copy, body, size);
    struct replicate_reply reply = {
        .call = call, .status = 201, .body = copy, .size = size, .token = "r8_secret"};
    return replicate_answer_read(&reply, BASE, a, e);
}

static struct replicate_answer read_answer(const char *body)
{
    struct replicate_answer a;
    struct error e = {0};
    assert_int_equal(try_call(REPLICATE_CALL_GET, body, strlen(body), &a, &e), 0);
    return a;
}

static struct replicate_verdict verdict(const char *body, struct replicate_asked asked)
{
    struct replicate_answer a = read_answer(body);
    struct replicate_verdict v;
    replicate_answer_next(&a, &asked, &v);
    replicate_answer_release(&a);
    assert_int_equal(v.next == REPLICATE_FAIL || v.next == REPLICATE_RETRY_NEW, v.err.code != ERR_NONE);
    assert_int_equal(v.err.code != ERR_NONE, v.why != REPLICATE_WHY_NONE);
    return v;
}

static void check_next(const char *body, bool prefer, enum replicate_next next, enum replicate_why why)
{
    struct replicate_verdict v = verdict(body, (struct replicate_asked){.prefer = prefer});
    if (v.next != next || v.why != why)
        fail_msg("%s: %d %s", body, (int)v.next, replicate_why_name(v.why));
}

static void test_fields(void **state)
{
    struct replicate_answer a = read_answer(DONE);
    assert_string_equal(a.id, "a0b1c2d3e4f5g6h7j8k9m0n1p2");
    assert_string_equal(a.get_url, BASE "/predictions/a0");
    assert_string_equal(a.cancel_url, BASE "/predictions/a0/cancel");
    assert_int_equal(a.status, REPLICATE_SUCCEEDED);
    assert_true(a.completed);
    assert_true(a.predict_time_s > 1.22 && a.predict_time_s < 1.24);
    assert_int_equal(a.percent, -1);
    assert_non_null(a.output);
    replicate_answer_release(&a);
    replicate_answer_release(&a);
}

static void test_sync(void **state) /* case 1 */
{
    check_next(READY, true, REPLICATE_DONE, REPLICATE_WHY_NONE);
    check_next(READY, false, REPLICATE_POLL, REPLICATE_WHY_NONE);
    check_next(CREATED, true, REPLICATE_POLL, REPLICATE_WHY_NONE);
    check_next(WITH("processing", "null"), true, REPLICATE_POLL, REPLICATE_WHY_NONE);
    check_next(WITH("processing", "[]"), true, REPLICATE_POLL, REPLICATE_WHY_NONE);
    struct replicate_verdict v = verdict(READY, (struct replicate_asked){.prefer = true, .iterator = true});
    assert_int_equal(v.next, REPLICATE_POLL);
}

static void test_ends(void **state) /* cases 3 and 20 */
{
    check_next(DONE, false, REPLICATE_DONE, REPLICATE_WHY_NONE);
    check_next(WITH("successful", "\"x\""), false, REPLICATE_DONE, REPLICATE_WHY_NONE);
    check_next("{\"id\":\"a\",\"status\":\"new\",\"completed_at\":\"t\",\"output\":\"x\"}", false,
               REPLICATE_DONE, REPLICATE_WHY_NONE);
    check_next("{\"id\":\"a\",\"status\":\"new\",\"completed_at\":\"t\"}", false, REPLICATE_FAIL,
               REPLICATE_WHY_EMPTY_OUTPUT);
    check_next("{\"id\":\"a\",\"status\":\"new\",\"completed_at\":null,\"output\":\"x\"}", false,
               REPLICATE_POLL, REPLICATE_WHY_NONE);
    check_next("{\"id\":\"a\"}", false, REPLICATE_POLL, REPLICATE_WHY_NONE);
    struct replicate_verdict v = verdict(ABORTED, (struct replicate_asked){.cancel_after = true});
    assert_int_equal(v.why, REPLICATE_WHY_ABORTED);
    assert_int_equal(v.err.code, ERR_DEADLINE);
    assert_false(v.billed);
    v = verdict(WITH("canceled", "null"), (struct replicate_asked){.cancel_after = true});
    assert_int_equal(v.why, REPLICATE_WHY_CANCELED);
    assert_int_equal(v.err.code, ERR_DEADLINE);
    assert_true(v.billed);
    v = verdict(WITH("canceled", "[\"https://h/half.png\"]"), (struct replicate_asked){0});
    assert_int_equal(v.next, REPLICATE_FAIL);
    assert_int_equal(v.err.code, ERR_UPSTREAM);
}

static void test_empty(void **state) /* cases 4, 14 and 23 */
{
    static const char *const empty[] = {"null", "[]", "[null]", "\"\"", "{}", "[[],[null]]"};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        FREE_ON_EXIT char *body = mem_printf(WITH("succeeded", "%s"), empty[i]);
        check_next(body, true, REPLICATE_FAIL, REPLICATE_WHY_EMPTY_OUTPUT);
    }
    check_next("{\"id\":\"pred_1\",\"status\":\"succeeded\"}", false, REPLICATE_FAIL,
               REPLICATE_WHY_EMPTY_OUTPUT);
    check_next(EXPIRED, false, REPLICATE_FAIL, REPLICATE_WHY_DATA_REMOVED);
    assert_string_equal(replicate_why_name(REPLICATE_WHY_EMPTY_OUTPUT), "empty_output");
    assert_string_equal(replicate_why_name(REPLICATE_WHY_DATA_REMOVED), "data_removed");
    /* Cog tells of a failure within a 200, without id. */
    check_next("{\"status\":\"failed\",\"error\":\"boom\",\"logs\":\"\"}", false, REPLICATE_FAIL,
               REPLICATE_WHY_MODEL);
}

static void test_failed(void **state) /* case 5 */
{
    static const char *const again[] = {"E6716", "E8367", "E8765", "E9243", "E9825", "E9828"};
    for (size_t i = 0; i < ARRAY_LEN(again); i++) {
        FREE_ON_EXIT char *body = mem_printf(FAILED("\"Director: unexpected (%s)\""), again[i]);
        struct replicate_verdict v = verdict(body, (struct replicate_asked){.tries_left = 1});
        assert_int_equal(v.next, REPLICATE_RETRY_NEW);
        v = verdict(body, (struct replicate_asked){0}); /* no budget */
        assert_int_equal(v.next, REPLICATE_FAIL);
        assert_int_equal(v.why, REPLICATE_WHY_PLATFORM);
    }
    struct replicate_asked one = {.tries_left = 1};
    assert_int_equal(verdict(FAILED("\"Prediction interrupted; please retry (code: PA)\""), one).next,
                     REPLICATE_RETRY_NEW);
    assert_int_equal(verdict(FAILED("\"out of memory (E1001)\""), one).next, REPLICATE_FAIL);
    assert_int_equal(verdict(FAILED("\"E4875\""), one).next, REPLICATE_FAIL);
    struct replicate_verdict v = verdict(FAILED("\"NSFW content detected. Try again\""), one);
    assert_int_equal(v.err.code, ERR_CONTENT_FILTERED);
    assert_int_equal(v.why, REPLICATE_WHY_FILTERED);
    v = verdict(FAILED("null"), one);
    assert_string_equal(v.err.reason, "The model run failed without saying why");
    v = verdict(FAILED("{\"detail\":\"bad r8_secret Bearer r8_other\"}"), one);
    assert_string_equal(v.err.reason, "The model run failed: bad ********* Bearer ********");
    v = verdict(FAILED("{\"a\":[1]}"), one);
    assert_non_null(strstr(v.err.reason, "{\"a\":[1.0]}"));
    FREE_ON_EXIT char *long_text = mem_alloc(65537);
    memset(long_text, 'x', 65536);
    long_text[65536] = '\0';
    FREE_ON_EXIT char *body = mem_printf(FAILED("\"%s\""), long_text);
    assert_int_equal(verdict(body, one).why, REPLICATE_WHY_MODEL);
}

/* A paid result is not lost to a number in its metrics that no double can hold. */
static void test_large_numbers(void **state)
{
    static const char *const numbers[] = {
        "1e999", "-1E+999", "1e-999", "1e301",  "0.1e00000000000000000999", "1e99999999999999999999",
        "1e300", "-0",      "1e0",    "12.5e-3"};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        FREE_ON_EXIT char *text =
            mem_printf("{\"id\":\"a\",\"status\":\"starting\",\"n\":[%s,\"1e999\"]}", numbers[i]);
        struct replicate_answer a = {0};
        struct error e = {0};
        assert_int_equal(try_call(REPLICATE_CALL_GET, text, strlen(text), &a, &e), 0);
        const json_t *n = json_object_get(a.document, "n");
        assert_string_equal(json_string_value(json_array_get(n, 1)), "1e999"); /* texts stay */
        replicate_answer_release(&a);
    }
}

static void test_unreadable(void **state) /* cases 10 and 13: a create may have happened */
{
    static const char *const bad[] = {"",
                                      "<html>",
                                      &CREATED[1],
                                      "[]",
                                      "{\"status\":\"starting\"}",
                                      "{\"id\":\"../x\",\"status\":\"starting\"}",
                                      "{\"id\":\"a\",\"n\":1e}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct replicate_answer a = {.percent = 77};
        struct error e = {0};
        assert_int_equal(try_call(REPLICATE_CALL_CREATE, bad[i], strlen(bad[i]), &a, &e),
                         -ERR_UNKNOWN_OUTCOME);
        assert_int_equal(try_call(REPLICATE_CALL_GET, bad[i], strlen(bad[i]), &a, &e), -ERR_UPSTREAM);
        assert_int_equal(a.percent, 77);
    }
    struct replicate_answer a;
    struct error e;
    for (size_t n = 0; n < strlen(DONE); n++) /* truncated anywhere */
        assert_int_equal(try_call(REPLICATE_CALL_GET, DONE, n, &a, &e), -ERR_UPSTREAM);
}

static void test_foreign_urls(void **state)
{
    static const char *const urls[] = {"https://evil.example/v1/predictions/a",
                                       "http://127.0.0.1:99/v1/x",
                                       BASE ".evil.example/x",
                                       BASE "/a b",
                                       BASE "/\\u0000",
                                       ""};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        FREE_ON_EXIT char *body =
            mem_printf("{\"id\":\"a\",\"urls\":{\"get\":\"%s\",\"cancel\":7}}", urls[i]);
        struct replicate_answer a = read_answer(body);
        assert_string_equal(a.get_url, "");
        assert_string_equal(a.cancel_url, "");
        replicate_answer_release(&a);
    }
}

static void test_oddities(void **state) /* case 18 */
{
    struct replicate_answer a =
        read_answer("{\"id\":\"b\",\"id\":\"a\",\"status\":\"failed\",\"status\":\"succeeded\",\"new\":{"
                    "\"x\":[-0,1e300]},"
                    "\"logs\":\"a\\u0000b \\ud800 \\udc00\\ud83d\\ude00 \\ud800\\u0041\",\"k\\u0000\":1,"
                    "\"output\":\"https://h/a\\ud83d\",\"metrics\":{\"predict_time\":1e300}}");
    assert_string_equal(a.id, "a"); /* the last one counts */
    assert_int_equal(a.status, REPLICATE_SUCCEEDED);
    assert_true(a.predict_time_s < 0);
    replicate_answer_release(&a);
    a = read_answer("{\"id\":\"a\",\"error\":\"\xff\xc3 x\x01y\"}");
    assert_string_equal(a.error, "?? x y");
    replicate_answer_release(&a);
    a = read_answer("{\"id\":\"a\",\"metrics\":{\"predict_time\":-0}}");
    assert_true(a.predict_time_s <= 0 && a.predict_time_s > -1);
    replicate_answer_release(&a);
    FREE_ON_EXIT char *deep = mem_alloc(100001);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    struct error e;
    assert_int_equal(try_call(REPLICATE_CALL_GET, deep, 100000, &a, &e), -ERR_UPSTREAM);
}

static void test_long_logs(void **state)
{
    size_t len = 20 << 20;
    FREE_ON_EXIT char *body = mem_alloc(len + 200);
    int head = sprintf(body, "{\"id\":\"a\",\"logs\":\"");
    memset(body + head, 'l', len);
    strcpy(body + (size_t)head + len, "\\n  7%|#  | 1/14 [a]\\r 45%|####5  | 9/20 [00:03<\\r\\ntail\"}");
    struct replicate_answer a = read_answer(body);
    assert_int_equal(a.percent, 45);
    assert_int_equal(a.step, 9);
    assert_int_equal(a.steps, 20);
    replicate_answer_release(&a);
    static const char *const none[] = {"45%", "45%||9/20", "45%|#|x/20", "a 45%|#| 1/2", "45%|#| 1/"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        FREE_ON_EXIT char *text = mem_printf("{\"id\":\"a\",\"logs\":\"%s\"}", none[i]);
        a = read_answer(text);
        assert_int_equal(a.percent, -1);
        replicate_answer_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_sync),
        cmocka_unit_test(test_ends),       cmocka_unit_test(test_empty),
        cmocka_unit_test(test_failed),     cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_foreign_urls),
        cmocka_unit_test(test_oddities),   cmocka_unit_test(test_long_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
