#include <string.h>

#include "contract/store_contract.h"
#include "scratch.h"
#include "store/store.h"

static void test_key_make(void **state)
{
    char key[STORE_KEY_MAX + 1], again[STORE_KEY_MAX + 1];
    store_key_make("enhance/real-esrgan", 1795435200, "png", key); /* 2026-11-23T12:00:00Z */
    assert_memory_equal(key, "enhance/real-esrgan/2026-11-23/", 31);
    assert_int_equal(strlen(key), 31 + 36 + 4);
    assert_string_equal(key + 31 + 36, ".png");
    assert_true(store_key_valid(key));
    store_key_make("enhance/real-esrgan", 1795435200, "png", again);
    assert_string_not_equal(key, again);
    store_key_make("clarity", 1795478399, "jpg", key); /* the last second of that day */
    assert_memory_equal(key, "clarity/2026-11-23/", 19);
    store_key_make("clarity", 1795478400, "jpg", key);
    assert_memory_equal(key, "clarity/2026-11-24/", 19);
}

static void test_key_valid_lengths(void **state)
{
    char key[STORE_KEY_MAX + 2];
    memset(key, 'a', sizeof(key));
    key[255] = '\0';
    assert_true(store_key_valid(key));
    key[255] = 'a';
    key[256] = '\0';
    assert_false(store_key_valid(key)); /* a part is a file name */
    key[256] = '/';
    key[255] = '/';
    key[300] = '\0';
    assert_false(store_key_valid(key));
    assert_true(store_key_valid("a"));
    assert_true(store_key_valid("a/b.c"));
    assert_true(store_key_valid("a..b/-"));
    assert_false(store_key_valid("a/..b"));
}

static void test_content_types(void **state)
{
    assert_string_equal(store_content_type("comics/a/page-1.png"), "image/png");
    assert_string_equal(store_content_type("a.b/C.JPG"), "image/jpeg");
    assert_string_equal(store_content_type("comics/a/story.json"), "application/json");
    assert_string_equal(store_content_type("comics/a/book.pdf"), "application/pdf");
    assert_string_equal(store_content_type("comics/a/book.cbz"), "application/vnd.comicbook+zip");
    assert_string_equal(store_content_type("a.exe"), "application/octet-stream");
    assert_string_equal(store_content_type("png"), "application/octet-stream");
}

static void test_free_null(void **state)
{
    store_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_make),
        cmocka_unit_test(test_key_valid_lengths),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_free_null),
    };
    return store_contract_run() + cmocka_run_group_tests(tests, NULL, NULL);
}
