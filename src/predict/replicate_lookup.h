/* replicate_lookup.h: finding, among the account's predictions, the one that our create may have made.
 *
 * Order: GET replicate_lookup_path; replicate_lookup_read on each 2xx answer, following `next` at most
 * REPLICATE_PAGES_MAX times. A prediction is ours if its model (or version) and every key of the input are
 * what we sent, no other run has it, and it has not come to nothing: such a one is not worth another's fate,
 * and may be made again. Where both the create and the prediction have a marked webhook (a
 * query that begins with REPLICATE_MARK), the mark alone decides. The newest comes first. No I/O; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"
#include "predict/replicate_error.h"
#include "tables/error.h"

enum {
    REPLICATE_PAGES_MAX = 5,
    REPLICATE_RESUME_PAGES_MAX = 60, /* at 100 a page what an account may make in ten minutes */
    REPLICATE_ID_MAX = 64
};

#define REPLICATE_MARK "?job="

struct replicate_wanted {
    const struct blob *body; /* of the create, as it was sent */
    const char *model;       /* "owner/name"; "": the version or deployment tells it */
    const char *version;     /* NULL: as in the body; "": none */
    const char *deployment;  /* "owner/name"; "": none */
    bool any_version;        /* the one of the create is not known for certain: another one is a doubt */
    bool unmarked;           /* its webhook is somebody else's */
    bool (*taken)(const void *ctx, const char *id); /* it belongs to another run */
    const void *ctx;
};

struct replicate_found {
    char id[REPLICATE_ID_MAX + 1];   /* "": not on this page */
    char vain[REPLICATE_ID_MAX + 1]; /* one that may be ours and has come to nothing; "": none */
    char next[512];                  /* whole URL of the next page below base_url; "": none */
    bool doubtful; /* one may be ours: all is the same, but its picture is told in another form */
    bool cut;      /* there is a next page, but not one that the token may be sent to */
};

bool replicate_id_ok(const char *id); /* letters, digits, - and _; not empty, not too long */

/* Below the base URL. since_s: a little before the create was sent, as clocks differ. */
void replicate_lookup_path(int64_t since_s, char *ret, size_t size);

/* UPSTREAM: the answer cannot be read. */
int replicate_lookup_read(const struct replicate_reply *reply, const char *base_url,
                          const struct replicate_wanted *wanted, struct replicate_found *ret,
                          struct error *e) MUST_CHECK;
