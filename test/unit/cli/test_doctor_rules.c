#include "cli/doctor_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"

/* 100 requests and as many answers and runs, as /metrics writes them. */
#define SOME                                                                                                 \
    "limner_requests_total{feature=\"improveClarity\",outcome=\"run\"} 100\n"                                \
    "limner_http_requests_total{route=\"/api/clarity\",method=\"POST\",code=\"200\"} 100\n"                  \
    "limner_upstream_requests_total{provider=\"replicate\",model=\"a/b\",outcome=\"succeeded\"} 100\n"
#define WAITS(class, below, above)                                                                           \
    "limner_queue_wait_seconds_bucket{class=\"" class "\",le=\"1.0\"} " below "\n"                           \
                                                      "limner_queue_wait_seconds_bucket{class=\"" class      \
        "\",le=\"60.0\"} " above "\n"                                                                        \
        "limner_queue_wait_seconds_bucket{class=\"" class "\",le=\"+Inf\"} 100\n"
#define SPENT(span, below)                                                                                   \
    "limner_request_span_duration_seconds_bucket{span=\"" span "\",le=\"0.5\"} " below "\n"                  \
    "limner_request_span_duration_seconds_bucket{span=\"" span "\",le=\"10.0\"} 100\n"                       \
    "limner_request_span_duration_seconds_bucket{span=\"" span "\",le=\"+Inf\"} 100\n"
#define OVERHEAD(below)                                                                                      \
    "limner_overhead_seconds_bucket{le=\"0.5\"} " below                                                      \
    "\nlimner_overhead_seconds_bucket{le=\"10.0\"} 100\n"                                                    \
    "limner_overhead_seconds_bucket{le=\"+Inf\"} 100\n"
#define REFUSED(reason, n) "limner_admission_rejected_total{class=\"light\",reason=\"" reason "\"} " n "\n"
#define SOURCE(reason, n)  "limner_source_rejected_total{reason=\"" reason "\"} " n "\n"
#define RUNS(outcome, n)                                                                                     \
    "limner_upstream_requests_total{provider=\"replicate\",model=\"a/b\",outcome=\"" outcome "\"} " n "\n"
#define READY(status)                                                                                        \
    "{\"status\":\"" status "\",\"checks\":{\"draining\":false,\"store\":\"failed\",\"redis\":\"ok\"}}"

static const struct options closed = {.host = "127.0.0.1",
                                      .metrics_token = "",
                                      .metrics_addr = "",
                                      .api_keys = "",
                                      .replicate_token = "",
                                      .public_base_url = ""};
static const struct options open_wide = {.host = "0.0.0.0",
                                         .metrics_token = "",
                                         .metrics_addr = "",
                                         .api_keys = "",
                                         .replicate_token = "r8_",
                                         .public_base_url = ""};
static const struct options plain_http = {.host = "127.0.0.1",
                                          .metrics_token = "",
                                          .metrics_addr = "",
                                          .api_keys = "",
                                          .replicate_token = "r8_",
                                          .public_base_url = "http://images.example.com"};
static const struct options complete = {.host = "0.0.0.0",
                                        .metrics_token = "a-token",
                                        .metrics_addr = "",
                                        .api_keys = "a-key",
                                        .replicate_token = "r8_",
                                        .public_base_url = "https://images.example.com"};

struct seen {
    const char *prom, *ready;
    const struct options *opt;
    double disk, memory;
};

