#include "base/blob.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "scratch.h"

static int teardown(void **state)
{
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

static void test_copy(void **state)
{
    char text[] = "hello";
    struct blob *b = blob_copy(text, 5);
    text[0] = 'j';
    assert_int_equal(b->size, 5);
    assert_memory_equal(b->data, "hello", 5);
    assert_int_equal(blob_live_count(), 1);
    blob_unref(b);
    b = blob_copy(NULL, 0);
    assert_int_equal(b->size, 0);
    assert_non_null(b->data);
    blob_unref(b);
    blob_unref(NULL);
}

static void test_references(void **state)
{
    struct blob *b = blob_copy("x", 1);
    assert_ptr_equal(blob_ref(b), b);
    blob_unref(b);
    assert_int_equal(blob_live_count(), 1);
    assert_int_equal(b->data[0], 'x');
    blob_unref(b);
    assert_int_equal(blob_live_count(), 0);
}

static unsigned freed;
static void *freed_data;

static void count_free(void *data)
{
    freed++;
    freed_data = data;
    free(data);
}

static void test_take(void **state)
{
    char *data = mem_strdup("taken");
    freed = 0;
    struct blob *b = blob_take(data, 5, count_free);
    assert_ptr_equal(b->data, data); /* not copied */
    blob_ref(b);
    blob_unref(b);
    assert_int_equal(freed, 0);
    blob_unref(b);
    assert_int_equal(freed, 1);
    assert_ptr_equal(freed_data, data);
    b = blob_take(NULL, 0, count_free);
    assert_non_null(b->data);
    blob_unref(b);
    assert_int_equal(freed, 1); /* there was nothing to free */
}

static void test_static_and_cleanup(void **state)
{
    static const char text[] = "constant";
    BLOB_ON_EXIT struct blob *b = blob_static(text, 8);
    assert_ptr_equal(b->data, text);
    BLOB_ON_EXIT struct blob *none = NULL;
    assert_null(none);
}

static void test_map(void **state)
{
    FILE *f = tmpfile();
    assert_int_equal(fwrite("mapped bytes", 1, 12, f), 12);
    fflush(f);
    struct blob *b = NULL;
    assert_int_equal(blob_map(fileno(f), 0, &b), -EINVAL);
    assert_int_equal(blob_map(-1, 12, &b), -EBADF);
    assert_null(b); /* untouched on failure */
    assert_int_equal(blob_map(fileno(f), 12, &b), 0);
    fclose(f); /* the map does not need it */
    assert_int_equal(b->size, 12);
    assert_memory_equal(b->data, "mapped bytes", 12);
    blob_unref(b);
}

static void *share(void *arg)
{
    struct blob *b = arg;
    for (unsigned i = 0; i < 20000; i++) {
        struct blob *mine = blob_ref(b);
        assert_int_equal(mine->data[0], 's');
        blob_unref(mine);
    }
    blob_unref(b);
    return NULL;
}

static void test_threads(void **state)
{
    struct blob *b = blob_copy("shared", 6);
    pthread_t thread[4];
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, share, blob_ref(b)), 0);
    blob_unref(b); /* the last thread frees it */
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_copy, teardown),
        cmocka_unit_test_teardown(test_references, teardown),
        cmocka_unit_test_teardown(test_take, teardown),
        cmocka_unit_test_teardown(test_static_and_cleanup, teardown),
        cmocka_unit_test_teardown(test_map, teardown),
        cmocka_unit_test_teardown(test_threads, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
