#include "predict/replicate_input.h"

#include <string.h>

#include "base/mem.h"
#include "predict/replicate_json.h"
#include "scratch.h"

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
    assert_int_equal(replicate_target_body(&t, &params, "https://h/a", NULL, &body, &e), 0);
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
    check_body(FEATURE_BEAUTIFY, "other", four, /* pinned: what is cached does not count */
               "{\"version\":\"d0ee3d708c9b911f122a4ad90046c5d26a0293b99476d697f6bb7f2e251ce2d4\","
               "\"input\":{\"image\":\"https://h/a\",\"upscale\":4}}");
    assert_true(replicate_feature_known(&features[FEATURE_CLARITY]));
}

static void test_webhook_and_cap(void **state)
{
    struct replicate_target t;
    struct params params;
    struct error e = {0};
    BUF_ON_EXIT struct buf body;
    buf_init(&body, 170);
    params_init(&params, &features[FEATURE_ENHANCE]);
    replicate_target_init(&t, &features[FEATURE_ENHANCE], "");
    assert_int_equal(replicate_target_body(&t, &params, "data:,\"", "https://me/?a=b", &body, &e), 0);
    assert_string_equal(
        buf_text(&body),
        "{\"input\":{\"image\":\"data:,\\\"\",\"scale\":2,\"face_enhance\":false},\"webhook\":"
        "\"https://me/?a=b\",\"webhook_events_filter\":[\"completed\"]}");
    buf_release(&body);
    buf_init(&body, 20);
    assert_int_equal(replicate_target_body(&t, &params, "data:,x", NULL, &body, &e), -ERR_INTERNAL);
    assert_int_equal(body.len, 0);
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
    BUF_ON_EXIT struct buf uri;
    buf_init(&uri, 1 << 20);
    struct blob *b = blob_copy("\xff\xd8\xff\x00", 4);
    assert_true(replicate_inline(b, IMAGE_JPEG, &uri));
    assert_string_equal(buf_text(&uri), "data:image/jpeg;base64,/9j/AA==");
    blob_unref(b);
    buf_release(&uri);
    FREE_ON_EXIT char *big = mem_zalloc(300000);
    static const struct {
        size_t size;
        bool fits;
    } rows[] = {{191900, true}, {192000, false}, {256000, false}, {300000, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        b = blob_copy(big, rows[i].size);
        assert_int_equal(replicate_inline(b, IMAGE_PNG, &uri), rows[i].fits);
        assert_true(uri.len <= REPLICATE_INLINE_MAX);
        blob_unref(b);
        buf_release(&uri);
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
        cmocka_unit_test(test_bodies),   cmocka_unit_test(test_webhook_and_cap),
        cmocka_unit_test(test_fallback), cmocka_unit_test(test_inline),
        cmocka_unit_test(test_clamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