/* Of each rule: what makes it speak, and what is just not enough. */
static const struct {
    const char *rule;
    struct seen sick, well;
    const char *says; /* part of the sentence */
} cases[] = {
    {"unready",
     {.prom = SOME, .ready = READY("unready")},
     {.prom = SOME, .ready = READY("ready")},
     "(store: failed)"},
    {"degraded",
     {.prom = SOME, .ready = READY("degraded")},
     {.prom = SOME, .ready = READY("ready")},
     "degraded"},
    {"breaker",
     {.prom = SOME "limner_circuit_state{provider=\"replicate\",model=\"a/b\"} 2\n"},
     {.prom = SOME "limner_circuit_state{provider=\"replicate\",model=\"a/b\"} 1\n"},
     "a/b is switched off"},
    {"redis", {.prom = SOME "limner_redis_up 0\n"}, {.prom = SOME "limner_redis_up 1\n"}, "alone"},
    {"history-waiting",
     {.prom = "limner_history_batches_waiting 3\n"},
     {.prom = "limner_history_batches_waiting 2\n"},
     "3 batches"},
    {"history-lost",
     {.prom = "limner_history_batches_dropped_total 1\n"},
     {.prom = "limner_history_batches_dropped_total 0\n"},
     "lost"},
    {"money-unknown", {.prom = SOME RUNS("unknown", "1")}, {.prom = SOME}, "Of 1 runs"},
    {"runs-failed",
     {.prom = SOME RUNS("failed", "25")},
     {.prom = SOME RUNS("failed", "10")},
     "20 % of the model runs fail"},
    {"runs-unavailable",
     {.prom = SOME RUNS("unavailable", "25")},
     {.prom = SOME RUNS("unavailable", "10")},
     "20 %"},
    {"server-errors",
     {.prom = SOME "limner_http_requests_total{route=\"/api/clarity\",method=\"POST\",code=\"502\"} 4\n"},
     {.prom = SOME "limner_http_requests_total{route=\"/api/clarity\",method=\"POST\",code=\"422\"} 4\n"},
     "5xx"},
    {"queue-full",
     {.prom = SOME REFUSED("queue_full", "1")},
     {.prom = SOME REFUSED("queue_timeout", "1")},
     "1 % of the requests"},
    {"queue-timeout",
     {.prom = SOME REFUSED("queue_timeout", "1")},
     {.prom = SOME REFUSED("queue_full", "1")},
     "give up"},
    {"unavailable",
     {.prom = SOME REFUSED("unavailable", "1")},
     {.prom = SOME REFUSED("rate", "1")},
     "no provider"},
    {"disk", {.prom = SOME, .disk = 0.95}, {.prom = SOME, .disk = 0.85}, "95 % full"},
    {"memory", {.prom = SOME, .memory = 0.95}, {.prom = SOME, .memory = 0.9}, "95 % of this machine"},
    {"files",
     {.prom = "process_open_fds 90\nprocess_max_fds 100\n"},
     {.prom = "process_open_fds 80\nprocess_max_fds 100\n"},
     "90 %"},
    {"connections",
     {.prom = "limner_http_connections 90\nlimner_http_connections_limit 100\n"},
     {.prom = "limner_http_connections 80\nlimner_http_connections_limit 100\n"},
     "90 %"},
    {"wait-light",
     {.prom = SOME WAITS("light", "90", "100")},
     {.prom = SOME WAITS("light", "95", "100")},
     "light models"},
    {"wait-heavy",
     {.prom = SOME WAITS("heavy", "90", "100")},
     {.prom = SOME WAITS("heavy", "95", "100")},
     "heavy models"},
    {"wait-comic",
     {.prom = SOME WAITS("comic", "90", "100")},
     {.prom = SOME WAITS("light", "90", "100")},
     "comics"},
    {"wait-local",
     {.prom = SOME WAITS("local", "90", "100")},
     {.prom = SOME WAITS("local", "95", "100")},
     "this CPU"},
    {"wait-replace-bg",
     {.prom = SOME WAITS("replace-bg", "90", "100")},
     {.prom = SOME WAITS("fetch", "90", "100")},
     "backgrounds"},
    {"wait-fetch",
     {.prom = SOME WAITS("fetch", "90", "100")},
     {.prom = SOME WAITS("fetch", "95", "100")},
     "download"},
    {"throttled",
     {.prom = SOME
      "limner_upstream_retries_total{provider=\"replicate\",model=\"a/b\",reason=\"throttled\"} 2\n"},
     {.prom = SOME
      "limner_upstream_retries_total{provider=\"replicate\",model=\"a/b\",reason=\"throttled\"} 1\n"},
     "429"},
    {"rate", {.prom = SOME REFUSED("rate", "5")}, {.prom = SOME REFUSED("rate", "4")}, "too fast"},
    {"unauthorized",
     {.prom = SOME REFUSED("unauthorized", "10")},
     {.prom = SOME REFUSED("unauthorized", "9")},
     "API key"},
    {"too-large", {.prom = SOME SOURCE("bytes", "5")}, {.prom = SOME SOURCE("bytes", "4")}, "too many bytes"},
    {"format", {.prom = SOME SOURCE("format", "5")}, {.prom = SOME SOURCE("format", "4")}, "no JPEG"},
    {"picture", {.prom = SOME SOURCE("picture", "5")}, {.prom = SOME SOURCE("picture", "4")}, "damaged"},
    {"address", {.prom = SOME SOURCE("address", "5")}, {.prom = SOME SOURCE("address", "4")}, "address"},
    {"evictions",
     {.prom = SOME "limner_cache_evictions_total{tier=\"memory\"} 50\n"},
     {.prom = SOME "limner_cache_evictions_total{tier=\"memory\"} 10\n"},
     "50 %"},
    {"overhead",
     {.prom = SOME OVERHEAD("90")},
     {.prom = SOME OVERHEAD("99") WAITS("light", "1", "100")},
     "adds"},
    {"prescale", {.prom = SOME SPENT("prescale", "90")}, {.prom = SOME SPENT("prescale", "95")}, "Shrinking"},
    {"store", {.prom = SOME SPENT("store", "90")}, {.prom = SOME SPENT("prescale", "90")}, "Storing"},
    {"open-metrics", {.prom = SOME, .opt = &open_wide}, {.prom = SOME, .opt = &closed}, "metrics"},
    {"no-keys", {.prom = SOME, .opt = &open_wide}, {.prom = SOME, .opt = &complete}, "money"},
    {"no-base-url", {.prom = SOME, .opt = &open_wide}, {.prom = SOME, .opt = &plain_http}, "links"},
    {"no-webhooks", {.prom = SOME, .opt = &plain_http}, {.prom = SOME, .opt = &complete}, "again and again"},
};

