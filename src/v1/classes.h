/* classes.h: whose slots a model of /v1 takes, by the rules of V1_CLASSES: a model, all of an owner's, a
 * version, or all.
 *
 * Order: classes_new at start, classes_of from any thread, classes_free. The first rule that fits counts;
 * where none does, a model that a feature runs is of the feature's class, and any other light. */
#pragma once

#include "base/macros.h"
#include "tables/error.h"
#include "tables/features.h"

struct classes;

/* VALIDATION on V1_CLASSES: a word is no rule. */
int classes_new(const char *rules, struct classes **ret, struct error *e) MUST_CHECK;
void classes_free(struct classes *c); /* accepts NULL */

/* model: "owner/name", of a deployment likewise; version: its id; "" where one is not named. */
enum class classes_of(const struct classes *c, const char *model, const char *version);
