/* worth.h: what remembered results are worth, kept in the database, so that a gateway that starts with an
 * empty cache can load the best ones.
 *
 * A result's worth is how often it was wanted (made once, and its hits) × the seconds that a hit saves × how
 * lately it was used, which halves with each day. As all rows fade alike, their order is that of a number
 * that never changes: the logarithm of the first two plus the day of the last use. Results lie there as text,
 * keys of stored objects and all, never image bytes.
 *
 * On the db lane, with a connected database. space: the rows of those who store in the same place. Errors as
 * in db.h. */
#pragma once

#include <stdint.h>

#include "cache/cache.h"
#include "db/db.h"

enum { WORTH_SPACE_MAX = 64 };

/* The order of worth; used_at_s since 1970. Pure. */
int64_t worth_score(uint64_t hits, uint64_t saved_ms, int64_t used_at_s);

/* Adds to the rows of what was used, and drops what has expired and, beyond keep_max rows, what is worth
 * least. now_ms: since 1970. */
int worth_write(struct db *db, const char *space, const struct cache_use *use, unsigned count,
                uint64_t keep_max, uint64_t now_ms, struct error *e) MUST_CHECK;

struct worth_found {
    uint8_t key[DIGEST_BYTES];
    struct result *result;
};

/* The best ones, best first: at most `most` into ret, whose results are the caller's. *ret_expired: rows that
 * were dropped as their time is over. */
int worth_best(struct db *db, const char *space, uint64_t now_ms, struct worth_found *ret, unsigned most,
               unsigned *ret_count, uint64_t *ret_expired, struct error *e) MUST_CHECK;

int worth_forget(struct db *db, const char *space, const uint8_t (*key)[DIGEST_BYTES], unsigned count,
                 struct error *e) MUST_CHECK;
int worth_forget_all(struct db *db, const char *space, struct error *e) MUST_CHECK;
