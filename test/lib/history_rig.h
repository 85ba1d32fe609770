/* history_rig.h: history's writer on one engine, with the clock of its batches in the test's hand. */
#pragma once

#include <jansson.h>

#include "db/db.h"
#include "history/batch.h"
#include "history/tally.h"
#include "history/writer.h"

struct history_rig {
    char *folder, *path, *url;
    struct options opt;
    struct db *db;
    struct writer writer;
    struct tally *tally;
    struct error e;
};

/* url: of PostgreSQL, to be freed by the rig; NULL: SQLite. */
struct history_rig *history_rig_new(char *url) MUST_CHECK;
void history_rig_free(struct history_rig *rig);
struct db *history_rig_open(struct history_rig *rig, unsigned schema) MUST_CHECK; /* a further connection */

void history_rig_add(struct history_rig *rig, enum history_outcome o, uint64_t total_ns,
                     uint64_t provider_ns);
/* What was added becomes the source's batch and waits in the spill. */
void history_rig_batch(struct history_rig *rig, const char *source, uint64_t number, int64_t at);
void history_rig_apply(struct history_rig *rig); /* all of it must go in */
/* The data of an answer: feature "", step in seconds, percentiles 50, 95, 99, 99.9. */
json_t *history_rig_ask(struct history_rig *rig, int64_t from, int64_t to, unsigned step_s) MUST_CHECK;
int64_t history_rig_requests(struct history_rig *rig, int64_t from, int64_t to, unsigned step_s);
int64_t history_rig_number(struct history_rig *rig, const char *sql);
