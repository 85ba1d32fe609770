/* openapi_parts.h: inside of openapi.c. Each part adds to the document and refers to what it has added. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/macros.h"
#include "tables/error.h"
#include "tables/features.h"

struct openapi {
    const struct options *opt;
    json_t *doc;
    json_t *schemas, *responses; /* borrowed: of its components */
};

/* "#/components/KIND/NAME" */
json_t *openapi_ref(const char *kind, const char *name) MUST_CHECK;
json_t *openapi_headers(const struct openapi *d, bool limited) MUST_CHECK; /* limited: calls are counted */

/* The operation of an image route. (openapi_feature.c) */
json_t *openapi_feature(struct openapi *d, const struct feature *f) MUST_CHECK;

/* A parameter's schema; that of its other name; what an answer's meta tells of it, NULL: nothing.
 * (openapi_param.c) */
json_t *openapi_param(const struct param_row *row) MUST_CHECK;
json_t *openapi_param_alias(const struct param_row *row) MUST_CHECK;
json_t *openapi_param_told(const struct param_row *row) MUST_CHECK;
/* The next word of a choice, "a|b|long=a", which is moved on; *ret_meant: what it stands for. NULL: there is
 * none. */
const char *openapi_next_word(const char **at, struct arena *a, const char **ret_meant) MUST_CHECK;
json_t *openapi_word(const struct param_row *row, const char *word) MUST_CHECK; /* as a value */

/* Adds an answer for each status among the codes. (openapi_error.c) */
void openapi_errors(struct openapi *d, json_t *answers, const enum err *codes, size_t count);
json_t *openapi_error_codes(void) MUST_CHECK; /* the schema ErrorCode: every code there is */
