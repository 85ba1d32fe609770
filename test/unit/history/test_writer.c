/* Batches into the database and back, on both engines. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "history_rig.h"
#include "postgres.h"
#include "scratch.h"
#include "small_disk.h"

enum { HOUR = 3600 };

static bool on_postgres;

static int set_up(void **state)
{
    *state = history_rig_new(on_postgres ? postgres_database() : NULL);
    return 0;
}

static int tear_down(void **state)
{
    history_rig_free(*state);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

/* The beginning of an hour that is over, not longer ago than the short steps are kept. */
static int64_t an_hour(void)
{
    int64_t now = clock_wall_s();
    return now - now % HOUR - HOUR;
}

static void add_hits(struct history_rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        history_rig_add(rig, HISTORY_HIT, 1000000, 0);
}

static const json_t *first_whole(const json_t *doc)
{
    return json_object_get(json_array_get(json_object_get(doc, "series"), 0), "whole");
}

/* ---- what is in it ---- */

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void check_times(const json_t *point, const char *name, uint64_t *samples, size_t count)
{
    static const struct {
        const char *name;
        double q;
    } asked[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}};
    const json_t *times = json_object_get(point, name);
    double sum = 0;
    qsort(samples, count, sizeof(*samples), by_size);
    for (size_t i = 0; i < count; i++)
        sum += (double)samples[i];
    for (unsigned i = 0; i < ARRAY_LEN(asked); i++) {
        double exact = (double)samples[(size_t)ceil(asked[i].q * (double)count) - 1] / 1e6;
        double got = json_number_value(json_object_get(times, asked[i].name));
        if (fabs(got - exact) / exact > 0.01)
            fail_msg("%s %s: %g instead of %g", name, asked[i].name, got, exact);
    }
    double avg = json_number_value(json_object_get(times, "avg"));
    assert_true(fabs(avg - sum / (double)count / 1e6) < 0.002 * avg);
}

/* An hour of batches of ten seconds: the percentiles of the hour's point are those of all its samples. */
static void test_percentiles_are_of_all_samples(void **state)
{
    enum { BATCHES = 360, EACH = 60 };
    struct history_rig *rig = *state;
    uint64_t *total = mem_alloc(BATCHES * EACH * sizeof(*total)),
             *overhead = mem_alloc(BATCHES * EACH * sizeof(*total)),
             *provided = mem_alloc(BATCHES * EACH * sizeof(*total));
    struct rng rng;
    int64_t at = an_hour();
    unsigned n = 0;
    rng_seed(&rng, 7);
    for (unsigned b = 0; b < BATCHES; b++) {
        for (unsigned i = 0; i < EACH; i++, n++) {
            provided[n] = (uint64_t)(5e7 * exp(2 * (rng_unit(&rng) + rng_unit(&rng))));
            overhead[n] = (uint64_t)(5e5 * exp(3 * rng_unit(&rng) + (b % 60 == 0 ? 2 : 0)));
            total[n] = provided[n] + overhead[n];
            history_rig_add(rig, HISTORY_RUN, total[n], provided[n]);
        }
        history_rig_batch(rig, "a", b + 1, at + 10 * (int64_t)b);
    }
    history_rig_apply(rig);
    static const unsigned steps[] = {10, 60, HOUR};
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
        json_t *doc = history_rig_ask(rig, at, at + HOUR, steps[i]);
        const json_t *whole = first_whole(doc);
        assert_int_equal(json_integer_value(json_object_get(whole, "requests")), n);
        check_times(whole, "latency_ms", total, n);
        check_times(whole, "overhead_ms", overhead, n);
        check_times(whole, "provider_ms", provided, n);
        json_decref(doc);
    }
    free(total);
    free(overhead);
    free(provided);
}