static bool speaks(const struct rule *r, const struct seen *s, char **ret)
{
    struct sample now = {.prom = prom_parse(s->prom)};
    const struct doctor_local local = {
        .opt = s->opt ? s->opt : &closed, .disk_used = s->disk, .memory_used = s->memory};
    now.ready = s->ready ? json_loads(s->ready, 0, NULL) : NULL;
    bool said = doctor_judge(r, &(struct facts){.now = &now, .local = &local}, ret);
    sample_release(&now);
    return said;
}

static const struct rule *rule_of(const char *name)
{
    for (unsigned i = 0; i < doctor_rule_count; i++)
        if (strcmp(doctor_rules[i].name, name) == 0)
            return &doctor_rules[i];
    return NULL;
}

static void test_each_rule(void **state)
{
    assert_int_equal(ARRAY_LEN(cases), doctor_rule_count);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct rule *r = rule_of(cases[i].rule);
        FREE_ON_EXIT char *text = NULL;
        assert_non_null(r);
        if (speaks(r, &cases[i].well, &text))
            fail_msg("%s speaks of what is well: %s", r->name, text);
        if (!speaks(r, &cases[i].sick, &text))
            fail_msg("%s is silent", r->name);
        if (!strstr(text, cases[i].says))
            fail_msg("%s: %s", r->name, text);
        assert_null(strpbrk(text, "{}"));
    }
}

static void test_rules_are_in_order(void **state)
{
    for (unsigned i = 0; i < doctor_rule_count; i++) {
        bool known = !*doctor_rules[i].option;
        for (unsigned k = 0; k < option_row_count; k++)
            known |= strcmp(option_rows[k].name, doctor_rules[i].option) == 0;
        assert_true(known);
        assert_ptr_equal(rule_of(doctor_rules[i].name), &doctor_rules[i]);
        assert_true(*doctor_rules[i].advice);
    }
}

/* A gateway that is well, or has done nothing yet: silence. */
static void test_all_is_well(void **state)
{
    static const struct seen well[] = {
        {.prom = ""}, {.prom = SOME, .ready = READY("ready"), .opt = &complete, .disk = 0.5, .memory = 0.5}};
    for (unsigned i = 0; i < ARRAY_LEN(well) * doctor_rule_count; i++) {
        FREE_ON_EXIT char *text = NULL;
        if (speaks(&doctor_rules[i % doctor_rule_count], &well[i / doctor_rule_count], &text))
            fail_msg("%s", text);
    }
}

/* Between two samples with enough in between, only that counts. */
static void test_recent(void **state)
{
    struct sample before = {.prom = prom_parse(SOME SOURCE("bytes", "50"))};
    struct sample now = {
        .prom =
            prom_parse("limner_requests_total{feature=\"x\",outcome=\"run\"} 120\n" SOURCE("bytes", "50"))};
    const struct facts facts = {.now = &now, .before = &before};
    FREE_ON_EXIT char *text = NULL;
    assert_true(doctor_recent(&facts));
    assert_false(doctor_judge(rule_of("too-large"), &facts, &text));
    assert_true(doctor_judge(rule_of("too-large"), &(struct facts){.now = &now}, &text));
    sample_release(&before);
    sample_release(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_rule),
                                       cmocka_unit_test(test_rules_are_in_order),
                                       cmocka_unit_test(test_all_is_well), cmocka_unit_test(test_recent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
