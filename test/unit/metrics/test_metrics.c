#include "metrics/metrics.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"

static const struct feature *const clarity = &features[FEATURE_CLARITY];
static const struct feature *const enhance = &features[FEATURE_ENHANCE];

static const struct metrics_cache cache = {.size = 45, .max_size = 100, .ttl_ms = 300000};

/* Strictly parsed: no duplicate keys, nothing behind the document. */
static json_t *document(const struct metrics *m, uint64_t now_ns)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 65536);
    metrics_json(m, now_ns, &cache, &b);
    assert_false(b.failed);
    json_error_t e;
    json_t *doc = json_loads(buf_text(&b), JSON_REJECT_DUPLICATES, &e);
    if (!doc)
        print_error("%s: %s\n", e.text, buf_text(&b));
    assert_non_null(doc);
    return doc;
}

static json_int_t number(json_t *in, const char *name)
{
    json_t *v = json_object_get(in, name);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static const char *text(json_t *in, const char *name)
{
    json_t *v = json_object_get(in, name);
    assert_true(json_is_string(v));
    return json_string_value(v);
}

static void finish(struct metrics *m, const struct feature *f, enum outcome o, uint64_t ms)
{
    metrics_arrived(m, f);
    metrics_finished(m, f, o, ms * NS_PER_MS);
}

static void test_nothing_yet(void **state)
{
    struct metrics *m = metrics_new(7 * NS_PER_S);
    json_t *doc = document(m, 7 * NS_PER_S);
    json_t *requests = json_object_get(doc, "requests");
    assert_string_equal(text(doc, "uptime"), "0s");
    assert_int_equal(number(requests, "total"), 0);
    assert_int_equal(number(requests, "success"), 0);
    assert_int_equal(number(requests, "error"), 0);
    assert_int_equal(number(requests, "cached"), 0);
    assert_string_equal(text(requests, "cacheHitRate"), "0.00%");
    assert_string_equal(text(requests, "errorRate"), "0.00%");
    assert_true(json_is_object(json_object_get(doc, "features")));
    assert_int_equal(json_object_size(json_object_get(doc, "features")), 0);
    json_decref(doc);
    doc = document(m, 6 * NS_PER_S); /* a clock read before the start */
    assert_string_equal(text(doc, "uptime"), "0s");
    json_decref(doc);
    metrics_free(m);
    metrics_free(NULL);
}

/* The figures of the contract: 150 arrived, 135 + 5 answered, 10 in flight. */
static void test_the_contracts_example(void **state)
{
    struct metrics *m = metrics_new(0);
    for (unsigned i = 0; i < 95; i++)
        finish(m, clarity, OUTCOME_SUCCESS, 25000);
    for (unsigned i = 0; i < 40; i++)
        finish(m, clarity, OUTCOME_CACHED, 1);
    for (unsigned i = 0; i < 3; i++)
        finish(m, enhance, OUTCOME_ERROR, 5);
    for (unsigned i = 0; i < 10; i++)
        metrics_arrived(m, enhance);
    json_t *doc = document(m, 3600 * NS_PER_S + 999999999);
    json_t *requests = json_object_get(doc, "requests");
    assert_string_equal(text(doc, "uptime"), "3600s");
    assert_int_equal(number(requests, "total"), 148);
    json_decref(doc);
    finish(m, enhance, OUTCOME_ERROR, 5);
    finish(m, NULL, OUTCOME_ERROR, 5); /* no feature's */
    doc = document(m, 3600 * NS_PER_S);
    requests = json_object_get(doc, "requests");
    assert_int_equal(number(requests, "total"), 150);
    assert_int_equal(number(requests, "success"), 135);
    assert_int_equal(number(requests, "error"), 5);
    assert_int_equal(number(requests, "cached"), 40);
    assert_string_equal(text(requests, "cacheHitRate"), "26.67%");
    assert_string_equal(text(requests, "errorRate"), "3.33%");
    json_t *c = json_object_get(doc, "cache");
    assert_int_equal(number(c, "size"), 45);
    assert_int_equal(number(c, "maxSize"), 100);
    assert_int_equal(number(c, "ttlMs"), 300000);
    assert_int_equal(json_object_size(doc), 4);
    json_decref(doc);
    metrics_free(m);
}

static void test_features(void **state)
{
    struct metrics *m = metrics_new(0);
    for (unsigned i = 1; i <= 100; i++)
        finish(m, clarity, i % 2 ? OUTCOME_CACHED : OUTCOME_SUCCESS, i * 10);
    finish(m, clarity, OUTCOME_ERROR, 100000); /* not in the latencies */
    metrics_arrived(m, enhance);               /* asked for, not answered yet */
    json_t *doc = document(m, NS_PER_S);
    json_t *all = json_object_get(doc, "features");
    assert_int_equal(json_object_size(all), 2); /* aiBeautify was never asked for */
    json_t *f = json_object_get(all, "improveClarity");
    assert_int_equal(json_object_size(f), 8);
    assert_int_equal(number(f, "count"), 100);
    assert_int_equal(number(f, "avg"), 505);
    assert_int_equal(number(f, "min"), 10);
    assert_int_equal(number(f, "max"), 1000);
    assert_in_range(number(f, "p50"), 495, 505);
    assert_in_range(number(f, "p95"), 941, 959);
    assert_in_range(number(f, "p99"), 981, 999);
    assert_int_equal(number(f, "errors"), 1);
    f = json_object_get(all, "imageEnhance");
    assert_int_equal(number(f, "count"), 0);
    assert_int_equal(number(f, "avg"), 0);
    assert_int_equal(number(f, "p99"), 0);
    assert_int_equal(number(f, "errors"), 0);
    json_decref(doc);
    metrics_free(m);
}

static void test_times_are_rounded(void **state)
{
    struct metrics *m = metrics_new(0);
    metrics_arrived(m, clarity);
    metrics_finished(m, clarity, OUTCOME_SUCCESS, 1499999);
    json_t *doc = document(m, NS_PER_S);
    assert_int_equal(number(json_object_get(json_object_get(doc, "features"), "improveClarity"), "max"), 1);
    json_decref(doc);
    metrics_arrived(m, clarity);
    metrics_finished(m, clarity, OUTCOME_SUCCESS, 1500000);
    doc = document(m, NS_PER_S);
    assert_int_equal(number(json_object_get(json_object_get(doc, "features"), "improveClarity"), "max"), 2);
    json_decref(doc);
    metrics_free(m);
}

/* Only runs count for how long a run takes: neither hits, nor errors, nor the time in the queue. */
static void test_typical_time(void **state)
{
    struct metrics *m = metrics_new(0);
    assert_int_equal(metrics_typical_ns(m, clarity), 0);
    for (unsigned i = 0; i < 50; i++)
        finish(m, clarity, OUTCOME_CACHED, 1);
    finish(m, clarity, OUTCOME_ERROR, 2);
    assert_int_equal(metrics_typical_ns(m, clarity), 0);
    finish(m, clarity, OUTCOME_SUCCESS, 500000);
    assert_int_equal(metrics_typical_ns(m, clarity), 0);
    metrics_ran(m, clarity, 20000 * NS_PER_MS);
    assert_int_equal(metrics_typical_ns(m, clarity), 20000 * NS_PER_MS);
    metrics_ran(m, clarity, 30000 * NS_PER_MS);
    metrics_ran(m, clarity, 90000 * NS_PER_MS);
    assert_in_range(metrics_typical_ns(m, clarity), 29700 * NS_PER_MS, 30300 * NS_PER_MS);
    assert_int_equal(metrics_typical_ns(m, enhance), 0);
    metrics_free(m);
}

/* A buffer that is too small fails as a whole; nobody sends half a document. */
static void test_small_buffer(void **state)
{
    struct metrics *m = metrics_new(0);
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 100);
    metrics_json(m, 0, &cache, &b);
    assert_true(b.failed);
    metrics_free(m);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *hammer(void *arg)
{
    struct metrics *m = arg;
    for (unsigned i = 0; i < ROUNDS; i++)
        finish(m, &features[i % FEATURE_COUNT], (enum outcome)(i % 4 % 3), i % 500);
    return NULL;
}

static void test_threads(void **state)
{
    struct metrics *m = metrics_new(0);
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, m), 0);
    for (unsigned i = 0; i < 200; i++) {
        json_t *doc = document(m, NS_PER_S), *requests = json_object_get(doc, "requests");
        assert_true(number(requests, "success") + number(requests, "error") <= number(requests, "total"));
        json_decref(doc);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    json_t *doc = document(m, NS_PER_S), *requests = json_object_get(doc, "requests");
    assert_int_equal(number(requests, "total"), THREADS * ROUNDS);
    assert_int_equal(number(requests, "success"), THREADS * ROUNDS * 3 / 4);
    assert_int_equal(number(requests, "cached"), THREADS * ROUNDS / 4);
    assert_int_equal(number(requests, "error"), THREADS * ROUNDS / 4);
    json_decref(doc);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_yet),  cmocka_unit_test(test_the_contracts_example),
        cmocka_unit_test(test_features),     cmocka_unit_test(test_times_are_rounded),
        cmocka_unit_test(test_typical_time), cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
