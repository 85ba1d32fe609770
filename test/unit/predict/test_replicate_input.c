#include "predict/replicate_input.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "predict/replicate_json.h"
#include "scratch.h"

static const struct replicate_image there = {.url = "https://h/a"};
static const struct replicate_beside nothing = {0};

static void check_body(enum feature_id id, const char *cached, const char *const *set, const char *expected)
{
    struct replicate_target t;
    struct params params;
    struct arena arena;
    struct error e;
    BUF_ON_EXIT struct buf body;
    buf_init(&body, REPLICATE_BODY_MAX);
    arena_init(&arena);
    params_init(&params, &features[id]);
    for (; *set; set += 2)
        assert_int_equal(params_set(&params, &arena, set[0], set[1], &e), 0);
    replicate_target_init(&t, &features[id], cached);
    assert_int_equal(replicate_target_body(&t, &params, &there, &nothing, &body, &e), 0);
    assert_string_equal(buf_text(&body), expected);
    arena_release(&arena);
}

static void test_bodies(void **state)
{
    static const char *const plain[] = {NULL}, *const four[] = {"scale", "4", NULL},
                             *const faces[] = {"scale", "4", "faceEnhance", "true", "quality", "fast", NULL};
    check_body(FEATURE_CLARITY, "", faces,
               "{\"input\":{\"image\":\"https://h/a\",\"scale\":4,\"face_enhance\":true}}");
    check_body(
        FEATURE_CLARITY, "abc", plain,
        "{\"version\":\"abc\",\"input\":{\"image\":\"https://h/a\",\"scale\":2,\"face_enhance\":false}}");
    check_body(FEATURE_ENHANCE, NULL, four,
               "{\"input\":{\"image\":\"https://h/a\",\"scale\":4,\"face_enhance\":false}}");
    check_body(FEATURE_BEAUTIFY, "resolved", four, /* since the pinned one was refused */
               "{\"version\":\"resolved\",\"input\":{\"image\":\"https://h/a\",\"upscale\":4}}");
    check_body(FEATURE_BEAUTIFY, "", four,
               "{\"version\":\"d0ee3d708c9b911f122a4ad90046c5d26a0293b99476d697f6bb7f2e251ce2d4\","
               "\"input\":{\"image\":\"https://h/a\",\"upscale\":4}}");
    assert_true(replicate_feature_known(&features[FEATURE_CLARITY]));
    assert_false(replicate_feature_known(&features[FEATURE_REPLACE_BG])); /* its step is */
}

static void check_blame(enum feature_id id, const char *const *set, enum replicate_refusal refusal,
                        const char *key, const char *expected_field, enum err expected)
{
    struct params params;
    struct arena arena;
    struct error e;
    arena_init(&arena);
    params_init(&params, &features[id]);
    for (; *set; set += 2)
        assert_int_equal(params_set(&params, &arena, set[0], set[1], &e), 0);
    error_set_field(&e, ERR_VALIDATION, key, "no good");
    replicate_input_blame(&params, refusal, &e);
    assert_int_equal(e.code, expected);
    assert_string_equal(e.field, expected_field);
    assert_non_null(strstr(e.reason, "no good"));
    assert_true(expected == ERR_VALIDATION || strstr(e.reason, key));
    arena_release(&arena);
}

static void test_whose_fault_it_is(void **state)
{
    static const char *const plain[] = {NULL}, *const given[] = {"scale",   "4",    "faceEnhance", "true",
                                                                 "quality", "fast", NULL},
                             *const light[] = {"prompt", "dusk", NULL};
#define VALUE REPLICATE_REFUSAL_VALUE
    check_blame(FEATURE_CLARITY, given, VALUE, "scale", "scale", ERR_VALIDATION);
    check_blame(FEATURE_CLARITY, given, VALUE, "face_enhance", "faceEnhance",
                ERR_VALIDATION); /* its name here */
    check_blame(FEATURE_CLARITY, plain, VALUE, "image", "image", ERR_VALIDATION);
    check_blame(FEATURE_UPSCALE, plain, VALUE, "img", "image", ERR_VALIDATION);
    check_blame(FEATURE_RELIGHT, light, VALUE, "prompt", "prompt", ERR_VALIDATION);
    check_blame(FEATURE_CLARITY, plain, REPLICATE_REFUSAL_RUN, "", "", ERR_VALIDATION);
    /* what the caller did not choose, did not send, or cannot know */
    check_blame(FEATURE_CLARITY, plain, VALUE, "scale", "", ERR_UPSTREAM);
    check_blame(FEATURE_CLARITY, given, VALUE, "quality", "", ERR_UPSTREAM);
    check_blame(FEATURE_CUTOUT, plain, VALUE, "threshold", "", ERR_UPSTREAM);
    check_blame(FEATURE_STYLE, plain, VALUE, "output_format", "", ERR_UPSTREAM);
    check_blame(FEATURE_CLARITY, given, VALUE, "prompt", "", ERR_UPSTREAM);
    check_blame(FEATURE_CLARITY, given, REPLICATE_REFUSAL_SHAPE, "image", "", ERR_UPSTREAM);
    check_blame(FEATURE_CLARITY, given, REPLICATE_REFUSAL_SHAPE, "", "", ERR_UPSTREAM);
}

