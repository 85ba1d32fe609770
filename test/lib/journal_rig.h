/* journal_rig.h: a journal on a loop and a lane of its own; the test's thread is the core. Order:
 * journal_rig_new, journal_rig_open, use, journal_rig_close, open again as often as you like,
 * journal_rig_free. */
#pragma once

#include "journal/journal.h"
#include "loop/lane.h"
#include "waiting_loop.h"

enum { RIG_FOUND_MAX = 4096 };

struct journal_rig {
    char *folder, *path, *url; /* url NULL: SQLite */
    struct waiting_loop w;
    struct lane *lane;
    struct journal *j;
    struct journal_config config; /* may be changed before it is opened */
    struct error e;
    unsigned done; /* ops */
    char found[RIG_FOUND_MAX][JOURNAL_ID_MAX + 1];
    unsigned found_count, started, taken, ended, noted, bad, good;
    char ended_id[JOURNAL_ID_MAX + 1]; /* the last row that was told to have ended */
    char told[256];                    /* the last bad news */
};

/* url: of PostgreSQL, to be freed by the rig; folder: to be removed by it; NULL: a new one. */
struct journal_rig *journal_rig_new(char *url, char *folder) MUST_CHECK;
void journal_rig_free(struct journal_rig *rig);  /* removes the folder */
void journal_rig_leave(struct journal_rig *rig); /* does not */
int journal_rig_open(struct journal_rig *rig) MUST_CHECK;
void journal_rig_close(struct journal_rig *rig);
void journal_rig_turn_until(struct journal_rig *rig, const unsigned *count, unsigned target);

/* Each waits; their results. */
int journal_rig_insert(struct journal_rig *rig, const struct journal_row *row);
int journal_rig_intent(struct journal_rig *rig, const struct journal_row *row);

/* One row, kept until the next. */
struct journal_copy {
    struct journal_row row;
    char text[15][256];
};
int journal_rig_find(struct journal_rig *rig, const char *id, struct journal_copy *ret);
/* How many, in the right order. */
unsigned journal_rig_children(struct journal_rig *rig, const char *parent);
int64_t journal_rig_number(struct journal_rig *rig, const char *sql);
void journal_rig_sql(struct journal_rig *rig, const char *sql);
