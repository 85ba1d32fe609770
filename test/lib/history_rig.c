#include "history_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "history/read.h"
#include "scratch.h"

struct db *history_rig_open(struct history_rig *rig, unsigned schema)
{
    struct db *db;
    const struct db_config config = {
        .url = rig->url ? rig->url : "", .path = rig->path, .timeout_ms = 500, .newest_schema = schema};
    assert_int_equal(db_new(&config, &db, &rig->e), 0);
    return db;
}

struct history_rig *history_rig_new(char *url)
{
    static const char *const providers[] = {"local", "replicate"};
    struct history_rig *rig = NEW(struct history_rig);
    rig->folder = scratch_new();
    rig->path = mem_printf("%s/limner.db", rig->folder);
    rig->url = url;
    rig->opt = (struct options){.history_keep_10s_h = 2,
                                .history_keep_1m_d = 7,
                                .history_keep_1h_d = 400,
                                .history_points_max = 1500};
    rig->db = history_rig_open(rig, 0);
    rig->tally = tally_new(providers, ARRAY_LEN(providers));
    rig->writer = (struct writer){.opt = &rig->opt, .db = rig->db};
    rig->writer.spill = spill_open(rig->folder, "spill", 1 << 24);
    rig->writer.sketch = NEW(struct sketch);
    sketch_init(rig->writer.sketch);
    return rig;
}

void history_rig_free(struct history_rig *rig)
{
    tally_free(rig->tally);
    spill_close(rig->writer.spill);
    free(rig->writer.sketch);
    db_free(rig->db);
    scratch_free(rig->folder);
    free(rig->path);
    free(rig->url);
    free(rig);
}

void history_rig_add(struct history_rig *rig, enum history_outcome o, uint64_t total_ns, uint64_t provider_ns)
{
    tally_add(rig->tally, &(struct history_sample){.feature = &features[0],
                                                   .provider = o < HISTORY_REFUSED ? "local" : NULL,
                                                   .outcome = o,
                                                   .total_ns = total_ns,
                                                   .provider_ns = provider_ns});
}

void history_rig_batch(struct history_rig *rig, const char *source, uint64_t number, int64_t at)
{
    BUF_ON_EXIT struct buf bytes;
    struct batch_head head = {.number = number, .at = at};
    snprintf(head.source, sizeof(head.source), "%s", source);
    buf_init(&bytes, BATCH_MAX);
    batch_begin(&bytes, &head);
    assert_true(tally_drain(rig->tally, &bytes));
    BLOB_ON_EXIT struct blob *batch = buf_take_blob(&bytes);
    spill_append(rig->writer.spill, batch);
}

void history_rig_apply(struct history_rig *rig)
{
    int r = db_connect(rig->db, &rig->e);
    if (r == 0)
        r = writer_apply(&rig->writer, 60000, NULL, &rig->e);
    if (r < 0)
        fail_msg("%s", rig->e.reason);
    assert_int_equal(r, 1);
}

json_t *history_rig_ask(struct history_rig *rig, int64_t from, int64_t to, unsigned step_s)
{
    struct history_query q = {.from = from,
                              .to = to,
                              .step_s = step_s,
                              .quantiles = 4,
                              .quantile = {0.5, 0.95, 0.99, 0.999},
                              .quantile_name = {"50", "95", "99", "99.9"}};
    BUF_ON_EXIT struct buf out;
    atomic_bool stop = false;
    buf_init(&out, 64 << 20);
    if (history_read(rig->db, &q, &stop, &out, &rig->e) < 0)
        fail_msg("%s", rig->e.reason);
    json_t *doc = json_loads(buf_text(&out), 0, NULL);
    assert_non_null(doc);
    return doc;
}

int64_t history_rig_requests(struct history_rig *rig, int64_t from, int64_t to, unsigned step_s)
{
    json_t *doc = history_rig_ask(rig, from, to, step_s), *series, *point;
    size_t i, k;
    int64_t whole = 0, sum = 0;
    json_array_foreach(json_object_get(doc, "series"), i, series)
    {
        whole += json_integer_value(json_object_get(json_object_get(series, "whole"), "requests"));
        json_array_foreach(json_object_get(series, "points"), k, point) sum +=
            json_integer_value(json_object_get(point, "requests"));
    }
    json_decref(doc);
    assert_int_equal(whole, sum);
    return sum;
}

static bool keep_number(void *ctx, const struct db_value *columns, unsigned count)
{
    *(int64_t *)ctx = columns[0].num;
    return true;
}

int64_t history_rig_number(struct history_rig *rig, const char *sql)
{
    int64_t n = -1;
    if (db_connect(rig->db, &rig->e) < 0 || db_run(rig->db, sql, NULL, 0, keep_number, &n, &rig->e) < 0)
        fail_msg("%s: %s", sql, rig->e.reason);
    return n;
}
