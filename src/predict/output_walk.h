/* output_walk.h: any shape of model output as a flat list.
 *
 * A string may stand alone, in lists and in objects at any depth. What begins with http: or https: and holds
 * no blank is an address; a data URI is decoded; other strings are text, and neighbours in a list are joined
 * to one. Null, numbers, truth values and empty strings are passed over. Order is the output's own. Nothing
 * is said about what the bytes are: sniff them. No I/O; any thread. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/blob.h"
#include "base/macros.h"
#include "tables/error.h"

enum output_kind { OUTPUT_URL, OUTPUT_BYTES, OUTPUT_TEXT };

enum { OUTPUT_ITEMS_MAX = 64, OUTPUT_URL_MAX = 8192, OUTPUT_DEPTH_MAX = 32 };

struct output_item {
    enum output_kind kind;
    char *text;         /* URL, TEXT; else NULL */
    struct blob *bytes; /* BYTES; else NULL. The list's reference */
    char mime[64];      /* as the data URI claims, lower case; "" if it does not */
};

struct output_list {
    struct output_item item[OUTPUT_ITEMS_MAX];
    unsigned count;
    unsigned left_out; /* items beyond items_max */
};

struct output_limits {
    unsigned items_max; /* 1…OUTPUT_ITEMS_MAX; further ones are only counted */
    size_t bytes_max;   /* of one item, as decoded; more is an error */
    size_t total_max;   /* of all decoded bytes and texts, where there are several items */
    bool concatenate;   /* the model streams text: every string is a piece of it */
};

/* 0: *ret is to be released; it may be empty. UPSTREAM: a data URI that cannot be decoded, nested too deep,
 * or more than bytes_max or total_max. */
int output_walk(const json_t *output, const struct output_limits *limits, struct output_list *ret,
                struct error *e) MUST_CHECK;
void output_list_release(struct output_list *list); /* accepts a zeroed or released one */
