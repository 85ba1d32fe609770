/* Happy path: a transaction for each batch: the number of its source is raised, each row is merged into the
 * three spans it lies in and into the totals; then it leaves the spill.
 * Failure modes: a database that cannot take it leaves the batch where it is. A commit whose outcome is not
 * known, or a process that dies before the batch has left the spill, makes it come again: its number is then
 * not greater than the source's, and it is skipped. A batch that cannot be read is dropped.
 * Invariant: a source's batches come in the order of their numbers. */
#include "history/writer.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "history/batch.h"
#include "history/spans.h"

enum {
    CLEAR_EVERY_S = 60,
    CLEAR_ROWS = 2000, /* of one span at a time: more than a minute brings */
    SOURCES_KEPT_S = 400 * 86400
};

/* ---- a row into a span ---- */

struct found {
    struct writer *w;
    const struct batch_row *row;
    bool there;
    struct buf latency, overhead, provided; /* the merged sketches */
};

static void merge_into(struct found *f, const struct db_value *old, const uint8_t *more, size_t more_size,
                       struct buf *out)
{
    struct sketch *s = f->w->sketch;
    sketch_clear(s);
    /* What cannot be read, of the row or of the batch, counts as nothing. */
    int r = old ? sketch_merge_coded(s, old->data, old->size) : 0;
    r |= sketch_merge_coded(s, more, more_size);
    (void)r;
    sketch_encode(s, out);
}

static bool merge_row(void *ctx, const struct db_value *c, unsigned count)
{
    struct found *f = ctx;
    const struct batch_row *r = f->row;
    bool old = count == 3;
    f->there = old;
    merge_into(f, old ? &c[0] : NULL, r->latency, r->latency_size, &f->latency);
    merge_into(f, old ? &c[1] : NULL, r->overhead, r->overhead_size, &f->overhead);
    merge_into(f, old ? &c[2] : NULL, r->provided, r->provided_size, &f->provided);
    return false;
}

static int64_t write_row(struct writer *w, const struct span *span, int64_t at, struct found *f,
                         struct error *e)
{
    const struct batch_row *r = f->row;
    int64_t n =
        db_run(w->db, span->find, DB_ARGS(DB_I(at), DB_T(r->feature), DB_T(r->provider), DB_T(r->outcome)),
               merge_row, f, e);
    if (n < 0)
        return n;
    if (!f->there)
        merge_row(f, NULL, 0);
    return db_write(w->db, e, f->there ? span->update : span->insert,
                    DB_ARGS(DB_I(at), DB_T(r->feature), DB_T(r->provider), DB_T(r->outcome),
                            DB_I(r->requests), DB_I(r->latency_us), DB_I(r->provider_us),
                            DB_B(f->latency.data, f->latency.len), DB_B(f->overhead.data, f->overhead.len),
                            DB_B(f->provided.data, f->provided.len), DB_I(r->cost_nano),
                            DB_I(r->saved_nano)));
}

static int64_t put_row(struct writer *w, const struct span *span, int64_t at, const struct batch_row *r,
                       struct error *e)
{
    struct found f = {.w = w, .row = r};
    buf_init(&f.latency, BATCH_MAX);
    buf_init(&f.overhead, BATCH_MAX);
    buf_init(&f.provided, BATCH_MAX);
    int64_t n = write_row(w, span, at - at % span->seconds, &f, e);
    buf_release(&f.latency);
    buf_release(&f.overhead);
    buf_release(&f.provided);
    return n;
}

static int64_t put_total(struct writer *w, const struct batch_row *r, struct error *e)
{
    return db_write(
        w->db, e,
        "INSERT INTO history_total (feature, provider, outcome, requests, latency_us, provider_us, "
        "cost_nano, saved_nano) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (feature, provider, "
        "outcome) DO UPDATE SET "
        "requests = history_total.requests + excluded.requests, "
        "latency_us = history_total.latency_us + excluded.latency_us, "
        "provider_us = history_total.provider_us + excluded.provider_us, "
        "cost_nano = history_total.cost_nano + excluded.cost_nano, "
        "saved_nano = history_total.saved_nano + excluded.saved_nano",
        DB_ARGS(DB_T(r->feature), DB_T(r->provider), DB_T(r->outcome), DB_I(r->requests), DB_I(r->latency_us),
                DB_I(r->provider_us), DB_I(r->cost_nano), DB_I(r->saved_nano)));
}

/* ---- a batch ---- */

/* Raises the source's number: 1; 0: this batch, or a later one, is there already. */
static int64_t mark_applied(struct writer *w, const struct batch_head *head, struct error *e)
{
    return db_write(w->db, e,
                    "INSERT INTO history_source (source, last, at) VALUES ($1, $2, $3) ON CONFLICT (source) "
                    "DO UPDATE SET last = excluded.last, at = excluded.at "
                    "WHERE history_source.last < excluded.last",
                    DB_ARGS(DB_T(head->source), DB_I(head->number), DB_I(head->at)));
}

