#include "metrics/metrics.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"

#define CLARITY (&features[FEATURE_CLARITY])
#define ENHANCE (&features[FEATURE_ENHANCE])

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
        finish(m, CLARITY, OUTCOME_SUCCESS, 25000);
    for (unsigned i = 0; i < 40; i++)
        finish(m, CLARITY, OUTCOME_CACHED, 1);
    for (unsigned i = 0; i < 3; i++)
        finish(m, ENHANCE, OUTCOME_ERROR, 5);
    for (unsigned i = 0; i < 10; i++)
        metrics_arrived(m, ENHANCE);
    json_t *doc = document(m, 3600 * NS_PER_S + 999999999);
    json_t *requests = json_object_get(doc, "requests");
    assert_string_equal(text(doc, "uptime"), "3600s");
    assert_int_equal(number(requests, "total"), 148);
    json_decref(doc);
    finish(m, ENHANCE, OUTCOME_ERROR, 5);
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
    json_t *money = json_object_get(doc, "money");
    assert_int_equal(json_object_size(money), 3); /* no keys */
    assert_int_equal(number(money, "cost_usd"), 0);
    assert_int_equal(json_object_size(json_object_get(money, "saved_usd")), 3);
    assert_int_equal(json_object_size(doc), 7);
    json_decref(doc);
    metrics_free(m);
}

static void test_money(void **state)
{
    struct metrics *m = metrics_new(0);
    metrics_key(m, "a \"b\"");
    metrics_cost(m, CLARITY, "replicate", "a \"b\"", 300000000);
    metrics_cost(m, CLARITY, "cog", "a \"b\"", 1);
    metrics_cost(m, CLARITY, "nobody", NULL, 5); /* of no key and no known place */
    metrics_saved(m, ENHANCE, V_SAVED_TWIN, "a \"b\"", 20);
    BUF_ON_EXIT struct buf out;
    buf_init(&out, 1 << 16);
    metrics_json(m, 0, &(struct metrics_cache){0}, &out);
    assert_non_null(
        strstr(buf_text(&out),
               "\"money\":{\"cost_usd\":0.300000001,\"saved_usd\":{\"cache\":0,\"twin\":0.00000002,"
               "\"local\":0},\"features\":{\"improveClarity\":{\"cost_usd\":0.300000001,\"saved_usd\":{"
               "\"cache\":0,\"twin\":0,\"local\":0}},\"imageEnhance\":{\"cost_usd\":0,\"saved_usd\":{"
               "\"cache\":0,\"twin\":0.00000002,\"local\":0}}},\"keys\":{\"a \\\"b\\\"\":{\"cost_usd\":"
               "0.300000001,\"saved_usd\":0.00000002}}}"));
    metrics_free(m);
}

static void test_features(void **state)
{
    struct metrics *m = metrics_new(0);
    for (unsigned i = 1; i <= 100; i++)
        finish(m, CLARITY, i % 2 ? OUTCOME_CACHED : OUTCOME_SUCCESS, i * 10);
    finish(m, CLARITY, OUTCOME_ERROR, 100000); /* not in the latencies */
    metrics_arrived(m, ENHANCE);               /* asked for, not answered yet */
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
    metrics_arrived(m, CLARITY);
    metrics_finished(m, CLARITY, OUTCOME_SUCCESS, 1499999);
    json_t *doc = document(m, NS_PER_S);
    assert_int_equal(number(json_object_get(json_object_get(doc, "features"), "improveClarity"), "max"), 1);
    json_decref(doc);
    metrics_arrived(m, CLARITY);
    metrics_finished(m, CLARITY, OUTCOME_SUCCESS, 1500000);
    doc = document(m, NS_PER_S);
    assert_int_equal(number(json_object_get(json_object_get(doc, "features"), "improveClarity"), "max"), 2);
    json_decref(doc);
    metrics_free(m);
}

