/* prom.h: a reader of Prometheus' text format, as limner's own /metrics writes it.
 *
 * Order: prom_parse, questions, prom_free. A line that cannot be read is passed over. `labels` in questions
 * is a part of what stands between the braces, in its order: class="light", or class="light",reason="rate";
 * NULL: all series of that name. Any thread. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

struct prom;

struct prom *prom_parse(const char *text) MUST_CHECK;
void prom_free(struct prom *p); /* accepts NULL, as the questions do: nothing is there */

bool prom_has(const struct prom *p, const char *name, const char *labels);
double prom_sum(const struct prom *p, const char *name, const char *labels); /* 0: there is none */
double prom_max(const struct prom *p, const char *name, const char *labels); /* likewise */

/* What was counted between two; before may be NULL: since the start. A counter that went back has begun anew
 * with another process: then what it has now. */
double prom_grown(const struct prom *now, const struct prom *before, const char *name, const char *labels);
/* A histogram's percentile of what came in between, by interpolation inside of a bucket; negative: nothing
 * came. name: without _bucket. q: 0 … 1. */
double prom_quantile(const struct prom *now, const struct prom *before, const char *name, const char *labels,
                     double q);

/* The label's values that there are for a name, in order and once each; returns how many, at most that many
 * of which are in ret. The texts live as long as p. */
struct prom_word {
    const char *text;
    int length;
};
unsigned prom_words(const struct prom *p, const char *name, const char *label, struct prom_word *ret,
                    unsigned most);
