/* What providers count, as the Prometheus formats have it; the JSON is in test_metrics.c. */
#include "base/clock.h"
#include "metrics/metrics.h"
#include "scratch.h"

#define CLARITY (&features[FEATURE_CLARITY])

static unsigned place(enum metric_id id, unsigned model, unsigned reason)
{
    return metric_series(id, V_PROVIDER_REPLICATE, model, reason);
}

static void counts_by_model(void **state)
{
    struct metrics *m = metrics_new(0);
    struct cells *c = metrics_cells(m);
    struct metrics_provider *p = metrics_provider(m, "replicate");
    unsigned model = metric_model(CLARITY);
    for (unsigned i = 0; i < PROVIDER_COUNTS; i++)
        metrics_count(p, CLARITY, (enum provider_count)i, 10 + i);
    metrics_count(p, NULL, PROVIDER_BREAKERS_OPENED, 3);
    metrics_count(p, CLARITY, PROVIDER_RATE_WAIT_MS, 0); /* did not have to wait */
    for (unsigned r = 0; r < V_RETRY_END; r++)
        assert_int_equal(cells_value(c, M_UPSTREAM_RETRIES, place(M_UPSTREAM_RETRIES, model, r)),
                         10 + PROVIDER_AGAIN_THROTTLED + r);
    assert_int_equal(cells_value(c, M_UPSTREAM_LOOKUPS, place(M_UPSTREAM_LOOKUPS, model, 0)),
                     10 + PROVIDER_LOOK_UPS);
    assert_int_equal(cells_value(c, M_CIRCUIT_OPENED, place(M_CIRCUIT_OPENED, model, 0)),
                     10 + PROVIDER_BREAKERS_OPENED);
    assert_int_equal(cells_value(c, M_CIRCUIT_OPENED, place(M_CIRCUIT_OPENED, METRIC_MODEL_ACCOUNT, 0)), 3);
    struct cells_histogram h;
    cells_histogram(c, M_UPSTREAM_RATE_WAIT, place(M_UPSTREAM_RATE_WAIT, model, 0), &h);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.sum, (10 + PROVIDER_RATE_WAIT_MS) * NS_PER_MS);
    metrics_free(m);
}

static void circuits(void **state)
{
    struct metrics *m = metrics_new(0);
    struct cells *c = metrics_cells(m);
    struct metrics_provider *p = metrics_provider(m, "replicate");
    unsigned account = place(M_CIRCUIT, METRIC_MODEL_ACCOUNT, 0),
             model = place(M_CIRCUIT, metric_model(CLARITY), 0);
    metrics_circuit(p, CLARITY, 0);
    assert_true(cells_is_set(c, M_CIRCUIT, model));
    assert_false(cells_is_set(c, M_CIRCUIT, account));
    metrics_circuit(p, NULL, 2);
    assert_int_equal(cells_value(c, M_CIRCUIT, account), 2);
    assert_int_equal(cells_value(c, M_CIRCUIT, model), 0);
    metrics_free(m);
}

/* Not in the table of labels: the JSON has it, the others have not. */
static void strangers(void **state)
{
    struct metrics *m = metrics_new(0);
    struct metrics_provider *p = metrics_provider(m, "somebody");
    metrics_count(p, CLARITY, PROVIDER_LOOK_UPS, 1);
    metrics_circuit(p, CLARITY, 2);
    metrics_circuit(NULL, CLARITY, 2);
    for (unsigned i = 0; i < metric_series_count(M_CIRCUIT); i++) {
        assert_false(cells_is_set(metrics_cells(m), M_CIRCUIT, i));
        assert_int_equal(cells_value(metrics_cells(m), M_UPSTREAM_LOOKUPS, i), 0);
    }
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_by_model), cmocka_unit_test(circuits),
                                       cmocka_unit_test(strangers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
