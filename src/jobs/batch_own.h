/* batch_own.h: the inside of a batch, for its own files (batch.c, batch_json.c). Core thread. */
#pragma once

#include <jansson.h>

#include "jobs/batch.h"

enum item_state { ITEM_NEW, ITEM_SUBMITTED, ITEM_OPEN, ITEM_COMPLETED, ITEM_FAILED, ITEM_CANCELED };

struct item {
    enum item_state state;
    bool away;        /* its job is not in this process */
    enum err refused; /* why it never became a job; NONE: it did */
    struct batch *batch;
};

struct batch {
    struct job *job;
    json_t *items, *fields; /* of the request; items: or entries, if there is an archive */
    struct batch_zip *zip;  /* NULL: there is none */
    unsigned passed_over;   /* files in it that are no pictures */
    struct item *item;
    unsigned count, next, submitting, left;
    bool loading;
    struct journal_read read;
    struct timer again, over, look, turn;
};
