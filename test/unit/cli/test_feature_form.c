#include "cli/feature_form.h"

#include <string.h>

#include "base/mem.h"
#include "scratch.h"

/* The digest of what relight is asked with these arguments, of one picture. */
static void digest_of_form(const char *bytes, enum image_type type, int argc, const char *const *argv,
                           char ret[static DIGEST_HEX + 1])
{
    struct feature_args args;
    struct error e;
    struct feature_form form = {0};
    struct blob *picture[IMAGES_MAX] = {blob_copy(bytes, strlen(bytes))};
    assert_int_equal(feature_args_parse(&features[FEATURE_RELIGHT], argc, (char **)argv, &args, &e), 0);
    feature_form_make(&args, picture, type, &form);
    memcpy(ret, form.digest, sizeof(form.digest));
    feature_form_release(&form);
    feature_args_release(&args);
    blob_unref(picture[0]);
}

#define DIGEST(ret, bytes, type, ...)                                                                        \
    digest_of_form(bytes, type,                                                                              \
                   (int)ARRAY_LEN(((const char *[]){"relight", "in", "-o", "out", __VA_ARGS__})),            \
                   (const char *[]){"relight", "in", "-o", "out", __VA_ARGS__}, ret)

static void test_the_digest_is_what_is_asked_for(void **state)
{
    char first[DIGEST_HEX + 1], same[DIGEST_HEX + 1], other[5][DIGEST_HEX + 1];
    DIGEST(first, "picture", IMAGE_PNG, "--prompt", "sun", "--seed", "7");
    DIGEST(same, "picture", IMAGE_PNG, "--seed=7", "-f", "--prompt=sun");
    DIGEST(other[0], "pictures", IMAGE_PNG, "--prompt", "sun", "--seed", "7");
    DIGEST(other[1], "picture", IMAGE_WEBP, "--prompt", "sun", "--seed", "7");
    DIGEST(other[2], "picture", IMAGE_PNG, "--prompt", "moon", "--seed", "7");
    DIGEST(other[3], "picture", IMAGE_PNG, "--prompt", "sun", "--seed", "8");
    DIGEST(other[4], "picture", IMAGE_PNG, "--prompt", "sun");
    assert_string_equal(first, same);
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        assert_string_not_equal(first, other[i]);
        for (size_t n = 0; n < i; n++)
            assert_string_not_equal(other[n], other[i]);
    }
}

static void test_the_form_has_the_pictures_and_what_was_said(void **state)
{
    const char *const argv[] = {"replace-bg", "in", "-o", "out", "--bg", "back", "--shadow", "0"};
    struct feature_args args;
    struct error e;
    struct feature_form form = {0};
    struct blob *picture[IMAGES_MAX] = {blob_copy("front", 5), blob_copy("back", 4)};
    assert_int_equal(
        feature_args_parse(&features[FEATURE_REPLACE_BG], ARRAY_LEN(argv), (char **)argv, &args, &e), 0);
    feature_form_make(&args, picture, IMAGE_UNKNOWN, &form);
    FREE_ON_EXIT char *text = mem_printf("%.*s", (int)form.body->size, (const char *)form.body->data);
    assert_non_null(strstr(text, "name=\"shadow\"\r\n\r\n0\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nfront\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nback\r\n"));
    assert_null(strstr(text, "featherPx"));
    assert_non_null(strstr(form.type, "multipart/form-data; boundary="));
    feature_form_release(&form);
    feature_args_release(&args);
    blob_unref(picture[0]);
    blob_unref(picture[1]);
}

static void test_a_long_prompt_without_pictures(void **state)
{
    static const char sign[] = "\xf0\x9f\x90\x89"; /* a dragon, four bytes */
    enum { SIGNS = 4000 };
    FREE_ON_EXIT char *prompt = mem_zalloc(SIGNS * strlen(sign) + 1);
    for (size_t i = 0; i < SIGNS; i++)
        memcpy(prompt + i * strlen(sign), sign, strlen(sign));
    const char *const argv[] = {"comic", prompt, "-o", "out.pdf", "--pages", "2"};
    struct feature_args args;
    struct error e;
    struct feature_form form = {0};
    struct blob *picture[IMAGES_MAX] = {NULL};
    assert_int_equal(
        feature_args_parse(&features[FEATURE_STORY_COMIC], ARRAY_LEN(argv), (char **)argv, &args, &e), 0);
    feature_form_make(&args, picture, IMAGE_UNKNOWN, &form);
    FREE_ON_EXIT char *text = mem_printf("%.*s", (int)form.body->size, (const char *)form.body->data);
    assert_non_null(strstr(text, prompt));
    assert_non_null(strstr(text, "name=\"pages\"\r\n\r\n2\r\n"));
    assert_null(strstr(text, "filename"));
    feature_form_release(&form);
    feature_args_release(&args);
}

static void test_photos_in_their_order(void **state)
{
    const char *const argv[] = {"comic", "-o", "out.pdf", "--title", "Trip"};
    struct feature_args args;
    struct error e;
    struct feature_form form = {0};
    struct blob *picture[IMAGES_MAX] = {blob_copy("first", 5), blob_copy("second", 6), blob_copy("third", 5)};
    const char *const captions[] = {"", "Hello"};
    assert_int_equal(
        feature_args_parse(&features[FEATURE_COMIC_PHOTOS], ARRAY_LEN(argv), (char **)argv, &args, &e), 0);
    assert_int_equal(params_set_items(&args.params, &args.arena, "captions", captions, 2, &e), 0);
    feature_form_make(&args, picture, IMAGE_UNKNOWN, &form);
    FREE_ON_EXIT char *text = mem_printf("%.*s", (int)form.body->size, (const char *)form.body->data);
    const char *at = text;
    for (size_t i = 0; i < 3; i++) {
        at = strstr(at, "name=\"photos\"; filename");
        assert_non_null(at);
        at = strstr(at, (const char *[]){"\r\n\r\nfirst\r\n", "\r\n\r\nsecond\r\n", "\r\n\r\nthird\r\n"}[i]);
        assert_non_null(at);
    }
    assert_null(strstr(at, "filename"));
    assert_non_null(strstr(text, "name=\"captions\"\r\n\r\n[\"\",\"Hello\"]\r\n"));
    feature_form_release(&form);
    feature_args_release(&args);
    for (size_t i = 0; i < 3; i++)
        blob_unref(picture[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_digest_is_what_is_asked_for),
        cmocka_unit_test(test_the_form_has_the_pictures_and_what_was_said),
        cmocka_unit_test(test_a_long_prompt_without_pictures),
        cmocka_unit_test(test_photos_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
