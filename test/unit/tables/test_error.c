#include "tables/error.h"

#include <string.h>

#include "scratch.h"

/* The codes and statuses of the contract, and what a client may do about each. */
static void test_rows(void **state)
{
    static const struct {
        enum err id;
        const char *code;
        int status;
        bool retryable;
    } contract[] = {
        {ERR_VALIDATION, "VALIDATION_ERROR", 400, false},
        {ERR_UNAUTHORIZED, "UNAUTHORIZED", 401, false},
        {ERR_NOT_FOUND, "NOT_FOUND", 404, false},
        {ERR_METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", 405, false},
        {ERR_NOT_ACCEPTABLE, "NOT_ACCEPTABLE", 406, false},
        {ERR_REQUEST_TIMEOUT, "REQUEST_TIMEOUT", 408, true},
        {ERR_GONE, "GONE", 410, false},
        {ERR_PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", 413, false},
        {ERR_UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", 415, false},
        {ERR_RANGE_NOT_SATISFIABLE, "RANGE_NOT_SATISFIABLE", 416, false},
        {ERR_RATE_LIMIT, "RATE_LIMIT_EXCEEDED", 429, true},
        {ERR_QUEUE_FULL, "QUEUE_FULL", 429, true},
        {ERR_HEADERS_TOO_LARGE, "HEADERS_TOO_LARGE", 431, false},
        {ERR_INTERNAL, "INTERNAL_ERROR", 500, true},
        {ERR_UPSTREAM, "REPLICATE_ERROR", 502, true},
        {ERR_CONTENT_FILTERED, "CONTENT_FILTERED", 422, false},
        {ERR_UNKNOWN_OUTCOME, "UNKNOWN_OUTCOME", 502, false},
        {ERR_PROVIDER_UNAVAILABLE, "PROVIDER_UNAVAILABLE", 503, true},
        {ERR_DRAINING, "DRAINING", 503, true},
        {ERR_DEADLINE, "DEADLINE_EXCEEDED", 504, true},
        {ERR_STORAGE_FULL, "STORAGE_FULL", 507, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(contract); i++) {
        const struct err_row *row = err_row(contract[i].id);
        assert_string_equal(row->code, contract[i].code);
        assert_int_equal(row->status, contract[i].status);
        assert_int_equal(row->retryable, contract[i].retryable);
    }
    assert_string_equal(err_row(ERR_VALIDATION)->message, "Invalid input");
    assert_int_equal(err_row(ERR_NONE)->status, 200);
}

static void test_every_row_is_whole(void **state)
{
    for (unsigned i = 1; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err)i);
        assert_true(strlen(row->code) > 3);
        assert_true(strlen(row->message) > 10);
        assert_in_range(row->status, 400, 599);
        assert_int_equal(strspn(row->code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), strlen(row->code));
        assert_true((row->cause == CAUSE_CLIENT) == (row->status < 500) || row->cause != CAUSE_INTERNAL);
        for (unsigned k = 1; k < i; k++)
            assert_string_not_equal(row->code, err_row((enum err)k)->code);
    }
}

static void test_set(void **state)
{
    struct error e = {.retry_after_s = 9, .field = "old"};
    assert_int_equal(error_set(&e, ERR_NOT_FOUND, "no %s here", "cat"), -ERR_NOT_FOUND);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.reason, "no cat here");
    assert_string_equal(e.field, "");
    assert_int_equal(e.retry_after_s, 0);
    assert_int_equal(error_set_field(&e, ERR_VALIDATION, "scale", "is %d", 7), -ERR_VALIDATION);
    assert_string_equal(e.field, "scale");
    assert_string_equal(e.reason, "is 7");
}

static void test_long_text_is_cut(void **state)
{
    struct error e;
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set_field(&e, ERR_VALIDATION, text, "%s", text);
    assert_int_equal(strlen(e.field), sizeof(e.field) - 1);
    assert_int_equal(strlen(e.reason), sizeof(e.reason) - 1);
}

/* What a client sent is quoted in its error, and the answer is JSON: so it must be UTF-8, also where it is
 * cut. */
static void test_text_is_valid(void **state)
{
    struct error e;
    error_set_field(&e, ERR_VALIDATION, "na\xffme\n", "\"%s\" is no number", "\x80\x1b[31m");
    assert_string_equal(e.field, "na?me?");
    assert_string_equal(e.reason, "\"??[31m\" is no number");
    char vi[301] = "";
    for (unsigned i = 0; i < 100; i++)
        strcat(vi, "\xe1\xba\xbf");
    error_set(&e, ERR_VALIDATION, ".%s", vi);
    assert_int_equal(strlen(e.reason), 1 + 84 * 3); /* 255 would cut the last character */
    error_set(&e, ERR_VALIDATION, "\"%.32s\" is wrong", vi);
    assert_string_equal(e.reason + 1 + 30, "??\" is wrong"); /* cut by the format: marked */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_set),           cmocka_unit_test(test_long_text_is_cut),
        cmocka_unit_test(test_text_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
