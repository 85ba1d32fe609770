#include <pthread.h>

#include "base/mem.h"
#include "cache/cache.h"
#include "scratch.h"

static struct result *full_result(void)
{
    struct result *r = result_new();
    r->output_count = RESULT_OUTPUTS_MAX;
    for (unsigned i = 0; i < RESULT_OUTPUTS_MAX; i++) {
        r->output[i].key = mem_printf("k/%u", i);
        r->output[i].content_type = mem_strdup("image/webp");
    }
    r->model = mem_strdup("m");
    r->ran_on = mem_strdup("local");
    r->network = mem_strdup("x4plus");
    r->reason = mem_strdup("fits 20 s");
    return r;
}

static void test_new_is_empty(void **state)
{
    struct result *r = result_new();
    assert_int_equal(atomic_load(&r->refs), 1);
    assert_int_equal(r->output_count, 0);
    assert_null(r->model);
    assert_null(r->output[0].key);
    assert_int_equal(r->run_ns, 0);
    result_unref(r);
    result_unref(NULL);
}

/* That all strings are freed is for the leak checker of the sanitizer build to say. */
static void test_last_unref_frees(void **state)
{
    struct result *r = full_result();
    assert_ptr_equal(result_ref(r), r);
    result_unref(r);
    assert_string_equal(r->output[11].key, "k/11");
    assert_string_equal(r->reason, "fits 20 s");
    result_unref(r);
}

static void *ref_and_unref(void *arg)
{
    struct result *r = arg;
    for (unsigned i = 0; i < 50000; i++) {
        result_ref(r);
        result_unref(r);
    }
    result_unref(r);
    return NULL;
}

static void test_threads(void **state)
{
    struct result *r = full_result();
    pthread_t thread[4];
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ref_and_unref, result_ref(r)), 0);
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&r->refs), 1);
    result_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_is_empty),
        cmocka_unit_test(test_last_unref_frees),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
