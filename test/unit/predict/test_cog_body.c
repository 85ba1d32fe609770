#include "predict/cog_body.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "predict/replicate_input.h"
#include "predict/replicate_json.h"
#include "scratch.h"

/* ---- asking ---- */

static json_t *body_of(enum feature_id id, const char *const *set, const void *picture, size_t size)
{
    assert_true(replicate_feature_known(&features[id]));
    struct params params;
    struct arena arena;
    struct error e;
    struct blob *body = NULL;
    BLOB_ON_EXIT struct blob *input = picture ? blob_copy(picture, size) : NULL;
    arena_init(&arena);
    params_init(&params, &features[id]);
    for (; *set; set += 2)
        assert_int_equal(params_set(&params, &arena, set[0], set[1], &e), 0);
    const struct prediction p = {.feature = &features[id],
                                 .params = &params,
                                 .input = input,
                                 .info = {.type = IMAGE_JPEG},
                                 .wanted = IMAGE_JPEG};
    assert_int_equal(cog_body_make(&p, "1f-2e", &body, &e), 0);
    json_t *json = json_loadb((const char *)body->data, body->size, 0, NULL);
    assert_non_null(json);
    blob_unref(body);
    arena_release(&arena);
    return json;
}

static void test_body(void **state)
{
    static const char *const set[] = {"scale", "4", "faceEnhance", "true", NULL};
    JSON_ON_EXIT json_t *json = body_of(FEATURE_CLARITY, set, "\xff\xd8\xff\xe0 any", 8);
    JSON_ON_EXIT json_t *expected =
        json_pack("{s:s,s:{s:s,s:i,s:b}}", "id", "1f-2e", "input", "image",
                  "data:image/jpeg;base64,/9j/4CBhbnk=", "scale", 4, "face_enhance", 1);
    assert_true(json_equal(json, expected)); /* nothing else, neither a version nor a null */
}

/* Some servers refuse a null for what may be left out. */
static void test_every_feature(void **state)
{
    static const char *const none[] = {NULL},
                             *const style[] = {"style", "ghibli", "extra", "at \"night\"", NULL},
                             *const light[] = {"prompt", "\xc3\xa9t\xc3\xa9", NULL};
    for (unsigned id = 0; id < FEATURE_COUNT; id++) {
        if (!*feature_model_name(&features[id]))
            continue; /* it runs another one's model, or none */
        bool takes_pictures = feature_pictures(&features[id]) > 0, picture = false;
        const char *const *set = id == FEATURE_STYLE                        ? style
                                 : id == FEATURE_RELIGHT || !takes_pictures ? light
                                                                            : none;
        JSON_ON_EXIT json_t *json = body_of(id, set, takes_pictures ? "in" : NULL, 2);
        assert_int_equal(json_object_size(json), 2);
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(json, "input"), key, value)
        {
            assert_false(json_is_null(value));
            picture |=
                json_is_string(value) && strcmp(json_string_value(value), "data:image/jpeg;base64,aW4=") == 0;
        }
        assert_int_equal(picture, takes_pictures);
    }
}

static void test_result_as_asked_for(void **state)
{
    static const char *const set[] = {"style", "anime", NULL};
    JSON_ON_EXIT json_t *json = body_of(FEATURE_STYLE, set, "in", 2);
    assert_string_equal(replicate_json_text(json_object_get(json, "input"), "output_format"), "jpg");
}

static void test_large_picture(void **state)
{
    enum { SIZE = 3000001 };
    static const char *const set[] = {NULL};
    FREE_ON_EXIT char *picture = calloc(1, SIZE);
    assert_non_null(picture);
    JSON_ON_EXIT json_t *json = body_of(FEATURE_ENHANCE, set, picture, SIZE);
    const json_t *input = json_object_get(json, "input");
    assert_int_equal(json_string_length(json_object_get(input, "image")), 23 + 4 * ((SIZE + 2) / 3));
}

/* ---- reading ---- */

static const struct output_limits limits = {
    .items_max = RESULT_OUTPUTS_MAX, .bytes_max = 1000, .total_max = 1000};

static struct cog_answer read_answer(int status, const char *body)
{
    struct cog_answer a;
    const struct replicate_reply reply = {
        .call = REPLICATE_CALL_OTHER, .status = status, .body = body, .size = strlen(body)};
    cog_answer_read(&reply, &limits, &a);
    return a;
}

static void check(int status, const char *body, enum cog_next next, enum err err, const char *says)
{
    struct cog_answer a = read_answer(status, body);
    assert_int_equal(a.next, next);
    assert_int_equal(a.err.code, err);
    if (!strstr(a.err.reason, says))
        fail_msg("\"%s\" does not say \"%s\"", a.err.reason, says);
    assert_int_equal(a.output_count, 0);
}

