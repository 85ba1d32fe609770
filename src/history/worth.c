#include "history/worth.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "cache/result_json.h"

enum { HALF_LIFE_S = 86400, SCORE_UNITS = 1000 };

int64_t worth_score(uint64_t hits, uint64_t saved_ms, int64_t used_at_s)
{
    double wanted = log2((double)hits + 1), saved = log2((double)saved_ms + 1);
    return llround((wanted + saved + (double)used_at_s / HALF_LIFE_S) * SCORE_UNITS);
}

static bool take_number(void *ctx, const struct db_value *c, unsigned count)
{
    *(int64_t *)ctx = c[0].num;
    return false;
}

/* Its hits so far are added to, unless the row is another result's. */
static int64_t write_use(struct db *db, const char *space, const struct cache_use *use, uint64_t now_ms,
                         struct error *e)
{
    const struct result *r = use->result;
    BUF_ON_EXIT struct buf json;
    char key[DIGEST_HEX + 1];
    int64_t before = 0;
    buf_init(&json, RESULT_JSON_MAX);
    if (result_left_ms(r, now_ms) == 0 || result_to_json(r, &json) < 0)
        return 0;
    hex_encode(use->key, DIGEST_BYTES, key);
    int64_t n = db_run(db, "SELECT hits FROM result_worth WHERE space = $1 AND result_key = $2",
                       DB_ARGS(DB_T(space), DB_T(key)), take_number, &before, e);
    if (n < 0)
        return n;
    uint64_t hits = use->hits + (uint64_t)MAX(before, 0), saved_ms = r->run_ns / NS_PER_MS;
    int64_t used_at = (int64_t)(now_ms / 1000);
    const char *feature = result_feature(r);
    return db_write(db, e,
                    "INSERT INTO result_worth (space, result_key, feature, result, hits, saved_ms, used_at, "
                    "expires_at, score) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
                    "ON CONFLICT (space, result_key) DO UPDATE SET result = excluded.result, "
                    "hits = excluded.hits, saved_ms = excluded.saved_ms, used_at = excluded.used_at, "
                    "expires_at = excluded.expires_at, score = excluded.score",
                    DB_ARGS(DB_T(space), DB_T(key), DB_T(feature ? feature : ""), DB_T(buf_text(&json)),
                            DB_I(hits), DB_I(saved_ms), DB_I(used_at), DB_I(r->made_ms + r->keep_ms),
                            DB_I(worth_score(hits, saved_ms, used_at))));
}

static int64_t drop_expired(struct db *db, const char *space, uint64_t now_ms, struct error *e)
{
    return db_write(db, e, "DELETE FROM result_worth WHERE space = $1 AND expires_at <= $2",
                    DB_ARGS(DB_T(space), DB_I(now_ms)));
}

static int64_t drop_least(struct db *db, const char *space, uint64_t keep_max, struct error *e)
{
    int64_t there = 0;
    int64_t n = db_run(db, "SELECT COUNT(*) FROM result_worth WHERE space = $1", DB_ARGS(DB_T(space)),
                       take_number, &there, e);
    if (n < 0 || there <= (int64_t)keep_max)
        return n;
    return db_write(db, e,
                    "DELETE FROM result_worth WHERE space = $1 AND result_key IN (SELECT result_key FROM "
                    "result_worth WHERE space = $1 ORDER BY score LIMIT $2)",
                    DB_ARGS(DB_T(space), DB_I(there - (int64_t)keep_max)));
}

/* Ends the transaction as n says. */
static int finish(struct db *db, int64_t n, struct error *e)
{
    if (n >= 0)
        return db_commit(db, e);
    db_rollback(db);
    return (int)n;
}

int worth_write(struct db *db, const char *space, const struct cache_use *use, unsigned count,
                uint64_t keep_max, uint64_t now_ms, struct error *e)
{
    int64_t n = db_begin(db, DB_LOCK_HISTORY, e);
    if (n < 0)
        return (int)n;
    for (unsigned i = 0; i < count && n >= 0; i++)
        if (!atomic_load(&use[i].result->gone))
            n = write_use(db, space, &use[i], now_ms, e);
    if (n >= 0)
        n = drop_expired(db, space, now_ms, e);
    if (n >= 0)
        n = drop_least(db, space, keep_max, e);
    return finish(db, n, e);
}

struct finding {
    struct worth_found *found;
    unsigned count, most;
};

/* What cannot be read is as good as not there. */
static bool take_found(void *ctx, const struct db_value *c, unsigned count)
{
    struct finding *f = ctx;
    struct worth_found *found = &f->found[f->count];
    if (hex_decode(c[0].data, found->key, DIGEST_BYTES) < 0)
        return true;
    found->result = result_from_json(c[1].data, c[1].size);
    f->count += found->result != NULL;
    return f->count < f->most;
}

int worth_best(struct db *db, const char *space, uint64_t now_ms, struct worth_found *ret, unsigned most,
               unsigned *ret_count, uint64_t *ret_expired, struct error *e)
{
    struct finding f = {.found = ret, .most = most};
    int64_t expired = drop_expired(db, space, now_ms, e);
    if (expired < 0)
        return (int)expired;
    int64_t n = db_run(db,
                       "SELECT result_key, result FROM result_worth WHERE space = $1 "
                       "ORDER BY score DESC LIMIT $2",
                       DB_ARGS(DB_T(space), DB_I(most)), take_found, &f, e);
    *ret_count = f.count; /* the caller's, whatever happened */
    *ret_expired = (uint64_t)expired;
    return (int)MIN(n, 0);
}

int worth_forget(struct db *db, const char *space, const uint8_t (*key)[DIGEST_BYTES], unsigned count,
                 struct error *e)
{
    int64_t n = db_begin(db, DB_LOCK_HISTORY, e);
    if (n < 0)
        return (int)n;
    for (unsigned i = 0; i < count && n >= 0; i++) {
        char hex[DIGEST_HEX + 1];
        hex_encode(key[i], DIGEST_BYTES, hex);
        n = db_write(db, e, "DELETE FROM result_worth WHERE space = $1 AND result_key = $2",
                     DB_ARGS(DB_T(space), DB_T(hex)));
    }
    return finish(db, n, e);
}

int worth_forget_all(struct db *db, const char *space, struct error *e)
{
    int64_t n = db_write(db, e, "DELETE FROM result_worth WHERE space = $1", DB_ARGS(DB_T(space)));
    return (int)MIN(n, 0);
}