/* A batch that comes late does not bring back what is too old for a span. */
static int64_t put_rows(struct writer *w, struct batch_reader *reader, int64_t now, struct error *e)
{
    struct batch_row row;
    int64_t at = reader->head.at, r = 0;
    while (r >= 0 && batch_next(reader, &row) == 1) {
        for (unsigned i = 0; i < SPAN_COUNT && r >= 0; i++)
            if (at >= now - span_keep_s(&spans[i], w->opt))
                r = put_row(w, &spans[i], at, &row, e);
        if (r >= 0)
            r = put_total(w, &row, e);
    }
    return MIN(r, 0);
}

static int outcome_of(const char *word)
{
    for (int i = 0; i < HISTORY_OUTCOMES; i++)
        if (strcmp(history_outcomes[i], word) == 0)
            return i;
    return -1;
}

/* Of a feature or an outcome that this program does not know: nothing. */
static void add_counts(struct history_totals *t, const char *feature, const char *word, uint64_t requests,
                       uint64_t latency_us)
{
    int outcome = outcome_of(word);
    const struct feature *f = feature_by_name(feature);
    if (!f || outcome < 0)
        return;
    t->feature[f->id].requests[outcome] += requests;
    if (outcome < HISTORY_REFUSED)
        t->feature[f->id].latency_us += latency_us;
}

/* It is in the database, now or since an earlier try. */
static void note_own(struct writer *w, const struct blob *batch)
{
    struct batch_reader reader;
    struct batch_row row;
    if (!w->source || batch_read(&reader, batch->data, batch->size) < 0 ||
        strcmp(reader.head.source, w->source) != 0)
        return;
    while (batch_next(&reader, &row) == 1)
        add_counts(&w->own, row.feature, row.outcome, row.requests, row.latency_us);
}

static int apply_batch(struct writer *w, const struct blob *batch, struct error *e)
{
    struct batch_reader reader;
    if (batch_read(&reader, batch->data, batch->size) < 0)
        return 0;
    int r = db_begin(w->db, DB_LOCK_HISTORY, e);
    if (r < 0)
        return r;
    int64_t n = mark_applied(w, &reader.head, e);
    if (n > 0)
        n = put_rows(w, &reader, clock_wall_s(), e);
    if (n < 0) {
        db_rollback(w->db);
        return (int)n;
    }
    return db_commit(w->db, e);
}

int writer_apply(struct writer *w, unsigned budget_ms, const atomic_bool *stop, struct error *e)
{
    uint64_t until = clock_mono_ns() + budget_ms * NS_PER_MS;
    for (;;) {
        BLOB_ON_EXIT struct blob *batch = spill_peek(w->spill);
        if (!batch)
            return 1;
        if (clock_mono_ns() >= until || (stop && atomic_load(stop)))
            return 0;
        int r = apply_batch(w, batch, e);
        if (r < 0)
            return r;
        note_own(w, batch);
        spill_pop(w->spill);
    }
}

/* ---- the rest ---- */

int writer_clear_old(struct writer *w, int64_t now, struct error *e)
{
    if (now - w->cleared_at < CLEAR_EVERY_S && now >= w->cleared_at)
        return 0;
    w->cleared_at = now;
    int64_t r = 0;
    for (unsigned i = 0; i < SPAN_COUNT && r >= 0; i++)
        r = db_write(w->db, e, spans[i].clear,
                     DB_ARGS(DB_I(now - span_keep_s(&spans[i], w->opt)), DB_I(CLEAR_ROWS)));
    if (r >= 0)
        r = db_write(w->db, e, "DELETE FROM history_source WHERE at < $1",
                     DB_ARGS(DB_I(now - SOURCES_KEPT_S)));
    return (int)MIN(r, 0);
}

static bool add_total(void *ctx, const struct db_value *c, unsigned count)
{
    add_counts(ctx, c[0].data, c[1].data, (uint64_t)c[2].num, (uint64_t)c[3].num);
    return true;
}

static bool read_number(void *ctx, const struct db_value *c, unsigned count)
{
    *(int64_t *)ctx = c[0].num;
    return true;
}

/* A database that was begun anew meanwhile has less than we remember to have put there. */
static void take_off(uint64_t *from, uint64_t n)
{
    *from -= MIN(*from, n);
}

int writer_totals(struct writer *w, struct history_totals *ret, struct error *e)
{
    struct history_totals t = {0};
    int64_t r = db_run(w->db, "SELECT feature, outcome, requests, latency_us FROM history_total", NULL, 0,
                       add_total, &t, e);
    if (r >= 0)
        r = db_run(w->db, "SELECT COALESCE(MIN(applied_at), 0) FROM schema_version", NULL, 0, read_number,
                   &t.since_s, e);
    if (r < 0)
        return (int)r;
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        for (unsigned o = 0; o < HISTORY_OUTCOMES; o++)
            take_off(&t.feature[f].requests[o], w->own.feature[f].requests[o]);
        take_off(&t.feature[f].latency_us, w->own.feature[f].latency_us);
    }
    t.known = true;
    *ret = t;
    return 0;
}
