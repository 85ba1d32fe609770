#include "request/figures.h"

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"

struct rig {
    struct services svc;
    struct request req;
    uint64_t at_ns;
};

static int set_up(void **state)
{
    struct rig *r = NEW(struct rig);
    r->svc.metrics = metrics_new(0);
    r->at_ns = NS_PER_S;
    r->req = (struct request){.svc = &r->svc, .feature = &features[FEATURE_CLARITY]};
    params_init(&r->req.validate.params, r->req.feature);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    result_unref(r->req.settle.result);
    metrics_free(r->svc.metrics);
    free(r);
    return 0;
}

static void pass(struct rig *r, enum stage_id stage, uint64_t ms)
{
    r->req.entered_ns[stage] = r->at_ns;
    r->req.left_ns[stage] = r->at_ns += ms * NS_PER_MS;
}

static void admit(struct rig *r, uint64_t admission_ms, uint64_t receive_ms)
{
    r->req.receive.admitted_ns = r->at_ns + admission_ms * NS_PER_MS;
    pass(r, STAGE_RECEIVE, admission_ms + receive_ms);
}

static void finish(struct rig *r)
{
    figures_of_request(&r->req, r->at_ns - NS_PER_S);
}

static uint64_t value(struct rig *r, enum metric_id id, unsigned series)
{
    return cells_value(metrics_cells(r->svc.metrics), id, series);
}

static uint64_t sum_ms(struct rig *r, enum metric_id id, unsigned series)
{
    struct cells_histogram h;
    cells_histogram(metrics_cells(r->svc.metrics), id, series, &h);
    assert_true(h.count <= 1);
    return h.sum / NS_PER_MS;
}

/* A run with everything in it, after a provider that failed for 500 ms. */
static void spans_and_overhead(void **state)
{
    struct rig *r = *state;
    r->req.settle.result = result_new();
    admit(r, 1, 100);
    pass(r, STAGE_VALIDATE, 2);
    pass(r, STAGE_LOOKUP, 3);
    pass(r, STAGE_JOIN, 4);
    pass(r, STAGE_PRESCALE, 20);
    r->at_ns += 500 * NS_PER_MS;
    r->req.run.earlier_ns = 500 * NS_PER_MS;
    pass(r, STAGE_QUEUE, 30);
    pass(r, STAGE_RUN, 1000);
    pass(r, STAGE_READ_OUTPUT, 7); /* nothing lay elsewhere */
    pass(r, STAGE_COMPOSE, 1);     /* it is no feature that composes */
    pass(r, STAGE_STORE, 40);
    finish(r);
    static const struct {
        enum metric_value span;
        uint64_t ms;
    } expected[] = {{V_SPAN_ADMISSION, 1}, {V_SPAN_RECEIVE, 100}, {V_SPAN_FETCH, 0},     {V_SPAN_VALIDATE, 2},
                    {V_SPAN_CACHE, 3},     {V_SPAN_JOIN, 4},      {V_SPAN_PRESCALE, 20}, {V_SPAN_QUEUE, 30},
                    {V_SPAN_RUN, 1000},    {V_SPAN_READ, 0},      {V_SPAN_COMPOSE, 0},   {V_SPAN_STORE, 40},
                    {V_SPAN_SHARED, 0}};
    assert_int_equal(ARRAY_LEN(expected), V_SPAN_END);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_int_equal(sum_ms(r, M_SPANS, (unsigned)expected[i].span), expected[i].ms);
    /* not: 100 of receive, 4 of join, 500 and 1000 of runs, 7 of read */
    assert_int_equal(sum_ms(r, M_OVERHEAD, 0), 1 + 2 + 3 + 20 + 30 + 1 + 40);
    assert_int_equal(value(r, M_REQUESTS, metric_series(M_REQUESTS, FEATURE_CLARITY, V_OUTCOME_RUN, 0)), 1);
    assert_int_equal(
        value(r, M_CACHE_REQUESTS, metric_series(M_CACHE_REQUESTS, V_TIER_MEMORY, V_RESULT_MISS, 0)), 1);
}

static void twins_and_hits(void **state)
{
    struct rig *r = *state;
    r->req.settle.result = result_new();
    r->req.join.collapsed = true;
    finish(r);
    assert_int_equal(value(r, M_REQUESTS, metric_series(M_REQUESTS, FEATURE_CLARITY, V_OUTCOME_TWIN, 0)), 1);
    assert_int_equal(value(r, M_FOLLOWERS, FEATURE_CLARITY), 1);
    r->req.lookup.hit = TAKE(r->req.settle.result);
    r->req.join.collapsed = false;
    finish(r);
    result_unref(TAKE(r->req.lookup.hit));
    assert_int_equal(value(r, M_REQUESTS, metric_series(M_REQUESTS, FEATURE_CLARITY, V_OUTCOME_HIT, 0)), 1);
    assert_int_equal(value(r, M_FOLLOWERS, FEATURE_CLARITY), 1);
    assert_int_equal(
        value(r, M_CACHE_REQUESTS, metric_series(M_CACHE_REQUESTS, V_TIER_MEMORY, V_RESULT_HIT, 0)), 1);
}

/* Its requests run each for itself, whatever the cache has. */
static void what_is_not_kept(void **state)
{
    struct rig *r = *state;
    r->req.feature = &features[FEATURE_RELIGHT];
    params_init(&r->req.validate.params, r->req.feature);
    r->req.settle.result = result_new();
    finish(r);
    assert_int_equal(
        value(r, M_CACHE_REQUESTS, metric_series(M_CACHE_REQUESTS, V_TIER_MEMORY, V_RESULT_BYPASS, 0)), 1);
}