/* Only runs count for how long a run takes: neither hits, nor errors, nor the time in the queue. */
static void test_typical_time(void **state)
{
    struct metrics *m = metrics_new(0);
    assert_int_equal(metrics_typical_ns(m, CLARITY), 0);
    for (unsigned i = 0; i < 50; i++)
        finish(m, CLARITY, OUTCOME_CACHED, 1);
    finish(m, CLARITY, OUTCOME_ERROR, 2);
    assert_int_equal(metrics_typical_ns(m, CLARITY), 0);
    finish(m, CLARITY, OUTCOME_SUCCESS, 500000);
    assert_int_equal(metrics_typical_ns(m, CLARITY), 0);
    metrics_ran(m, CLARITY, 20000 * NS_PER_MS);
    assert_int_equal(metrics_typical_ns(m, CLARITY), 20000 * NS_PER_MS);
    metrics_ran(m, CLARITY, 30000 * NS_PER_MS);
    metrics_ran(m, CLARITY, 90000 * NS_PER_MS);
    assert_in_range(metrics_typical_ns(m, CLARITY), 29700 * NS_PER_MS, 30300 * NS_PER_MS);
    assert_int_equal(metrics_typical_ns(m, ENHANCE), 0);
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

/* What is older than the window leaves times and rates, and stays in the counts. */
static void test_window(void **state)
{
    struct metrics *m = metrics_new(0);
    metrics_window(m, 10, 0);
    finish(m, CLARITY, OUTCOME_CACHED, 1000);
    finish(m, CLARITY, OUTCOME_ERROR, 1000);
    for (uint64_t s = 1; s <= 8; s++)
        metrics_turn(m, s * NS_PER_S);
    finish(m, CLARITY, OUTCOME_SUCCESS, 20);
    metrics_turn(m, 9 * NS_PER_S);
    metrics_turn(m, 10 * NS_PER_S);
    json_t *doc = document(m, 10 * NS_PER_S),
           *f = json_object_get(json_object_get(doc, "features"), "improveClarity");
    json_t *requests = json_object_get(doc, "requests");
    assert_int_equal(number(f, "max"), 1000);
    assert_int_equal(number(f, "min"), 20);
    assert_string_equal(text(requests, "cacheHitRate"), "33.33%");
    assert_string_equal(text(requests, "errorRate"), "33.33%");
    json_decref(doc);
    metrics_turn(m, 11 * NS_PER_S);
    doc = document(m, 11 * NS_PER_S), f = json_object_get(json_object_get(doc, "features"), "improveClarity");
    requests = json_object_get(doc, "requests");
    assert_int_equal(number(f, "max"), 20);
    assert_int_equal(number(f, "avg"), 20);
    assert_int_equal(number(f, "count"), 2);
    assert_int_equal(number(f, "errors"), 1);
    assert_int_equal(number(requests, "total"), 3);
    assert_string_equal(text(requests, "cacheHitRate"), "0.00%");
    assert_string_equal(text(requests, "errorRate"), "0.00%");
    json_decref(doc);
    metrics_turn(m, 3600 * NS_PER_S); /* nobody turned it for an hour */
    doc = document(m, 3600 * NS_PER_S),
    f = json_object_get(json_object_get(doc, "features"), "improveClarity");
    assert_int_equal(number(f, "p99"), 0);
    assert_int_equal(number(f, "count"), 2);
    json_decref(doc);
    metrics_free(m);
}

/* Answered in the window, arrived before it: a rate is a share all the same. */
static void test_rates_are_shares(void **state)
{
    struct metrics *m = metrics_new(0);
    metrics_window(m, 10, 0);
    metrics_arrived(m, CLARITY);
    metrics_arrived(m, CLARITY);
    for (uint64_t s = 1; s <= 11; s++)
        metrics_turn(m, s * NS_PER_S);
    finish(m, CLARITY, OUTCOME_CACHED, 1);
    metrics_finished(m, CLARITY, OUTCOME_CACHED, 1);
    metrics_finished(m, CLARITY, OUTCOME_CACHED, 1);
    json_t *doc = document(m, 11 * NS_PER_S);
    assert_string_equal(text(json_object_get(doc, "requests"), "cacheHitRate"), "100.00%");
    json_decref(doc);
    metrics_free(m);
}

static void test_providers(void **state)
{
    struct metrics *m = metrics_new(0);
    json_t *doc = document(m, 0);
    assert_null(json_object_get(doc, "providers"));
    json_decref(doc);
    struct metrics_provider *a = metrics_provider(m, "replicate"), *b = metrics_provider(m, "cog");
    for (int i = 0; i < PROVIDER_COUNTS; i++)
        metrics_count(a, CLARITY, (enum provider_count)i, 100u + (unsigned)i);
    metrics_count(b, NULL, PROVIDER_CREATES, 1);
    metrics_count(NULL, CLARITY, PROVIDER_CREATES, 1);
    doc = document(m, 0);
    json_t *all = json_object_get(doc, "providers"), *one = json_object_get(all, "replicate");
    json_t *outcomes = json_object_get(one, "outcomes"), *retries = json_object_get(one, "retries");
    assert_int_equal(number(one, "creates"), 100 + PROVIDER_CREATES);
    assert_int_equal(number(outcomes, "succeeded"), 100 + PROVIDER_SUCCEEDED);
    assert_int_equal(number(outcomes, "failed"), 100 + PROVIDER_FAILED);
    assert_int_equal(number(outcomes, "unavailable"), 100 + PROVIDER_UNAVAILABLE);
    assert_int_equal(number(outcomes, "canceled"), 100 + PROVIDER_CANCELED);
    assert_int_equal(number(outcomes, "unknown"), 100 + PROVIDER_UNKNOWN);
    assert_int_equal(number(retries, "throttled"), 100 + PROVIDER_AGAIN_THROTTLED);
    assert_int_equal(number(retries, "unsent"), 100 + PROVIDER_AGAIN_UNSENT);
    assert_int_equal(number(retries, "server"), 100 + PROVIDER_AGAIN_SERVER);
    assert_int_equal(number(retries, "platform"), 100 + PROVIDER_AGAIN_PLATFORM);
    assert_int_equal(number(one, "lookups"), 100 + PROVIDER_LOOK_UPS);
    assert_int_equal(number(one, "rateWaitMs"), 100 + PROVIDER_RATE_WAIT_MS);
    assert_int_equal(number(one, "breakersOpened"), 100 + PROVIDER_BREAKERS_OPENED);
    assert_int_equal(number(json_object_get(all, "cog"), "creates"), 1);
    json_decref(doc);
    metrics_free(m);
}

/* What was before is added to the counts, not to the times and rates. */
static void test_the_past(void **state)
{
    struct metrics *m = metrics_new(0);
    struct metrics_past past = {.known = true, .since_s = 86400};
    struct metrics_cache told = {.past = &past};
    past.feature[FEATURE_ENHANCE].success = 7;
    past.feature[FEATURE_ENHANCE].cached = 3;
    past.feature[FEATURE_CLARITY].error = 2;
    finish(m, CLARITY, OUTCOME_SUCCESS, 100);
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 65536);
    metrics_json(m, NS_PER_S, &told, &b);
    const char *expected = "{\"uptime\":\"1s\",\"since\":\"1970-01-02T00:00:00Z\",\"history\":\"known\","
                           "\"requests\":{\"total\":10,"
                           "\"success\":8,\"error\":2,\"cached\":3,\"cacheHitRate\":\"0.00%\",\"errorRate\":"
                           "\"0.00%\"},\"features\":{"
                           "\"improveClarity\":{\"count\":1,";
    assert_memory_equal(buf_text(&b), expected, strlen(expected));
    assert_non_null(strstr(buf_text(&b), "\"errors\":2},\"imageEnhance\":{\"count\":7,\"avg\":0,"));
    json_t *doc = document(m, NS_PER_S);
    assert_string_equal(text(doc, "history"), "off");
    json_decref(doc);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_yet),
        cmocka_unit_test(test_the_past),
        cmocka_unit_test(test_the_contracts_example),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_times_are_rounded),
        cmocka_unit_test(test_typical_time),
        cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_providers),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_rates_are_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
