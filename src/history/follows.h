/* follows.h: which feature, with which parameters, follows which on the same picture of the same caller.
 *
 * Order: follows_new; follows_seen for each finished request; follows_next asks; follows_free. Counts fade by
 * half in FOLLOWS_HALF_LIFE_S, so that what users do now outweighs what they did. What was learned since
 * follows_take leaves as rows for the database (follows_write, on the db lane), and follows_add puts what
 * lies there (follows_read) beside what was learned already. One thread, but for the two of the db lane,
 * which touch rows only. No free text is ever learned: it is a caller's own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "db/db.h"
#include "tables/features.h"

enum { FOLLOWS_HALF_LIFE_S = 7 * 86400, FOLLOWS_PARAMS_MAX = 256, FOLLOWS_EACH_MAX = 16 };
enum { FOLLOWS_ROWS_MAX = FEATURE_COUNT * (FOLLOWS_EACH_MAX + 1) };

/* How often `to` with params followed `from`; to FEATURE_NONE: how often `from` was seen at all. */
struct follow_row {
    enum feature_id from, to;
    char params[FOLLOWS_PARAMS_MAX]; /* canonical, without free text */
    double times;
    int64_t at; /* as of when, seconds since 1970 */
};

struct follows;

struct follows *follows_new(unsigned pictures_max, unsigned window_s) MUST_CHECK;
void follows_free(struct follows *f); /* accepts NULL */

/* A step on the picture called name (a digest over caller and picture). params NULL: with free text, which
 * counts as a step that is followed, but follows none. */
void follows_seen(struct follows *f, const uint8_t name[static DIGEST_BYTES], const struct feature *feature,
                  const char *params, int64_t now_s);
/* The likeliest step after this one: its row, valid until the next call; *ret_percent of all times. NULL:
 * none was seen min_times. */
const struct follow_row *follows_next(struct follows *f, const struct feature *feature, double min_times,
                                      int64_t now_s, double *ret_percent);

double follows_faded(double times, int64_t at, int64_t now_s); /* pure */

/* What was learned since the last call, at most FOLLOWS_ROWS_MAX. */
unsigned follows_take(struct follows *f, struct follow_row *ret) MUST_CHECK;
void follows_add(struct follows *f, const struct follow_row *row, unsigned count);

/* On the db lane, connected; errors as in db.h. */
int follows_write(struct db *db, const struct follow_row *row, unsigned count, struct error *e) MUST_CHECK;
int follows_read(struct db *db, struct follow_row *ret, unsigned *ret_count, struct error *e) MUST_CHECK;
