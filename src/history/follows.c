/* The pictures that came lately are in a ring, the oldest making way, and in chains by their name. Invariant:
 * a place of the ring that is used is in exactly one chain. */
#include "history/follows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { MILLIONTHS = 1000000, KEEP_S = 90 * 86400 /* of what has not been seen since */ };

struct picture {
    struct picture *next; /* in its chain */
    uint8_t name[DIGEST_BYTES];
    bool used;
    enum feature_id last;
    char params[FOLLOWS_PARAMS_MAX];
    int64_t at;
};

/* Of one feature: [0] how often it was seen, then what followed. */
struct counts {
    struct follow_row row[FOLLOWS_EACH_MAX + 1];
    double learned[FOLLOWS_EACH_MAX + 1]; /* of its times, not taken yet */
    unsigned count;
};

struct follows {
    unsigned pictures_max, next;
    int64_t window_s;
    struct picture *picture, **chain;
    struct counts counts[FEATURE_COUNT];
};

struct follows *follows_new(unsigned pictures_max, unsigned window_s)
{
    struct follows *f = NEW(struct follows);
    f->pictures_max = pictures_max;
    f->window_s = window_s;
    f->picture = mem_zalloc(pictures_max * sizeof(*f->picture));
    f->chain = mem_zalloc(pictures_max * sizeof(*f->chain));
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        f->counts[i].row[0] = (struct follow_row){.from = (enum feature_id)i, .to = FEATURE_NONE};
        f->counts[i].count = 1;
    }
    return f;
}

void follows_free(struct follows *f)
{
    if (!f)
        return;
    free(f->picture);
    free(f->chain);
    free(f);
}

double follows_faded(double times, int64_t at, int64_t now_s)
{
    return now_s > at ? times * exp2(-(double)(now_s - at) / FOLLOWS_HALF_LIFE_S) : times;
}

/* ---- pictures ---- */

static struct picture **find(struct follows *f, const uint8_t *name)
{
    uint64_t hash;
    memcpy(&hash, name, sizeof(hash));
    struct picture **at = &f->chain[hash % f->pictures_max];
    while (*at && memcmp((*at)->name, name, DIGEST_BYTES) != 0)
        at = &(*at)->next;
    return at;
}

static struct picture *picture_of(struct follows *f, const uint8_t *name)
{
    struct picture *p = *find(f, name);
    if (p)
        return p;
    p = &f->picture[f->next++ % f->pictures_max];
    if (p->used)
        *find(f, p->name) = p->next;
    *p = (struct picture){.used = true, .last = FEATURE_NONE};
    memcpy(p->name, name, DIGEST_BYTES);
    struct picture **at = find(f, name);
    *at = p;
    return p;
}

/* ---- counts ---- */

/* The row's place; a new one takes that of the rarest. */
static unsigned row_of(struct counts *c, enum feature_id to, const char *params, int64_t now_s)
{
    unsigned rarest = 1;
    for (unsigned i = 0; i < c->count; i++)
        if (c->row[i].to == to && strcmp(c->row[i].params, params) == 0)
            return i;
    if (c->count <= FOLLOWS_EACH_MAX) {
        rarest = c->count++;
    } else {
        for (unsigned i = 2; i < c->count; i++)
            if (follows_faded(c->row[i].times, c->row[i].at, now_s) <
                follows_faded(c->row[rarest].times, c->row[rarest].at, now_s))
                rarest = i;
    }
    c->row[rarest] = (struct follow_row){.from = c->row[0].from, .to = to, .at = now_s};
    snprintf(c->row[rarest].params, FOLLOWS_PARAMS_MAX, "%s", params);
    c->learned[rarest] = 0;
    return rarest;
}

static unsigned count(struct follows *f, enum feature_id from, enum feature_id to, const char *params,
                      double times, int64_t now_s)
{
    struct counts *c = &f->counts[from];
    unsigned i = row_of(c, to, params, now_s);
    c->row[i].times = follows_faded(c->row[i].times, c->row[i].at, now_s) + times;
    c->row[i].at = MAX(c->row[i].at, now_s);
    return i;
}

static void learn(struct follows *f, enum feature_id from, enum feature_id to, const char *params,
                  int64_t now_s)
{
    unsigned i = count(f, from, to, params, 1, now_s);
    f->counts[from].learned[i] += 1;
}

void follows_seen(struct follows *f, const uint8_t name[static DIGEST_BYTES], const struct feature *feature,
                  const char *params, int64_t now_s)
{
    struct picture *p = picture_of(f, name);
    const char *known = params && strlen(params) < FOLLOWS_PARAMS_MAX ? params : "";
    bool same = p->last == feature->id && strcmp(p->params, known) == 0;
    bool lately = p->last != FEATURE_NONE && now_s - p->at <= f->window_s;
    p->at = now_s;
    if (same && lately)
        return;
    if (lately && (*known || params))
        learn(f, p->last, feature->id, known, now_s);
    learn(f, feature->id, FEATURE_NONE, "", now_s);
    p->last = feature->id;
    snprintf(p->params, sizeof(p->params), "%s", known);
}

