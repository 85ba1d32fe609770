#include "fixture.h"

#include "local/estimate.h"

static const struct estimate_key key = {"net", "d1g35t", "bf16", 2, "Some CPU @ 2 GHz"};

static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) < 1e-3);
}

static void test_round_trip(void **state)
{
    char *dir = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/speed.txt", dir);
    assert_true(estimate_load(path, &key) == 0);
    assert_int_equal(estimate_store(path, &key, 12.3456), 0);
    assert_near(estimate_load(path, &key), 12.3456);
    struct estimate_key other = key;
    other.network = "net2";
    assert_int_equal(estimate_store(path, &other, 0.5), 0);
    assert_int_equal(estimate_store(path, &key, 11), 0);
    assert_near(estimate_load(path, &key), 11);
    assert_near(estimate_load(path, &other), 0.5);
    scratch_free(dir);
}

static void test_other_machine_or_network_does_not_count(void **state)
{
    char *dir = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/speed.txt", dir);
    assert_int_equal(estimate_store(path, &key, 12), 0);
    const struct estimate_key others[] = {
        {"net", "d1g35t", "bf16", 2, "Some CPU @ 3 GHz"},
        {"net", "other", "bf16", 2, key.cpu},
        {"net", "d1g35t", "f32", 2, key.cpu},
        {"net", "d1g35t", "bf16", 4, key.cpu},
        {"ne", "d1g35t", "bf16", 2, key.cpu},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_true(estimate_load(path, &others[i]) == 0);
    /* The new processor's figure takes the place of the old one's. */
    assert_int_equal(estimate_store(path, &others[0], 5), 0);
    assert_near(estimate_load(path, &others[0]), 5);
    assert_true(estimate_load(path, &key) == 0);
    scratch_free(dir);
}

static void test_broken_files(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n",
        "net",
        "net\tbf16\t2\t",
        "net\tbf16\t2\td1g35t",
        "net\tbf16\t2\td1g35t\tx\tSome CPU @ 2 GHz\n",
        "net\tbf16\t2\td1g35t\t-1\tSome CPU @ 2 GHz\n",
        "net\tbf16\t2\td1g35t\tnan\tSome CPU @ 2 GHz\n",
        "net\tbf16\t2\td1g35t\t1e300\tSome CPU @ 2 GHz\n",
        "net\tbf16\t2\td1g35t\t1\tSome CPU @ 2 GHz more\n",
    };
    char *dir = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/speed.txt", dir);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        write_file(path, texts[i], strlen(texts[i]));
        assert_true(estimate_load(path, &key) == 0);
        assert_int_equal(estimate_store(path, &key, 7), 0);
        assert_near(estimate_load(path, &key), 7);
    }
    /* A file far too long: the new figure is in it and the rest is cut at a line. */
    FREE_ON_EXIT char *noise = mem_alloc(100000);
    memset(noise, 'x', 100000);
    for (size_t i = 99; i < 100000; i += 100)
        noise[i] = '\n';
    write_file(path, noise, 100000);
    assert_int_equal(estimate_store(path, &key, 8), 0);
    assert_near(estimate_load(path, &key), 8);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 10000);
    scratch_free(dir);
}

static void test_unwritable_folder(void **state)
{
    assert_true(estimate_store("/dev/null/speed.txt", &key, 1) < 0);
}

static void test_one_slow_run_counts_little(void **state)
{
    assert_near(estimate_mix(0, 10), 10);
    assert_near(estimate_mix(10, 20), 13);
    double rate = 10;
    for (int i = 0; i < 20; i++)
        rate = estimate_mix(rate, 20);
    assert_true(rate > 19.9 && rate <= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_other_machine_or_network_does_not_count),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_unwritable_folder),
        cmocka_unit_test(test_one_slow_run_counts_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
