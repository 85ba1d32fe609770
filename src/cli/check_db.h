/* check_db.h: the part of `limner check` that looks at the database of history. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "tables/options.h"

/* Changes nothing: no table is made or brought up to date, as an older server may be at work on them. Waits
 * DB_TIMEOUT_MS for each step. True: it can be used; either way *ret says how, for people, and is to be
 * freed. */
bool check_db(const struct options *opt, char **ret) MUST_CHECK;
