/* openapi_parts.h: inside of openapi.c. Each part adds to the document and refers to what it has added. */
#pragma once

#include <jansson.h>

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

/* Adds an answer for each status among the codes. (openapi_error.c) */
void openapi_errors(struct openapi *d, json_t *answers, const enum err *codes, size_t count);
json_t *openapi_error_codes(void) MUST_CHECK; /* the schema ErrorCode: every code there is */
