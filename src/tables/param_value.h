/* param_value.h: inside of features.c. A value as it was given, against its row. No state, any thread. */
#pragma once

#include "tables/features.h"

/* The canonical text, in the arena or static; NULL: e says what is allowed (the feature's refusal, with the
 * field). A list is a JSON array of texts, or else lines. */
const char *param_value(const struct param_row *row, const char *value, struct arena *a,
                        struct error *e) MUST_CHECK;

/* Likewise of a list whose items came one by one. */
const char *param_items(const struct param_row *row, const char *const *item, size_t count, struct arena *a,
                        struct error *e) MUST_CHECK;
