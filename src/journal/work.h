/* work.h: the journal from inside: what the core thread has, what the lane has while its job runs, and that
 * job. Private to this folder. */
#pragma once

#include "journal/notes.h"
#include "journal/sql.h"
#include "loop/lane.h"

/* What is done beside what was asked for. */
enum chore { CHORE_BEAT = 1, CHORE_OPEN = 2, CHORE_TAKE = 4, CHORE_CLEAR = 8 };

struct journal {
    struct journal_config config;
    struct sql sql;
    struct notes notes;
    struct list queue; /* of struct journal_item */
    struct timer timer;
    uint64_t beat_ns, take_ns, clear_ns; /* when each is due next */
    uint64_t asked_ns, held_ns; /* when the last word that we live was sent; of the last one written */
    unsigned hold;              /* how often it may have lost its rows */
    unsigned due;               /* chores */
    bool writing, settling, stopping, started;
    bool from_the_start; /* what is read of the open rows next */
    _Atomic bool bad;    /* the last group was not written */
    unsigned lost;       /* notes, at the end */
    /* the job's, while it runs */
    struct lane_job job;
    struct list group;
    unsigned chores, done; /* what it is to do, what it did */
    bool group_written;
    bool adopted;
    struct journal_found open, taken;
    int64_t mark; /* of the rows taken over last; 0: they have been read */
    struct error error;
};

/* The job: the group in one transaction, then the chores. 0, or what is wrong with the database. */
int journal_work(struct lane_job *job);

static inline struct journal_write *write_of(struct journal_item *item)
{
    return CONTAINER_OF(item, struct journal_write, item);
}

static inline struct journal_read *read_of(struct journal_item *item)
{
    return CONTAINER_OF(item, struct journal_read, item);
}

static inline struct journal_note *note_of(struct journal_item *item)
{
    return CONTAINER_OF(item, struct journal_note, item);
}

static inline bool changes(const struct journal_item *item)
{
    return item->kind <= ITEM_NOTE;
}