static void test_outputs(void **state)
{
    struct cog_answer a =
        read_answer(200, "{\"status\":\"succeeded\",\"output\":[null,\"data:None;base64,aGk=\","
                         "\"http://gpu/out.png\",\"done\"],\"metrics\":{\"predict_time\":1}}");
    assert_int_equal(a.next, COG_DONE);
    assert_int_equal(a.output_count, 2);
    assert_int_equal(a.output[0].blob->size, 2);
    assert_memory_equal(a.output[0].blob->data, "hi", 2);
    assert_null(a.output[0].url);
    assert_string_equal(a.output[1].url, "http://gpu/out.png");
    assert_null(a.output[1].blob);
    blob_unref(a.output[0].blob);
    free(a.output[1].url);
}

static void test_no_output(void **state)
{
    check(200, "{\"id\":\"a\",\"status\":\"succeeded\",\"logs\":\"\",\"metrics\":{}}", COG_FAIL, ERR_UPSTREAM,
          "no output"); /* its upload has failed */
    check(200, "{\"status\":\"succeeded\",\"output\":[]}", COG_FAIL, ERR_UPSTREAM, "no output");
    check(200, "{\"status\":\"succeeded\",\"output\":\"a text\"}", COG_FAIL, ERR_UPSTREAM, "no picture");
    check(200, "{\"status\":\"succeeded\",\"output\":\"data:image/png;base64,!\"}", COG_FAIL, ERR_UPSTREAM,
          "cannot be decoded");
    char large[2000];
    memset(large, 'A', sizeof(large));
    memcpy(large, "{\"status\":\"succeeded\",\"output\":\"data:a/b;base64,", 47);
    memcpy(large + sizeof(large) - 3, "\"}", 3);
    check(200, large, COG_FAIL, ERR_UPSTREAM, "too large");
}

static void test_failures_in_200(void **state)
{
    check(200, "{\"id\":\"a\",\"status\":\"failed\",\"error\":\"the picture is too dark\"}", COG_FAIL,
          ERR_UPSTREAM, "too dark");
    check(200, "{\"status\":\"failed\",\"error\":null}", COG_FAIL, ERR_UPSTREAM, "without saying why");
    check(200, "{\"status\":\"failed\",\"error\":\"NSFW content\"}", COG_FAIL, ERR_CONTENT_FILTERED, "");
    check(200, "{\"status\":\"canceled\"}", COG_RETRY, ERR_UPSTREAM, "canceled");
    check(202, "{\"id\":\"a\",\"status\":\"starting\"}", COG_RETRY, ERR_UPSTREAM, "before the run was over");
    check(200, "", COG_FAIL, ERR_UPSTREAM, "cannot be read");
    check(200, "{\"status\":\"succeeded\",\"output\":\"data:", COG_FAIL, ERR_UPSTREAM, "cannot be read");
}

static void test_no_room(void **state)
{
    check(409, "{\"error\":\"At capacity - all prediction slots busy\",\"status\":\"failed\"}", COG_FULL,
          ERR_UPSTREAM, "");
    check(409, "{\"detail\":\"Already running a prediction\"}", COG_FULL, ERR_UPSTREAM, "");
    check(409, "already running a prediction", COG_FULL, ERR_UPSTREAM, "");
    check(503, "{\"error\":\"Setup has not finished yet.\",\"status\":\"failed\"}", COG_NOT_UP, ERR_UPSTREAM,
          "");
    check(503, "<html>", COG_NOT_UP, ERR_UPSTREAM, "");
    struct cog_answer a = read_answer(429, "{\"detail\":\"Expected available in 7 seconds\"}");
    assert_int_equal(a.next, COG_FULL);
    assert_int_equal(a.wait_s, 7);
}

static void test_refusals(void **state)
{
    check(422,
          "{\"detail\":[{\"loc\":[\"body\",\"input\",\"scale\"],\"msg\":\"must be at most "
          "10\",\"type\":\"x\"}]}",
          COG_FAIL, ERR_VALIDATION, "must be at most 10");
    check(422, "{\"status\":\"failed\",\"error\":\"no face\"}", COG_FAIL, ERR_VALIDATION, "no face");
    check(500, "{\"detail\":\"1 validation error for Output\"}", COG_FAIL, ERR_UPSTREAM, "status 500");
    check(413, "<html>", COG_FAIL, ERR_PAYLOAD_TOO_LARGE, "");
    check(502, "<html>", COG_RETRY, ERR_UPSTREAM, "status 502");
    check(404, "", COG_FAIL, ERR_UPSTREAM, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_every_feature),
        cmocka_unit_test(test_result_as_asked_for),
        cmocka_unit_test(test_large_picture),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_no_output),
        cmocka_unit_test(test_failures_in_200),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
