/* order.h: a create as its caller has worded it: what is asked for, and which other one would be the same. No
 * I/O; any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/digest.h"
#include "base/macros.h"
#include "tables/error.h"

enum { V1_NAME_MAX = 129, V1_WAIT_MAX_S = 60, V1_CANCEL_AFTER_MAX = 24 };

enum order_kind { ORDER_VERSION, ORDER_MODEL, ORDER_DEPLOYMENT };

/* What the request says beside its body. */
struct order_ask {
    enum order_kind kind;
    const char *owner, *name;                          /* of model or deployment */
    const char *tenant;                                /* whose results these are; NULL: everybody's */
    const char *prefer, *cancel_after, *cache_control; /* headers; NULL: not there */
};

struct order {
    char *path;                         /* upstream */
    char *model, *version, *deployment; /* "": not named */
    struct blob *body;
    const char *input; /* in body */
    size_t input_size;
    char cancel_after[V1_CANCEL_AFTER_MAX]; /* "": none */
    unsigned wait_s;                        /* Prefer: wait; 0: none */
    bool streams, hooked; /* events are wanted; a webhook is, which only one's own prediction calls */
    bool shares;          /* its result may be another's, and another's its own */
    bool renews;          /* … but not one made before: it is made, and then kept */
    uint8_t key[DIGEST_BYTES];
};

/* VALIDATION: the body is no JSON object. ret->body is a reference of its own; order_free. */
int order_read(const struct order_ask *ask, struct blob *body, struct order **ret,
               struct error *e) MUST_CHECK;
void order_free(struct order *o); /* accepts NULL */
