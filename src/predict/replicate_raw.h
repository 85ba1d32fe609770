/* replicate_raw.h: a prediction in a caller's own words, for those who speak Replicate's API: what is sent
 * upstream is what came, and what the server says about it is told as it said it. All the rest is as with any
 * run: the account's bucket and breakers, no second create unless the first provably made nothing, polls,
 * cancelling (replicate_run.c).
 *
 * Order: fill the input half of a zeroed struct raw_run, let `raw` of a zeroed struct prediction point at it,
 * provider_start with the Replicate provider, wait for the op, blob_unref(said). The prediction has no
 * feature, no input and no outputs. Cancelling the op stops it upstream whatever it has cost. Core thread.
 *
 * Result: 0: it succeeded; negative: it did not, or was refused. What it said last was told. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/blob.h"
#include "predict/predict.h"
#include "predict/replicate_answer.h"

struct raw_run {
    /* in: the owner's, unchanged until the op is done */
    const char *path;         /* of the create, below the base URL */
    struct blob *body;        /* of the create: a JSON object with an input */
    const char *model;        /* "owner/name"; "": not named */
    const char *version;      /* its id; "": not named */
    const char *deployment;   /* "owner/name"; "": none */
    const char *cancel_after; /* the header's value; "": none */
    unsigned wait_s;          /* Prefer: wait; 0: none */
    bool once;                /* one that the platform lost is not made anew */
    /* Each answer about the prediction, but of one that is made anew. It must neither cancel nor let go. */
    void (*told)(struct prediction *p, const struct replicate_answer *a, const void *body, size_t size);
    /* out, if the create was refused for what it says: how; the caller's reference */
    int status;
    struct blob *said;
};

/* The first feature that runs this model, or is pinned to this version; NULL: none. Any thread. */
const struct feature *replicate_raw_feature(const char *model, const char *version);

/* Asks the server soon how it goes, unless it has said so within that time. */
void replicate_raw_look(struct prediction *p, uint64_t fresh_ms);

/* At the end of the program: lets it go on upstream, and completes its op. false: what it has begun must
 * first be known; ask again. */
bool replicate_raw_let_go(struct prediction *p) MUST_CHECK;
