/* sql.h: the statements of the journal. Private to this folder; on the lane, and before it has work on the
 * main thread.
 *
 * Each does its part inside or outside of a transaction; a negative result is the database's, with e filled.
 * What came of an item otherwise is its result. */
#pragma once

#include "db/db.h"
#include "journal/journal.h"
#include "journal/notes.h"

enum { SQL_ROWS = 200 }; /* of one step of reading, taking over or clearing */

struct sql {
    struct db *db;
    bool several; /* gateways may share it: it is PostgreSQL */
    const char *owner;
    int64_t run; /* this process: random */
};

/* One row that was found; in the arena of the journal_found. */
struct sql_row {
    struct list node;
    struct journal_row row;
};

int sql_insert(struct sql *s, struct journal_write *w, struct error *e) MUST_CHECK;
int sql_intent(struct sql *s, struct journal_write *w, struct error *e) MUST_CHECK;
int sql_note(struct sql *s, const struct journal_note *n, struct error *e) MUST_CHECK;

/* A step of reading: what f holds is replaced by what comes behind its `after`, which stays where it is, as a
 * step may be done again; sql_advance moves it on once the rows have been told. */
int sql_find(struct sql *s, struct journal_found *f, const char *id, struct error *e) MUST_CHECK;
int sql_children(struct sql *s, struct journal_found *f, const char *parent, struct error *e) MUST_CHECK;
/* Our open rows that another process wrote. */
int sql_open(struct sql *s, struct journal_found *f, struct error *e) MUST_CHECK;
/* Those that were taken over under this mark. */
int sql_taken(struct sql *s, struct journal_found *f, int64_t mark, struct error *e) MUST_CHECK;
void sql_advance(struct journal_found *f);
void sql_release(struct journal_found *f); /* its rows; not where it is */

/* Makes all open rows ours. */
int sql_adopt(struct sql *s, struct error *e) MUST_CHECK;
/* We live. */
int sql_beat(struct sql *s, struct error *e) MUST_CHECK;
/* Takes over open rows of owners who are silent for owner_s, under a mark. How many, or an error. */
int64_t sql_take_over(struct sql *s, unsigned owner_s, int64_t mark, struct error *e) MUST_CHECK;
/* Removes rows that were over at before_ms, some at a time, and owners who have been gone for long. 1: there
 * may be more. */
int sql_clear(struct sql *s, int64_t before_ms, struct error *e) MUST_CHECK;