static void test_outcomes(void **state)
{
    struct history_rig *rig = *state;
    int64_t at = an_hour();
    for (unsigned o = 0; o < HISTORY_OUTCOMES; o++)
        for (unsigned i = 0; i <= o; i++)
            history_rig_add(rig, (enum history_outcome)o, 1000000 * (o < HISTORY_REFUSED ? 1 : 1000), 0);
    history_rig_batch(rig, "a", 1, at + 50);
    history_rig_apply(rig);
    json_t *doc = history_rig_ask(rig, at, at + HOUR, 10);
    const json_t *series = json_array_get(json_object_get(doc, "series"), 0);
    assert_string_equal(json_string_value(json_object_get(series, "feature")), features[0].name);
    assert_int_equal(json_array_size(json_object_get(series, "points")), 1);
    const json_t *point = json_array_get(json_object_get(series, "points"), 0);
    assert_int_equal(json_integer_value(json_object_get(point, "at")), at + 50);
    for (unsigned o = 0; o < HISTORY_OUTCOMES; o++)
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(point, "outcomes"), history_outcomes[o])),
            o + 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(point, "ran_on"), "local")), 6);
    /* Those that failed, slowly, are not in the times. */
    assert_true(json_number_value(json_object_get(json_object_get(point, "latency_ms"), "p99.9")) < 1.02);
    json_decref(doc);
    struct history_totals totals;
    assert_int_equal(writer_totals(&rig->writer, &totals, &rig->e), 0);
    assert_true(totals.known);
    for (unsigned o = 0; o < HISTORY_OUTCOMES; o++)
        assert_int_equal(totals.feature[0].requests[o], o + 1);
    assert_int_equal(totals.feature[0].latency_us, 6000);
    assert_int_equal(totals.feature[1].requests[0], 0);
}

/* Of what is in the database, our own share is not told: we have counted it ourselves. */
static void test_totals_without_our_own(void **state)
{
    struct history_rig *rig = *state;
    struct history_totals totals;
    rig->writer.source = "us";
    for (unsigned i = 1; i <= 2; i++) {
        add_hits(rig, 5);
        history_rig_batch(rig, "us", i, an_hour());
        add_hits(rig, 2);
        history_rig_batch(rig, "they", i, an_hour());
        history_rig_apply(rig);
        assert_int_equal(writer_totals(&rig->writer, &totals, &rig->e), 0);
        assert_int_equal(totals.feature[0].requests[HISTORY_HIT], 2 * i);
    }
    add_hits(rig, 5); /* it is there already, by a commit whose outcome we did not learn */
    rig->writer.own = (struct history_totals){0};
    history_rig_batch(rig, "us", 2, an_hour());
    history_rig_apply(rig);
    assert_int_equal(writer_totals(&rig->writer, &totals, &rig->e), 0);
    assert_int_equal(totals.feature[0].requests[HISTORY_HIT], 14 - 5);
}

/* ---- once ---- */

/* ---- money ---- */

static double usd(const json_t *point, const char *name)
{
    return json_number_value(json_object_get(point, name));
}

static void add_money(struct history_rig *rig, enum history_outcome o, uint64_t cost_nano,
                      uint64_t saved_nano)
{
    tally_add(rig->tally, &(struct history_sample){.feature = &features[0],
                                                   .provider = "local",
                                                   .outcome = o,
                                                   .total_ns = 1000000,
                                                   .cost_nano = cost_nano,
                                                   .saved_nano = saved_nano});
}

static void test_money(void **state)
{
    struct history_rig *rig = *state;
    int64_t hour = an_hour();
    for (uint64_t i = 0; i < 2; i++) {
        add_money(rig, HISTORY_RUN, 1500000000, 0);
        add_money(rig, HISTORY_HIT, 0, 1500000000);
        add_money(rig, HISTORY_FAILED, 250000000, 0); /* it was billed all the same */
        history_rig_batch(rig, "a", i + 1, hour + 10 * (int64_t)i);
    }
    history_rig_apply(rig);
    json_t *doc = history_rig_ask(rig, hour, hour + HOUR, HOUR);
    assert_true(usd(first_whole(doc), "cost_usd") == 3.5);
    assert_true(usd(first_whole(doc), "saved_usd") == 3);
    json_decref(doc);
    assert_int_equal(history_rig_number(rig, "SELECT CAST(SUM(cost_nano) AS BIGINT) FROM history_total"),
                     3500000000);
}