static void test_faces_and_cutout(void **state)
{
    static const char *const plain[] = {NULL}, *const upscale[] = {"scale", "4", "version", "v1.3", NULL};
    check_body(FEATURE_UPSCALE, "", plain,
               "{\"version\":\"297a243ce8643961d52f745f9b6c8c1bd96850a51c92be5f43628a0d3e08321a\","
               "\"input\":{\"img\":\"https://h/a\",\"scale\":2,\"version\":\"v1.4\"}}");
    check_body(FEATURE_UPSCALE, "", upscale,
               "{\"version\":\"297a243ce8643961d52f745f9b6c8c1bd96850a51c92be5f43628a0d3e08321a\","
               "\"input\":{\"img\":\"https://h/a\",\"scale\":4,\"version\":\"v1.3\"}}");
    check_body(FEATURE_CUTOUT, "", plain,
               "{\"version\":\"a029dff38972b5fda4ec5d75d7d1cd25aeff621d2cf4946a41055d7db66b80bc\",\"input\":"
               "{\"image\":\"https://h/a\",\"format\":\"png\",\"background_type\":\"rgba\","
               "\"threshold\":0}}");
}

static void test_relight(void **state)
{
#define RELIGHT                                                                                              \
    "{\"version\":\"d41bcb10d8c159868f4cfbd7c6a2ca01484f7d39e4613419d5952c61562f1ba7\",\"input\":"           \
    "{\"subject_image\":\"https://h/a\","
    static const char *const plain[] = {"prompt", "sunset", NULL}, *const all[] = {"prompt",
                                                                                   "neon \"city\"",
                                                                                   "appended_prompt",
                                                                                   "8k",
                                                                                   "negative_prompt",
                                                                                   "dark",
                                                                                   "light_source",
                                                                                   "Left Light",
                                                                                   "steps",
                                                                                   "30",
                                                                                   "cfg",
                                                                                   "2.5",
                                                                                   "width",
                                                                                   "768",
                                                                                   "height",
                                                                                   "1024",
                                                                                   "number_of_images",
                                                                                   "4",
                                                                                   "output_format",
                                                                                   "jpeg",
                                                                                   "output_quality",
                                                                                   "95",
                                                                                   "seed",
                                                                                   "7",
                                                                                   NULL};
    check_body(FEATURE_RELIGHT, "", plain,
               RELIGHT "\"prompt\":\"sunset\",\"appended_prompt\":\"best quality\",\"negative_prompt\":"
                       "\"lowres, bad anatomy, bad hands, cropped, worst quality\",\"light_source\":\"None\","
                       "\"steps\":25,\"cfg\":2.0,\"width\":512,\"height\":640,\"number_of_images\":1,"
                       "\"output_format\":\"webp\",\"output_quality\":80}}");
    check_body(FEATURE_RELIGHT, "", all,
               RELIGHT "\"prompt\":\"neon \\\"city\\\"\",\"appended_prompt\":\"8k\",\"negative_prompt\":"
                       "\"dark\",\"light_source\":\"Left Light\",\"steps\":30,\"cfg\":2.5,\"width\":768,"
                       "\"height\":1024,\"number_of_images\":4,\"output_format\":\"jpg\","
                       "\"output_quality\":95,\"seed\":7}}");
}

/* Every style of the table has a prompt of its own, to which further wishes are added. */
static void test_styles(void **state)
{
    static const char *const words[] = {"anime",        "ghibli",   "watercolor",
                                        "oil-painting", "sketches", "cartoon"};
    char seen[ARRAY_LEN(words)][1000];
    size_t count;
    const char *allowed = feature_params(&features[FEATURE_STYLE], &count)[0].allowed;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct replicate_target t;
        struct params params;
        struct arena arena;
        struct error e;
        BUF_ON_EXIT struct buf body;
        buf_init(&body, REPLICATE_BODY_MAX);
        arena_init(&arena);
        params_init(&params, &features[FEATURE_STYLE]);
        assert_int_equal(params_set(&params, &arena, "style", words[i], &e), 0);
        assert_int_equal(params_set(&params, &arena, "extra", "at \"night\"", &e), 0);
        replicate_target_init(&t, &features[FEATURE_STYLE], NULL);
        t.wanted = i % 2 ? IMAGE_JPEG : IMAGE_PNG;
        assert_int_equal(replicate_target_body(&t, &params, &there, &nothing, &body, &e), 0);
        assert_string_equal(t.path, "/models/black-forest-labs/flux-kontext-pro/predictions");
        JSON_ON_EXIT json_t *j = json_loads(buf_text(&body), 0, NULL);
        json_t *input = json_object_get(j, "input");
        assert_int_equal(json_object_size(j), 1);
        assert_int_equal(json_object_size(input), 4);
        assert_string_equal(replicate_json_text(input, "input_image"), "https://h/a");
        assert_string_equal(replicate_json_text(input, "aspect_ratio"), "match_input_image");
        assert_string_equal(replicate_json_text(input, "output_format"), i % 2 ? "jpg" : "png");
        snprintf(seen[i], sizeof(seen[i]), "%s", replicate_json_text(input, "prompt"));
        assert_non_null(strstr(seen[i], " at \"night\""));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
        assert_non_null(strstr(allowed, words[i]));
        allowed = strchr(allowed, '|') && i + 1 < ARRAY_LEN(words) ? strchr(allowed, '|') + 1 : allowed;
        arena_release(&arena);
    }
    assert_null(strchr(allowed, '|')); /* there is no further one */
}

