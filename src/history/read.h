/* read.h: answers a question from the database. Private to this folder; on the db lane. */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "db/db.h"
#include "history/history.h"

/* Appends {"from":…,"to":…,"step_s":…,"series":[…]}. *stop ends it early, with -ERR_CLIENT_GONE. */
int history_read(struct db *db, const struct history_query *q, const atomic_bool *stop, struct buf *out,
                 struct error *e) MUST_CHECK;