const struct follow_row *follows_next(struct follows *f, const struct feature *feature, double min_times,
                                      int64_t now_s, double *ret_percent)
{
    const struct counts *c = &f->counts[feature->id];
    const struct follow_row *best = NULL;
    /* To the nearest whole: what has just been seen so often has faded a little already. */
    double most = min_times - 0.5, seen = follows_faded(c->row[0].times, c->row[0].at, now_s);
    for (unsigned i = 1; i < c->count; i++) {
        double times = follows_faded(c->row[i].times, c->row[i].at, now_s);
        if (times < most)
            continue;
        most = times;
        best = &c->row[i];
    }
    *ret_percent = best && seen > 0 ? MIN(100 * most / seen, 100) : 0;
    return best;
}

unsigned follows_take(struct follows *f, struct follow_row *ret)
{
    unsigned n = 0;
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        struct counts *c = &f->counts[i];
        for (unsigned k = 0; k < c->count; k++) {
            if (c->learned[k] == 0)
                continue;
            ret[n] = c->row[k];
            ret[n++].times = c->learned[k];
            c->learned[k] = 0;
        }
    }
    return n;
}

void follows_add(struct follows *f, const struct follow_row *row, unsigned rows)
{
    for (unsigned i = 0; i < rows; i++)
        count(f, row[i].from, row[i].to, row[i].params, row[i].times, row[i].at);
}

/* ---- the database ---- */

static const char *name_of(enum feature_id id)
{
    return id < FEATURE_COUNT ? features[id].name : "";
}

struct stored {
    double times;
    int64_t at;
};

static bool take_stored(void *ctx, const struct db_value *c, unsigned columns)
{
    *(struct stored *)ctx = (struct stored){(double)c[0].num / MILLIONTHS, c[1].num};
    return false;
}

static int64_t write_row(struct db *db, const struct follow_row *row, struct error *e)
{
    struct stored s = {0, row->at};
    const char *from = name_of(row->from), *to = name_of(row->to);
    int64_t n =
        db_run(db,
               "SELECT times, at FROM feature_follows WHERE from_feature = $1 AND to_feature = $2 AND "
               "params = $3",
               DB_ARGS(DB_T(from), DB_T(to), DB_T(row->params)), take_stored, &s, e);
    if (n < 0)
        return n;
    double times = follows_faded(s.times, s.at, row->at) + row->times;
    return db_write(
        db, e,
        "INSERT INTO feature_follows (from_feature, to_feature, params, times, at) VALUES ($1, $2, "
        "$3, $4, $5) ON CONFLICT (from_feature, to_feature, params) DO UPDATE SET times = "
        "excluded.times, at = excluded.at",
        DB_ARGS(DB_T(from), DB_T(to), DB_T(row->params), DB_I(llround(times * MILLIONTHS)),
                DB_I(MAX(row->at, s.at))));
}

int follows_write(struct db *db, const struct follow_row *row, unsigned rows, struct error *e)
{
    int64_t n = db_begin(db, DB_LOCK_HISTORY, e);
    if (n < 0)
        return (int)n;
    for (unsigned i = 0; i < rows && n >= 0; i++)
        n = write_row(db, &row[i], e);
    if (n >= 0)
        n = db_write(db, e, "DELETE FROM feature_follows WHERE at < $1",
                     DB_ARGS(DB_I(clock_wall_s() - KEEP_S)));
    if (n >= 0)
        return db_commit(db, e);
    db_rollback(db);
    return (int)n;
}

struct reading {
    struct follow_row *row;
    unsigned count;
};

static enum feature_id feature_named(const char *name)
{
    const struct feature *f = feature_by_name(name);
    return f ? f->id : FEATURE_NONE;
}

/* A feature that there is not any more counts for nothing. */
static bool take_row(void *ctx, const struct db_value *c, unsigned columns)
{
    struct reading *r = ctx;
    struct follow_row *row = &r->row[r->count];
    const char *to = c[1].data;
    *row = (struct follow_row){feature_named(c[0].data), feature_named(to), "", (double)c[3].num / MILLIONTHS,
                               c[4].num};
    if (row->from == FEATURE_NONE || (row->to == FEATURE_NONE && *to) || c[2].size >= FOLLOWS_PARAMS_MAX)
        return true;
    snprintf(row->params, sizeof(row->params), "%s", (const char *)c[2].data);
    return ++r->count < FOLLOWS_ROWS_MAX;
}

int follows_read(struct db *db, struct follow_row *ret, unsigned *ret_count, struct error *e)
{
    struct reading r = {.row = ret};
    int64_t n = db_run(db,
                       "SELECT from_feature, to_feature, params, times, at FROM feature_follows "
                       "ORDER BY at DESC",
                       NULL, 0, take_row, &r, e);
    *ret_count = r.count;
    return (int)MIN(n, 0);
}
