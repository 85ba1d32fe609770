/* openapi.h: what this server offers, as an OpenAPI 3.1 document. Made of the tables (features.def,
 * errors.def, routes.def), the options, and openapi.def. Any thread. */
#pragma once

#include "base/blob.h"
#include "base/macros.h"
#include "tables/options.h"

struct blob *openapi_render(const struct options *opt) MUST_CHECK;