/* Of a program that knew of no money: its spill is read as it is. */
static void test_an_older_batch(void **state)
{
    struct history_rig *rig = *state;
    int64_t hour = an_hour();
    BUF_ON_EXIT struct buf bytes, sketch;
    static const char *const words[] = {"improveClarity", "local", "hit"};
    buf_init(&bytes, BATCH_MAX);
    buf_init(&sketch, BATCH_MAX);
    sketch_clear(rig->writer.sketch);
    sketch_encode(rig->writer.sketch, &sketch);
    wire_put(&bytes, 1);
    wire_put_bytes(&bytes, "old", 3);
    wire_put(&bytes, 1);
    wire_put(&bytes, (uint64_t)hour);
    for (unsigned row = 0; row < 2; row++) {
        for (unsigned i = 0; i < ARRAY_LEN(words); i++)
            wire_put_bytes(&bytes, words[i], strlen(words[i]));
        for (unsigned i = 0; i < 3; i++) /* requests, latency_us, provider_us */
            wire_put(&bytes, 7);
        for (unsigned i = 0; i < 3; i++)
            wire_put_bytes(&bytes, sketch.data, sketch.len);
    }
    BLOB_ON_EXIT struct blob *batch = buf_take_blob(&bytes);
    spill_append(rig->writer.spill, batch);
    history_rig_apply(rig);
    assert_int_equal(history_rig_requests(rig, hour, hour + HOUR, HOUR), 14);
}

static void test_a_batch_counts_once(void **state)
{
    struct history_rig *rig = *state;
    int64_t at = an_hour();
    for (unsigned i = 0; i < 3; i++) { /* it came back: its outcome was not known, or the process died */
        add_hits(rig, 5);
        history_rig_batch(rig, "a", 7, at);
        history_rig_apply(rig);
    }
    assert_int_equal(history_rig_requests(rig, at, at + HOUR, HOUR), 5);
    add_hits(rig, 1);
    history_rig_batch(rig, "a", 8, at + 10);
    add_hits(rig, 100);
    history_rig_batch(rig, "a", 7, at);
    add_hits(rig, 10);
    history_rig_batch(rig, "b", 1, at); /* another process */
    history_rig_apply(rig);
    static const unsigned steps[] = {10, 60, HOUR};
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        assert_int_equal(history_rig_requests(rig, at, at + HOUR, steps[i]), 16);
    assert_int_equal(history_rig_number(rig, "SELECT CAST(SUM(requests) AS BIGINT) FROM history_total"), 16);
}

/* A batch whose bytes are no batch does not stand in the way of others. */
static void test_an_unreadable_batch(void **state)
{
    struct history_rig *rig = *state;
    BLOB_ON_EXIT struct blob *bad = blob_copy("\x09nonsense", 9);
    spill_append(rig->writer.spill, bad);
    add_hits(rig, 2);
    history_rig_batch(rig, "a", 1, an_hour());
    history_rig_apply(rig);
    assert_int_equal(history_rig_requests(rig, an_hour(), an_hour() + HOUR, HOUR), 2);
}

/* ---- old and new ---- */