static void test_webhook_and_cap(void **state)
{
    struct replicate_target t;
    struct params params;
    struct error e = {0};
    BUF_ON_EXIT struct buf body;
    buf_init(&body, 250);
    struct blob *bytes = blob_copy("\xff\xd8\xff\x00", 4);
    const struct replicate_image image = {.bytes = bytes, .type = IMAGE_JPEG};
    const struct replicate_beside beside = {.id = "7", .webhook = "https://me/?a=b"};
    params_init(&params, &features[FEATURE_ENHANCE]);
    replicate_target_init(&t, &features[FEATURE_ENHANCE], "");
    assert_int_equal(replicate_target_body(&t, &params, &image, &beside, &body, &e), 0);
    assert_string_equal(
        buf_text(&body),
        "{\"input\":{\"image\":\"data:image/jpeg;base64,/9j/AA==\",\"scale\":2,\"face_enhance\":false},"
        "\"id\":\"7\",\"webhook\":\"https://me/?a=b\",\"webhook_events_filter\":[\"completed\"]}");
    for (size_t cap = 20; cap < 200; cap += 45) {
        buf_release(&body);
        buf_init(&body, cap);
        assert_int_equal(replicate_target_body(&t, &params, &image, &beside, &body, &e), -ERR_INTERNAL);
        assert_int_equal(body.len, 0);
    }
    blob_unref(bytes);
}

static void test_fallback(void **state) /* case 9: models route → version, once */
{
    struct replicate_target t;
    struct error e = {0};
    char path[200];
    replicate_target_init(&t, &features[FEATURE_CLARITY], "");
    assert_string_equal(t.path, "/models/nightmareai/real-esrgan/predictions");
    assert_string_equal(t.version, "");
    assert_int_equal(replicate_target_fallback(&t, path, sizeof(path), &e), 0);
    assert_string_equal(path, "/models/nightmareai/real-esrgan");
    static const char *const bad[] = {"{\"latest_version\":null}",
                                      "{}",
                                      "",
                                      "<html>",
                                      "[]",
                                      "{\"latest_version\":{\"id\":\"hidden\"}}",
                                      "{\"latest_version\":{\"id\":\"a/../b\"}}",
                                      "{\"latest_version\":{\"id\":7}}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(replicate_target_resolve(&t, bad[i], strlen(bad[i]), &e), -ERR_PROVIDER_UNAVAILABLE);
        assert_string_equal(t.path, "/models/nightmareai/real-esrgan/predictions");
    }
    static const char model[] =
        "{\"owner\":\"nightmareai\",\"is_official\":false,\"latest_version\":{\"id\":\"f121d640\"}}";
    assert_int_equal(replicate_target_resolve(&t, model, strlen(model), &e), 0);
    assert_string_equal(t.path, "/predictions");
    assert_string_equal(t.version, "f121d640");
    assert_int_equal(replicate_target_fallback(&t, path, sizeof(path), &e), -ERR_PROVIDER_UNAVAILABLE);
}

static void test_inline(void **state)
{
    FREE_ON_EXIT char *big = mem_zalloc(300000);
    static const struct {
        size_t size;
        bool fits;
    } rows[] = {{4, true}, {191900, true}, {192000, false}, {256000, false}, {300000, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct blob *b = blob_copy(big, rows[i].size);
        assert_int_equal(replicate_inline_fits(b), rows[i].fits);
        blob_unref(b);
    }
}

static void test_clamps(void **state) /* cases 2 and 20 */
{
    assert_int_equal(replicate_wait_s(-1), 1);
    assert_int_equal(replicate_wait_s(0), 1);
    assert_int_equal(replicate_wait_s(60), 60);
    assert_int_equal(replicate_wait_s(99), 60);
    assert_int_equal(replicate_cancel_after_s(-5), 5);
    assert_int_equal(replicate_cancel_after_s(90500), 90);
    assert_int_equal(replicate_cancel_after_s(INT64_MAX), 86400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_fault_it_is),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_faces_and_cutout),
        cmocka_unit_test(test_relight),
        cmocka_unit_test(test_styles),
        cmocka_unit_test(test_webhook_and_cap),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_clamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