/* A step of another request shows its stages only. */
static void steps(void **state)
{
    struct rig *r = *state;
    r->req.feature = &features[FEATURE_CUTOUT];
    params_init(&r->req.validate.params, r->req.feature);
    r->req.settle.result = result_new();
    pass(r, STAGE_PRESCALE, 20);
    finish(r);
    assert_int_equal(sum_ms(r, M_SPANS, V_SPAN_PRESCALE), 20);
    assert_int_equal(sum_ms(r, M_OVERHEAD, 0), 0);
    for (unsigned o = 0; o < V_OUTCOME_END; o++)
        assert_int_equal(value(r, M_REQUESTS, metric_series(M_REQUESTS, FEATURE_CUTOUT, o, 0)), 0);
}

static void who_is_not_let_in(void **state)
{
    static const struct {
        enum err code;
        enum stage_id reached; /* and no further */
        unsigned reason;       /* V_REFUSAL_END: that is no refusal */
    } cases[] = {
        {ERR_QUEUE_FULL, STAGE_QUEUE, V_REFUSAL_QUEUE_FULL},
        {ERR_QUEUE_FULL, STAGE_PRESCALE, V_REFUSAL_QUEUE_FULL},
        {ERR_DEADLINE, STAGE_QUEUE, V_REFUSAL_QUEUE_TIMEOUT},
        {ERR_DEADLINE, STAGE_RUN, V_REFUSAL_END},
        {ERR_DEADLINE, STAGE_PRESCALE, V_REFUSAL_END},
        {ERR_RATE_LIMIT, STAGE_RECEIVE, V_REFUSAL_RATE},
        {ERR_DRAINING, STAGE_RECEIVE, V_REFUSAL_DRAINING},
        {ERR_UNAUTHORIZED, STAGE_RECEIVE, V_REFUSAL_UNAUTHORIZED},
        {ERR_PROVIDER_UNAVAILABLE, STAGE_QUEUE, V_REFUSAL_UNAVAILABLE},
        {ERR_PROVIDER_UNAVAILABLE, STAGE_RUN, V_REFUSAL_END},
        {ERR_UPSTREAM, STAGE_RUN, V_REFUSAL_END},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig *r;
        set_up((void **)&r);
        for (enum stage_id s = 0; s <= cases[i].reached; s++)
            pass(r, s, 1);
        r->req.err.code = cases[i].code;
        finish(r);
        for (unsigned reason = 0; reason < V_REFUSAL_END; reason++)
            assert_int_equal(value(r, M_REJECTED, metric_series(M_REJECTED, V_CLASS_LIGHT, reason, 0)),
                             reason == cases[i].reason);
        assert_int_equal(value(r, M_REQUESTS, metric_series(M_REQUESTS, FEATURE_CLARITY, V_OUTCOME_ERROR, 0)),
                         1);
        assert_int_equal(sum_ms(r, M_OVERHEAD, 0), 0);
        tear_down((void **)&r);
    }
}

static void pictures_that_are_not_taken(void **state)
{
    static const struct {
        enum err code;
        enum stage_id reached;
        unsigned reason;
    } cases[] = {
        {ERR_PAYLOAD_TOO_LARGE, STAGE_RECEIVE, V_SOURCE_BYTES},
        {ERR_UNSUPPORTED_MEDIA_TYPE, STAGE_VALIDATE, V_SOURCE_FORMAT},
        {ERR_VALIDATION, STAGE_PRESCALE, V_SOURCE_PICTURE},
        {ERR_VALIDATION, STAGE_VALIDATE, V_SOURCE_END}, /* a field */
        {ERR_INTERNAL, STAGE_PRESCALE, V_SOURCE_END},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig *r;
        set_up((void **)&r);
        for (enum stage_id s = 0; s <= cases[i].reached; s++)
            pass(r, s, 1);
        r->req.err.code = cases[i].code;
        finish(r);
        for (unsigned reason = 0; reason < V_SOURCE_END; reason++)
            assert_int_equal(value(r, M_SOURCE_REJECTED, reason), reason == cases[i].reason);
        tear_down((void **)&r);
    }
}

static void exchanges(void **state)
{
    struct rig *r = *state;
    struct http_figures f = {METRIC_ROUTE_STATUS, "GET", "the-id", 0, 3 * NS_PER_MS, NS_PER_S, 1000, 1001};
    figures_of_exchange(r->svc.metrics, &f);
    unsigned left = metric_series(M_HTTP_REQUESTS, METRIC_ROUTE_STATUS, V_METHOD_GET, metric_code(499));
    assert_int_equal(value(r, M_HTTP_REQUESTS, left), 1);
    assert_int_equal(sum_ms(r, M_HTTP_DURATION, METRIC_ROUTE_STATUS), 3);
    struct cells_histogram h;
    cells_histogram(metrics_cells(r->svc.metrics), M_HTTP_REQUEST_BODY, 0, &h);
    assert_int_equal(h.bucket[0], 1); /* 1 kB at most */
    cells_histogram(metrics_cells(r->svc.metrics), M_HTTP_RESPONSE_BODY, 0, &h);
    assert_int_equal(h.bucket[1], 1);
    assert_int_equal(h.sum, 1001);
    struct exemplar x;
    unsigned bucket = cells_bucket_of(M_HTTP_DURATION, f.ns);
    assert_true(exemplars_get(metrics_exemplars(r->svc.metrics), METRIC_ROUTE_STATUS, bucket, &x));
    assert_string_equal(x.id, "the-id");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spans_and_overhead),
        TEST(twins_and_hits),
        TEST(what_is_not_kept),
        TEST(steps),
        cmocka_unit_test(who_is_not_let_in),
        cmocka_unit_test(pictures_that_are_not_taken),
        TEST(exchanges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
