/* notes.h: what is to be changed in rows and nobody waits for; and the map that finds the latest thing asked
 * of a row. Private to this folder; core thread, but that the lane reads the notes of its group.
 *
 * The map holds what is in the queue and changes a row. A note joins the latest thing of its row if that is a
 * note too; behind an insert or an intent it stands for itself, so that the order stays. */
#pragma once

#include "journal/journal.h"

enum { NOTES_BUCKETS = 1024 };

struct notes {
    struct list bucket[NOTES_BUCKETS]; /* newest first */
};

/* Texts are the note's own; NULL, and numbers below 0: no change. */
struct journal_note {
    struct journal_item item;
    char id[JOURNAL_ID_MAX + 1];
    bool remove; /* nothing else matters, but */
    bool drop_steps;
    int64_t state, started_ms, ended_ms, cost_nano, callback_due_ms;
    char *prediction, *input_url, *result, *error, *callback_log;
};

enum { ITEM_INSERT, ITEM_INTENT, ITEM_NOTE, ITEM_FIND, ITEM_CHILDREN };

struct journal_note *note_new(const char *id) MUST_CHECK;
void note_free(struct journal_note *n);
/* What later says is put over n; later's texts are taken. */
void note_merge(struct journal_note *n, struct journal_note *later);

void notes_init(struct notes *m);
void notes_add(struct notes *m, struct journal_item *item);               /* the newest of its row */
void notes_add_first(struct notes *m, struct journal_item *item);         /* the oldest of its row */
void notes_drop(struct journal_item *item);                               /* accepts one that is in no map */
struct journal_item *notes_newest(const struct notes *m, const char *id); /* NULL: none */
struct journal_item *notes_oldest(const struct notes *m, const char *id);
