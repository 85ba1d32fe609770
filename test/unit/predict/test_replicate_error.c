#include "predict/replicate_error.h"

#include <string.h>

#include "base/mem.h"
#include "scratch.h"

enum { NOW_S = 1767323045 }; /* Fri, 02 Jan 2026 03:04:05 GMT */

static struct replicate_problem read_as(enum replicate_call call, int status, const char *body,
                                        const char *after)
{
    size_t size = strlen(body);
    FREE_ON_EXIT char *copy = mem_alloc(size ? size : 1);
    memcpy(copy, body, size);
    struct replicate_reply reply = {.call = call,
                                    .status = status,
                                    .body = copy,
                                    .size = size,
                                    .retry_after = after,
                                    .token = "tok-1234567",
                                    .now_s = NOW_S};
    struct replicate_problem p;
    replicate_error_read(&reply, &p);
    assert_true(p.err.code != ERR_NONE);
    assert_null(strstr(p.err.reason, "tok-"));
    assert_null(strstr(p.excerpt, "tok-"));
    return p;
}

static struct replicate_problem read_create(int status, const char *body)
{
    return read_as(REPLICATE_CALL_CREATE, status, body, "");
}

static void test_throttled(void **state) /* case 6 */
{
#define SECOND "{\"detail\":\"Request was throttled. Expected available in 1 second.\"}"
#define RESETS "{\"detail\":\"Request was throttled. Your rate limit resets in ~30s.\"}"
#define CREDIT                                                                                               \
    "{\"detail\":\"Request was throttled. Your rate limit is 6 requests per minute with a burst of 1 "       \
    "requests while you have less than $5.0 in credit. Your rate limit resets in ~5s.\",\"status\":429,"     \
    "\"retry_after\":5}"
    static const struct {
        const char *body, *after;
        unsigned wait_s;
        bool low;
    } rows[] = {
        {SECOND, "", 1, false},
        {RESETS, "", 30, false},
        {RESETS, NULL, 30, false},
        {CREDIT, "", 5, true},
        {CREDIT, "9", 9, true},
        {SECOND, "Fri, 02 Jan 2026 03:04:25 GMT", 20, false},
        {SECOND, "Fri, 02 Jan 2026 03:04:05 GMT", 1, false},
        {RESETS, "nonsense", 30, false},
        {RESETS, "86400", REPLICATE_WAIT_MAX_S, false},
        {"{\"detail\":\"resets in ~86400s\"}", "", REPLICATE_WAIT_MAX_S, false},
        {"{\"detail\":\"in 99999999999999999999 seconds\"}", "", REPLICATE_WAIT_MAX_S, false},
        {"{\"retry_after\":1e300}", "", REPLICATE_WAIT_MAX_S, false},
        {"{\"retry_after\":-4}", "", 0, false},
        {"{\"retry_after\":\"soon\"}", "", 0, false},
        {"{\"detail\":\"limit is in 5 groups of ~6\"}", "", 0, false},
        {"", "", 0, false},
        {"<html>", "3", 3, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct replicate_problem p = read_as(REPLICATE_CALL_CREATE, 429, rows[i].body, rows[i].after);
        assert_int_equal(p.advice, REPLICATE_WAIT);
        assert_int_equal(p.err.code, ERR_PROVIDER_UNAVAILABLE);
        assert_int_equal(p.err.retry_after_s, rows[i].wait_s);
        assert_int_equal(p.low_credit, rows[i].low);
    }
}

static void test_masked(void **state) /* case 7 */
{
    struct replicate_problem p = read_create(
        402,
        "{\"title\":\"Insufficient credit\",\"detail\":\"You have insufficient credit to run this model. "
        "Go to https://replicate.com/account/billing#billing\",\"status\":402}\n");
    assert_int_equal(p.advice, REPLICATE_BREAK);
    assert_int_equal(p.err.code, ERR_PROVIDER_UNAVAILABLE);
    assert_string_equal(p.err.reason, "");
    assert_non_null(strstr(p.excerpt, "Insufficient credit"));
    p = read_create(401, "{\"title\":\"Unauthenticated\",\"detail\":\"no: tok-1234567\",\"status\":401}");
    assert_int_equal(p.advice, REPLICATE_BREAK);
    assert_string_equal(p.err.reason, "");
    assert_non_null(strstr(p.excerpt, "no: ***********"));
    assert_int_equal(read_create(403, "").advice, REPLICATE_BREAK);
}

static void check_invalid(const char *body, const char *field, const char *reason,
                          enum replicate_refusal refusal)
{
    struct replicate_problem p = read_create(422, body);
    assert_int_equal(p.advice, REPLICATE_STOP);
    assert_int_equal(p.err.code, ERR_VALIDATION);
    assert_string_equal(p.err.field, field);
    assert_string_equal(p.err.reason, reason);
    assert_int_equal(p.refusal, refusal);
}

static void test_invalid_input(void **state) /* case 8 */
{
    check_invalid("{\"title\":\"Input validation failed\",\"status\":422,\"detail\":\"- input: prompt is "
                  "required\\n\",\"invalid_fields\":[{\"type\":\"required\",\"field\":\"input\","
                  "\"description\":\"prompt is required\"}]}",
                  "prompt", "prompt is required", REPLICATE_REFUSAL_SHAPE);
    check_invalid("{\"detail\":\"x\",\"invalid_fields\":[{\"type\":\"number_lte\",\"field\":"
                  "\"input.num_inference_steps\",\"description\":\"Must be less than or equal to 4\"}]}",
                  "num_inference_steps", "Must be less than or equal to 4", REPLICATE_REFUSAL_VALUE);
    check_invalid("{\"invalid_fields\":[{\"field\":\"\",\"description\":\"Additional property x\"}]}", "",
                  "Additional property x", REPLICATE_REFUSAL_SHAPE);
    check_invalid("{\"detail\":\"- input: prompt is required\\n\"}", "", "input: prompt is required",
                  REPLICATE_REFUSAL_SHAPE);
    check_invalid("{\"detail\":[{\"loc\":[\"body\",\"input\",\"scale\"],\"msg\":\"field required\","
                  "\"type\":\"value_error.missing\"}]}",
                  "scale", "field required", REPLICATE_REFUSAL_SHAPE);
    check_invalid("{\"detail\":[{\"loc\":[],\"msg\":5}]}", "", "", REPLICATE_REFUSAL_SHAPE);
    check_invalid("{\"detail\":[]}", "", "", REPLICATE_REFUSAL_SHAPE);
    check_invalid("{\"id\":\"a\",\"status\":\"failed\",\"error\":\"no face tok-1234567\"}", "",
                  "no face ***********", REPLICATE_REFUSAL_RUN);
    check_invalid("", "", "", REPLICATE_REFUSAL_SHAPE);
    check_invalid("[1]", "", "", REPLICATE_REFUSAL_SHAPE);
}

static void test_no_such_model(void **state) /* case 9 */
{
    static const char gone[] = "{\"detail\":\"The requested resource could not be found.\",\"status\":404}";
    assert_int_equal(read_create(404, gone).advice, REPLICATE_RESOLVE);
    assert_int_equal(read_as(REPLICATE_CALL_GET, 404, gone, "").advice, REPLICATE_STOP);
    struct replicate_problem p = read_create(
        422,
        "{\"title\":\"Invalid version or not permitted\",\"detail\":\"The specified version does not exist "
        "(or perhaps you don't have permission to use it?)\",\"status\":422}");
    assert_int_equal(p.advice, REPLICATE_RESOLVE);
    assert_int_equal(p.err.code, ERR_PROVIDER_UNAVAILABLE);
}

static void test_too_large(void **state)
{
    struct replicate_problem p = read_create(413, "<html><h1>413 Request Entity Too Large</h1></html>");
    assert_int_equal(p.advice, REPLICATE_USE_URL);
    assert_int_equal(p.err.code, ERR_PAYLOAD_TOO_LARGE);
    p = read_create(413, "{\"detail\":\"Files must be less than 100MB in size\"}");
    assert_int_equal(p.advice, REPLICATE_USE_URL);
    p = read_create(400, "{\"detail\":\"Failed to parse request body as JSON: EOF\",\"status\":400}");
    assert_int_equal(p.advice, REPLICATE_USE_URL);
    assert_int_equal(read_create(400, "{\"detail\":\"x\"}").advice, REPLICATE_STOP);
    assert_int_equal(read_create(302, "").advice, REPLICATE_STOP);
}

static void test_server_failed(void **state) /* case 10 */
{
    static const char *const bodies[] = {"", "<html><title>502 Bad Gateway</title>",
                                         "{\"detail\":", "\x1f\x8b\xff", "null"};
    static const int statuses[] = {500, 502, 503, 504, 408, 599};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        for (size_t k = 0; k < ARRAY_LEN(statuses); k++) {
            struct replicate_problem p = read_create(statuses[k], bodies[i]);
            assert_int_equal(p.advice, REPLICATE_LOOK_UP);
            assert_int_equal(p.err.code, ERR_UNKNOWN_OUTCOME);
            p = read_as(REPLICATE_CALL_GET, statuses[k], bodies[i], "7");
            assert_int_equal(p.advice, REPLICATE_AGAIN);
            assert_int_equal(p.err.code, ERR_UPSTREAM);
            assert_int_equal(p.err.retry_after_s, 7);
        }
    }
}

static void test_excerpt(void **state)
{
    char small[16];
    replicate_excerpt("ab\0c r8_AbC9 d", 14, NULL, small, sizeof(small));
    assert_string_equal(small, "ab c ******* d");
    replicate_excerpt("Authorization: bearer abc.def-g_h x", 35, NULL, small, sizeof(small));
    assert_string_equal(small, "Authorization: ");
    FREE_ON_EXIT char *big = mem_alloc(1 << 20);
    memset(big, 'x', 1 << 20);
    memcpy(big + 190, "tok-1234567", 11); /* across the cut */
    struct replicate_reply reply = {.status = 500, .body = big, .size = 1 << 20, .token = "tok-1234567"};
    struct replicate_problem p;
    replicate_error_read(&reply, &p);
    assert_int_equal(strlen(p.excerpt), sizeof(p.excerpt) - 1);
    assert_string_equal(p.excerpt + 188, "xx*********");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_throttled),     cmocka_unit_test(test_masked),
        cmocka_unit_test(test_invalid_input), cmocka_unit_test(test_no_such_model),
        cmocka_unit_test(test_too_large),     cmocka_unit_test(test_server_failed),
        cmocka_unit_test(test_excerpt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