static void test_retention(void **state)
{
    struct history_rig *rig = *state;
    int64_t now = clock_wall_s(), old = now - 3 * HOUR, older = now - 8 * 86400;
    static const char *const counts[] = {"SELECT COUNT(*) FROM history_10s",
                                         "SELECT COUNT(*) FROM history_1m",
                                         "SELECT COUNT(*) FROM history_1h"};
    add_hits(rig, 1); /* what comes late goes only where it is still kept */
    history_rig_batch(rig, "a", 1, old - old % 10);
    add_hits(rig, 1);
    history_rig_batch(rig, "a", 2, older - older % 10);
    add_hits(rig, 1);
    history_rig_batch(rig, "a", 3, now - now % 10);
    history_rig_apply(rig);
    for (int i = 0; i < 3; i++)
        assert_int_equal(history_rig_number(rig, counts[i]), i + 1);
    /* As time goes by. */
    assert_int_equal(writer_clear_old(&rig->writer, now, &rig->e), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(history_rig_number(rig, counts[i]), i + 1);
    assert_int_equal(writer_clear_old(&rig->writer, now + 3 * HOUR, &rig->e), 0);
    assert_int_equal(history_rig_number(rig, counts[0]), 0);
    assert_int_equal(history_rig_number(rig, counts[1]), 2);
    assert_int_equal(writer_clear_old(&rig->writer, now + 8 * 86400, &rig->e), 0);
    assert_int_equal(history_rig_number(rig, counts[1]), 0);
    assert_int_equal(history_rig_number(rig, counts[2]), 3);
    assert_int_equal(writer_clear_old(&rig->writer, now + 401ll * 86400, &rig->e), 0);
    assert_int_equal(history_rig_number(rig, counts[2]), 0);
    assert_int_equal(history_rig_number(rig, "SELECT COUNT(*) FROM history_source"), 0);
    assert_int_equal(history_rig_number(rig, "SELECT CAST(SUM(requests) AS BIGINT) FROM history_total"), 3);
}

/* Many old rows go a part at a time. */
static void test_bounded_deletes(void **state)
{
    struct history_rig *rig = *state;
    assert_int_equal(db_connect(rig->db, &rig->e), 0);
    assert_true(
        db_write(rig->db, &rig->e,
                 "INSERT INTO history_10s SELECT n, 'f', 'p', 'hit', 1, 1, 0, $1, $1, $1, 0, 0 FROM (WITH "
                 "RECURSIVE "
                 "c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000) SELECT n FROM c) AS rows",
                 DB_ARGS(DB_B("", 0))) == 5000);
    int64_t now = clock_wall_s(), left = 5000;
    for (unsigned i = 1; left > 0; i++) {
        assert_int_equal(writer_clear_old(&rig->writer, now + 60 * i, &rig->e), 0);
        int64_t after = history_rig_number(rig, "SELECT COUNT(*) FROM history_10s");
        assert_int_equal(left - after, MIN(left, 2000));
        left = after;
    }
}

static void test_from_version_1(void **state)
{
    struct history_rig *rig = *state;
    struct db *old = history_rig_open(rig, 1);
    assert_int_equal(db_connect(old, &rig->e), 0);
    assert_true(
        db_write(
            old, &rig->e,
            "INSERT INTO history_1h VALUES (0, 'improveClarity', 'local', 'run', 3, 30, 20, $1, $1, $1), "
            "(3600, 'improveClarity', 'local', 'run', 4, 40, 20, $1, $1, $1), "
            "(3600, 'improveClarity', '', 'refused', 1, 5, 0, $1, $1, $1)",
            DB_ARGS(DB_B("", 0))) == 3);
    db_free(old);
    struct history_totals totals;
    assert_int_equal(db_connect(rig->db, &rig->e), 0);
    assert_int_equal(writer_totals(&rig->writer, &totals, &rig->e), 0);
    unsigned f = 0;
    while (strcmp(features[f].name, "improveClarity") != 0)
        f++;
    assert_int_equal(totals.feature[f].requests[HISTORY_RUN], 7);
    assert_int_equal(totals.feature[f].requests[HISTORY_REFUSED], 1);
    assert_int_equal(totals.feature[f].latency_us, 70);
    add_hits(rig, 1);
    history_rig_batch(rig, "a", 1, clock_wall_s());
    history_rig_apply(rig);
}

/* ---- the database away ---- */

static void cannot_apply(struct history_rig *rig, unsigned waiting)
{
    int r = db_connect(rig->db, &rig->e);
    if (r == 0)
        r = writer_apply(&rig->writer, 60000, NULL, &rig->e);
    assert_int_equal(r, -ERR_DATABASE);
    assert_int_equal(spill_stats(rig->writer.spill).batches, waiting);
}

static void test_locked_by_another_writer(void **state)
{
    struct history_rig *rig = *state;
    struct db *other = history_rig_open(rig, 0);
    int64_t at = an_hour();
    assert_int_equal(db_connect(rig->db, &rig->e), 0);
    assert_int_equal(db_connect(other, &rig->e), 0);
    assert_int_equal(db_begin(other, DB_LOCK_HISTORY, &rig->e), 0);
    for (unsigned i = 1; i <= 3; i++) {
        add_hits(rig, i);
        history_rig_batch(rig, "a", i, at + 10 * i);
        cannot_apply(rig, i);
    }
    db_rollback(other);
    db_free(other);
    history_rig_apply(rig);
    assert_int_equal(history_rig_requests(rig, at, at + HOUR, 10), 6);
}

static void test_a_full_disk(void **state)
{
    struct history_rig *rig = *state;
    FREE_ON_EXIT char *filler = mem_printf("%s/filler", rig->folder);
    int64_t at = an_hour();
    spill_close(rig->writer.spill);
    if (!small_disk_mount(rig->folder, 8 << 20))
        skip();
    rig->writer.spill = spill_open(rig->folder, "spill", 1 << 20);
    add_hits(rig, 1);
    history_rig_batch(rig, "a", 1, at);
    history_rig_apply(rig);
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = {0};
    while (write(fd, block, sizeof(block)) > 0)
        ;
    unsigned failed = 0;
    for (unsigned i = 2; i <= 300; i++) { /* the write-ahead log has some room of its own */
        add_hits(rig, 1);
        history_rig_batch(rig, "a", i, at + 10 * i);
        assert_int_equal(db_connect(rig->db, &rig->e), 0);
        int r = writer_apply(&rig->writer, 60000, NULL, &rig->e);
        assert_true(r == 1 || r == -ERR_DATABASE);
        failed += r < 0;
    }
    assert_true(failed > 100);
    assert_non_null(strstr(rig->e.reason, "no room"));
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    history_rig_apply(rig);
    assert_int_equal(history_rig_requests(rig, at, at + HOUR, 10), 300);
    db_free(rig->db);
    rig->db = history_rig_open(rig, 0);
    rig->writer.db = rig->db;
    spill_close(rig->writer.spill);
    small_disk_unmount(rig->folder);
    rig->writer.spill = spill_open(rig->folder, "spill", 1 << 20);
}

static void test_postgres_killed_and_started_again(void **state)
{
    struct history_rig *rig = *state;
    int64_t at = an_hour();
    add_hits(rig, 1);
    history_rig_batch(rig, "a", 1, at);
    history_rig_apply(rig);
    postgres_kill();
    for (unsigned i = 2; i <= 20; i++) {
        add_hits(rig, 1);
        history_rig_batch(rig, "a", i, at + 10 * i);
        cannot_apply(rig, i - 1);
    }
    postgres_again();
    usleep(1100000); /* it rests after a connection that failed */
    history_rig_apply(rig);
    assert_int_equal(history_rig_requests(rig, at, at + HOUR, 10), 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest alone[] = {TEST(test_a_full_disk)}; /* while there is one thread */
    const struct CMUnitTest both[] = {
        TEST(test_percentiles_are_of_all_samples),
        TEST(test_outcomes),
        TEST(test_totals_without_our_own),
        TEST(test_money),
        TEST(test_an_older_batch),
        TEST(test_a_batch_counts_once),
        TEST(test_an_unreadable_batch),
        TEST(test_retention),
        TEST(test_bounded_deletes),
        TEST(test_from_version_1),
        TEST(test_locked_by_another_writer),
    };
    const struct CMUnitTest postgres[] = {TEST(test_postgres_killed_and_started_again)};
    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    failed += cmocka_run_group_tests_name("history: sqlite", both, NULL, NULL);
    on_postgres = postgres_start();
    if (!on_postgres) {
        assert_null(getenv("CI"));
        return failed;
    }
    failed += cmocka_run_group_tests_name("history: postgres", both, NULL, NULL);
    failed += cmocka_run_group_tests(postgres, NULL, NULL);
    postgres_stop();
    return failed;
}
